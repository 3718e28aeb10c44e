// SPDX-License-Identifier: Apache-2.0
import { type Sha256, sha256 } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { LedgerAnswer } from "../../src/ledger/answer.ts";
import { LedgerError } from "../../src/ledger/error.ts";
import { headStatement, type LedgerHead } from "../../src/ledger/head.ts";
import {
  type LedgerPart,
  manifestOf,
  parseConfiguration,
  partConfiguration,
  shardOf,
  shardsText,
} from "../../src/ledger/layout.ts";
import { type Gap, partText, type TagLines } from "../../src/ledger/lines.ts";
import { type LedgerReading, openLedger } from "../../src/ledger/reading.ts";
import type { LedgerSource } from "../../src/ledger/source.ts";
import { recordLine } from "../../src/lock/file.ts";
import { readHistory } from "../../src/record/history.ts";
import type { Trust, TrustedSigner } from "../../src/record/signer.ts";
import { type Sighting, sightingStatement } from "../../src/record/statement.ts";
import type { TrustedRoot } from "../../src/trust/trusted-root.ts";
import { intotoBundle } from "../record/sample-bundle.ts";
import {
  OBSERVED,
  sampleKey,
  type SampleEnvelope,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";

export const REPOSITORY = "ghcr.io/acme/tlog-ledger";
export const TAGGED = `${REPOSITORY}:v1`;
/** When the head of a sample was made, unless it says otherwise. */
export const MADE = new Date(OBSERVED.getTime() + 3_600_000);
export const DAY_MS = 86_400_000;

/** Somebody who signs statements. */
export interface Writer {
  readonly signer: TrustedSigner;
  sign(payload: Uint8Array): SampleEnvelope;
}

export function keyWriter(key = sampleKey()): Writer {
  return { signer: key.signer, sign: (payload) => signEnvelope(payload, key) };
}

/** A log, and the root by which what it logged is proven. */
export interface Place {
  readonly log: SampleLog;
  readonly root: TrustedRoot;
}

/** A line of a sighting that was logged two seconds after it was made. */
export function lineOf(change: Partial<Sighting>, by: Writer, { log, root }: Place): string {
  const what = sighting(change);
  log.now = new Date(what.observedAt.getTime() + 2000);
  const bundle = intotoBundle(log, by.sign(sightingStatement(what)));
  const [record] = readHistory([{ kind: "bundle", bundle, place: "the sample" }], {
    subject: parseReference(what.reference),
    trust: trusting(by.signer),
    trustedRoot: root,
  }).records;
  const line = record && recordLine(record);
  if (line === undefined) throw new Error("the sample's sighting is no record");
  return line;
}

/** The lines of an observer's sightings of one tag, a minute apart, numbered from 1 on, each naming the one before it. */
export function chainOf(changes: readonly Partial<Sighting>[], by: Writer, place: Place): string[] {
  let previous: Sha256 | undefined;
  return changes.map((change, index) => {
    const observedAt = new Date(OBSERVED.getTime() + index * 60_000);
    const what = { observedAt, sequence: index + 1, ...(previous !== undefined && { previous }), ...change };
    previous = sha256(sightingStatement(sighting(what)));
    return lineOf(what, by, place);
  });
}

/** A ledger as its registry serves it. */
export interface SampleLedger {
  /** The configurations by what asks for them: `ghcr.io/acme/tlog-ledger:v1`, `ghcr.io/acme/tlog-ledger@sha256:…`. */
  readonly configurations: Map<string, Uint8Array>;
  /** What the head names as its content. */
  readonly text: string;
  /** sha256 of the head's statement. */
  readonly statement: Sha256;
}

export interface SampleContent extends Partial<
  Pick<LedgerHead, "ledger" | "sequence" | "previous" | "madeAt">
> {
  readonly lines: readonly string[];
  readonly gaps?: Readonly<Record<string, Gap>>;
  /** A power of two; without it the lines are in the head. */
  readonly shards?: number;
  /** When the head was logged, if not two seconds after it was made. */
  readonly loggedAt?: Date;
}

/** A ledger of these lines, under a head that this observer signs. */
export function sampleLedger(content: SampleContent, observer: Writer, place: Place): SampleLedger {
  const tags = tagsOf(content);
  const configurations = new Map<string, Uint8Array>();
  const text =
    content.shards === undefined
      ? partText({ part: 0, of: 1 }, tags)
      : shardsText(addShards(configurations, tags, content.shards));
  const { head, statement } = signedHead(text, content, { observer, place, tags: tags.size });
  configurations.set(TAGGED, partConfiguration({ head, text }));
  return { configurations, text, statement };
}

/** A head of whatever text. */
export function signedHead(
  text: string,
  { lines, ledger = REPOSITORY, sequence = 1, previous, madeAt = MADE, loggedAt }: SampleContent,
  { observer, place, tags = 1 }: { readonly observer: Writer; readonly place: Place; readonly tags?: number },
): { readonly head: unknown; readonly statement: Sha256 } {
  const payload = headStatement({
    ledger,
    sequence,
    ...(previous !== undefined && { previous }),
    content: sha256(text),
    tags,
    lines: lines.length,
    madeAt,
  });
  place.log.now = loggedAt ?? new Date(madeAt.getTime() + 2000);
  return { head: intotoBundle(place.log, observer.sign(payload)), statement: sha256(payload) };
}

function tagsOf({ lines, gaps = {} }: SampleContent): ReadonlyMap<string, TagLines> {
  const names = Map.groupBy(lines, (line) => line.slice(0, line.indexOf(" ")));
  return new Map(
    [...names].map(([name, of]) => {
      const gap = gaps[name];
      return [name, { lines: of, ...(gap !== undefined && { gap }) }];
    }),
  );
}

function addShards(
  configurations: Map<string, Uint8Array>,
  tags: ReadonlyMap<string, TagLines>,
  of: number,
): readonly (Sha256 | undefined)[] {
  const shards = Map.groupBy(tags, ([name]) => shardOf(name, of));
  return Array.from({ length: of }, (_, part) => {
    const within = shards.get(part);
    if (within === undefined) return undefined;
    const configuration = partConfiguration({ text: partText({ part, of }, new Map(within)) });
    const digest = sha256(manifestOf(configuration));
    configurations.set(`${REPOSITORY}@${digest}`, configuration);
    return digest;
  });
}

/** Where the shard is that has this tag. */
export function shardReference({ text }: SampleLedger, name: string): string {
  const shards = text.split("\n").slice(1, -1);
  return `${REPOSITORY}@${shards[shardOf(name, shards.length)] ?? ""}`;
}

/** Puts something else in the place of what a reference leads to, as who controls the registry can. */
export function tamper(
  { configurations }: SampleLedger,
  reference: string,
  change: (part: LedgerPart) => LedgerPart,
): void {
  const bytes = configurations.get(reference);
  if (bytes === undefined) throw new Error(`the sample has no "${reference}"`);
  configurations.set(reference, partConfiguration(change(parseConfiguration(bytes, Error))));
}

/** Who reads, when, and by what trust. */
export interface SampleReader {
  readonly root: TrustedRoot;
  readonly source: LedgerSource;
  readonly trust: readonly Trust[];
  readonly now?: Date;
}

/** What the ledger says of these tags to one build, and what that build asked the registry for. */
export async function readSample(
  { configurations }: Pick<SampleLedger, "configurations">,
  tags: readonly string[],
  { root, source, trust, now = MADE }: SampleReader,
  change: Partial<LedgerReading> = {},
): Promise<{ readonly answers: readonly LedgerAnswer[]; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const ledger = openLedger(source, {
    async configuration(reference) {
      asked.push(reference);
      const bytes = configurations.get(reference);
      if (bytes !== undefined) return bytes;
      throw new LedgerError("ledger-not-there", `the registry has no "${reference}"`);
    },
    trustedRoot: async () => root,
    now: () => now,
    ...change,
  });
  const answers = await Promise.all(tags.map((tag) => ledger.read(parseReference(tag), trust)));
  return { answers, asked };
}
