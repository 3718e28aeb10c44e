// SPDX-License-Identifier: Apache-2.0
import { hasDigest, sha256, type Sha256 } from "../image/digest.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import { MAX_LOGGING_DELAY_SECONDS } from "../record/candidate.ts";
import { ROOT_TOO_OLD } from "../record/error.ts";
import type { RecordContext } from "../record/record.ts";
import type { Trust } from "../record/signer.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { Ledger, LedgerAnswer } from "./answer.ts";
import { LedgerError } from "./error.ts";
import {
  LEDGER_TAG,
  type LedgerPart,
  manifestOf,
  parseConfiguration,
  parseShards,
  shardOf,
} from "./layout.ts";
import { ledgerHistory, tagLinesIn } from "./lines.ts";
import { proveHead, type ProvenHead } from "./proven-head.ts";
import type { LedgerSource } from "./source.ts";

/** What reading a ledger takes from outside. */
export interface LedgerReading extends Pick<RecordContext, "logs"> {
  /**
   * The configuration of an image of the registry, byte for byte, by a reference with a tag or a digest. Throws LedgerError:
   * "ledger-not-there", "ledger-unreachable".
   */
  readonly configuration: (reference: string) => Promise<Uint8Array>;
  readonly trustedRoot: () => Promise<TrustedRoot>;
  /** A newer one, for a head or a line whose log or authority is not in the first; undefined: there is none. */
  readonly newerRoot?: (() => Promise<TrustedRoot | undefined>) | undefined;
  readonly now: () => Date;
}

/** What a ledger has, as its head proves it. */
interface Content {
  readonly head: ProvenHead;
  /** The text with all lines, or the shards that have them. */
  readonly text: string;
  readonly shards: readonly (Sha256 | undefined)[] | undefined;
}

/** A ledger that is read once for a build, and of it only the parts that the build's tags are in. */
export function openLedger(source: LedgerSource, reading: LedgerReading): Ledger {
  const { repository } = source;
  let content: Promise<Content> | undefined;
  const parts = new Map<number, Promise<string | undefined>>();
  const open = (): Promise<Content> => (content ??= readContent(source, reading));

  /** The text that has a tag's lines if it has any; undefined: its shard is named as one without lines. */
  const textFor = async (name: string): Promise<{ text: string | undefined; part: number; of: number }> => {
    const { text, shards } = await open();
    if (shards === undefined) return { text, part: 0, of: 1 };
    const part = shardOf(name, shards.length);
    const digest = shards[part];
    const read =
      parts.get(part) ??
      (digest === undefined
        ? Promise.resolve(undefined)
        : readShard(`${repository}@${digest}`, digest, reading));
    parts.set(part, read);
    return { text: await read, part, of: shards.length };
  };

  const answer = async (subject: Reference, trust: readonly Trust[]): Promise<LedgerAnswer> => {
    const name = taggedName(subject);
    const { text, ...place } = await textFor(name);
    const { sequence, loggedAt } = (await open()).head;
    const reach = { sequence, loggedAt };
    if (text === undefined) return { kind: "not-watched", reach };
    const lines = tagLinesIn(text, name, place);
    const history = await withNewerRoot(reading, (trustedRoot) =>
      ledgerHistory(
        lines,
        { subject, trust, trustedRoot, logs: reading.logs },
        { name: repository, ...source },
      ),
    );
    if (history === undefined) return { kind: "not-watched", reach };
    return { kind: "watched", history, reach: { ...reach, ...(lines.gap && { gap: lines.gap }) } };
  };

  return {
    name: repository,
    start: () => void open().catch(() => undefined),
    async read(subject, trust) {
      try {
        return await answer(subject, trust);
      } catch (error) {
        if (!(error instanceof LedgerError)) throw error;
        return { kind: "failed", reason: error.code, detail: error.message };
      }
    },
  };
}

async function readContent(source: LedgerSource, reading: LedgerReading): Promise<Content> {
  const { repository, observer } = source;
  const bytes = await reading.configuration(`${repository}:${LEDGER_TAG}`);
  const part = parsePart(bytes, "its head");
  const head = await withNewerRoot(reading, (trustedRoot) =>
    proveHead(part.head, { repository, observer, trustedRoot, logs: reading.logs }),
  );
  if (sha256(part.text) !== head.content)
    throw new LedgerError(
      "ledger-broken",
      `its content is not the one that head ${head.sequence} was signed for`,
    );
  checkAge(head, source, reading.now());
  const shards = parseShards(
    part.text,
    (why, cause) => new LedgerError("ledger-broken", `the names of its shards are none: ${why}`, { cause }),
  );
  return { head, text: part.text, shards };
}

function parsePart(bytes: Uint8Array, what: string): LedgerPart {
  return parseConfiguration(
    bytes,
    (why, cause) => new LedgerError("ledger-broken", `${what} cannot be read: ${why}`, { cause }),
  );
}

async function readShard(reference: string, digest: Sha256, reading: LedgerReading): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await reading.configuration(reference);
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== "ledger-not-there") throw error;
    throw new LedgerError("ledger-broken", `its head names the shard "${digest}", which is not there`, {
      cause: error,
    });
  }
  if (!hasDigest(manifestOf(bytes), digest))
    throw new LedgerError("ledger-broken", `its shard "${digest}" is not the one that its head names`);
  return parsePart(bytes, `its shard "${digest}"`).text;
}

/** Throws LedgerError ("ledger-too-old") for a head that may hide what came after it, or is from the future. */
function checkAge({ loggedAt, sequence }: ProvenHead, { maxAgeMs }: LedgerSource, now: Date): void {
  const ageMs = now.getTime() - loggedAt.getTime();
  const when = `head ${sequence}, of ${loggedAt.toISOString().slice(0, 19)}Z,`;
  if (ageMs > maxAgeMs)
    throw new LedgerError(
      "ledger-too-old",
      `${when} is older than the policy's max-age of ${inWords(maxAgeMs)}`,
    );
  if (ageMs < -MAX_LOGGING_DELAY_SECONDS * 1_000)
    throw new LedgerError(
      "ledger-too-old",
      `${when} is from the future: it is ${now.toISOString().slice(0, 19)}Z by this builder's clock`,
    );
}

const UNITS = [
  { unit: "day", ms: 86_400_000 },
  { unit: "hour", ms: 3_600_000 },
  { unit: "minute", ms: 60_000 },
] as const;

/** `7 days`, `36 hours`, `90 minutes`. */
function inWords(ms: number): string {
  const { unit, ms: length } = UNITS.find((each) => ms % each.ms === 0) ?? { unit: "second", ms: 1000 };
  const count = ms / length;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** Reads by the trusted root, and once more by a newer one where what was read may be newer than the first. */
async function withNewerRoot<T>(
  { trustedRoot, newerRoot }: LedgerReading,
  read: (root: TrustedRoot) => T,
): Promise<T> {
  const root = await trustedRoot();
  try {
    return read(root);
  } catch (error) {
    const isTooOld =
      error instanceof LedgerError && error.reason !== undefined && ROOT_TOO_OLD.has(error.reason);
    const newer = isTooOld ? await newerRoot?.().catch(() => undefined) : undefined;
    if (newer === undefined) throw error;
    return read(newer);
  }
}
