// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { type Digest, hasDigest, type Sha256, sha256 } from "../../image/digest.ts";
import { LedgerError } from "../error.ts";
import {
  type Described,
  EMPTY_BLOB,
  headIn,
  INDEX_MEDIA_TYPE,
  indexed,
  LEDGER_TAG,
  ledgerIndex,
  MANIFEST_MEDIA_TYPE,
  manifestOf,
  MAX_PART_BYTES,
  MAX_SHARDS,
  parseConfiguration,
  parseShards,
  partConfiguration,
  shardOf,
  shardsText,
} from "../layout.ts";
import { partText, readPart, type TagLines } from "../lines.ts";
import { type HeadContext, proveHead, type ProvenHead } from "../proven-head.ts";
import { conform, type Fail, parseJson } from "../../log/foreign-json.ts";
import { DigestText } from "../../record/manifest.ts";
import { fewAtOnce } from "../../registry/all-ended.ts";
import type { Registry, RepositoryName } from "../../registry/client.ts";

/** So many lines in a shard, on average: a build reads some 64 KiB for a tag then. */
const LINES_A_SHARD = 16;
/** A ledger of so few lines has them in its head. */
const MAX_INLINE_LINES = 32;
/** So many parts are read and pushed at the same time; the registry's own limit holds for them all. */
const PARTS_AT_ONCE = 8;

/** A ledger as it is in its registry. */
export interface KeptLedger {
  /** Undefined: there is none yet. */
  readonly head: ProvenHead | undefined;
  /** The head's bundle, as parsed JSON. */
  readonly headBundle?: unknown;
  /** What its tag names. */
  readonly digest: Digest | undefined;
  /** The text with all lines, where it has no shards. */
  readonly text: string | undefined;
  /** Its shards; undefined is one without lines. */
  readonly shards: readonly (Described | undefined)[];
}

/** Where a ledger is kept, and whose it is. */
export interface LedgerPlace {
  readonly registry: Registry;
  readonly repository: RepositoryName;
  readonly signal: AbortSignal;
}

const ManifestShape = v.object({ config: v.object({ digest: DigestText }) });

const EMPTY: KeptLedger = { head: undefined, digest: undefined, text: undefined, shards: [undefined] };

/** Reads a ledger's head and the names of its shards. Throws LedgerError and RegistryError. */
export async function readKeptLedger(place: LedgerPlace, context: HeadContext): Promise<KeptLedger> {
  const { registry, repository, signal } = place;
  const broken = (why: string, cause?: unknown) =>
    new LedgerError("ledger-broken", `the ledger "${context.repository}" cannot be gone on with: ${why}`, {
      cause,
    });
  const index = await registry.manifest(repository, LEDGER_TAG, { signal });
  if (index === undefined) return EMPTY;
  if (index.mediaType !== INDEX_MEDIA_TYPE)
    throw broken(`its tag "${LEDGER_TAG}" names something else ("${index.mediaType}")`);
  const bytes = await readConfiguration(place, headIn(index.bytes, broken), broken);
  const part = parseConfiguration(bytes, broken);
  const head = proveHead(part.head, context);
  if (sha256(part.text) !== head.content)
    throw broken("its content is not the one that its head was signed for");
  const names = parseShards(part.text, broken);
  const base = { head, headBundle: part.head, digest: index.digest };
  if (names === undefined) return { ...base, text: part.text, shards: [undefined] };
  const sizes = new Map(indexed(index.bytes, broken).map((each) => [each.digest, each.size]));
  const shards = names.map((digest) => {
    if (digest === undefined) return undefined;
    const size = sizes.get(digest);
    if (size === undefined) throw broken(`its index does not name the shard "${digest}"`);
    return { digest, size };
  });
  return { ...base, text: undefined, shards };
}

/** What one part of a ledger has, by the tags' names. Throws LedgerError and RegistryError. */
export async function readKeptPart(
  place: LedgerPlace,
  { text, shards }: KeptLedger,
  part: number,
): Promise<Map<string, TagLines>> {
  const of = shards.length;
  if (text !== undefined) return readPart(text, { part: 0, of: 1 });
  const shard = shards[part];
  if (shard === undefined) return new Map();
  const broken = (why: string, cause?: unknown) =>
    new LedgerError("ledger-broken", `the shard "${shard.digest}" of the ledger: ${why}`, { cause });
  const bytes = await readConfiguration(place, shard.digest, broken);
  return readPart(parseConfiguration(bytes, broken).text, { part, of });
}

async function readConfiguration(
  { registry, repository, signal }: LedgerPlace,
  digest: Digest,
  broken: Fail,
): Promise<Uint8Array> {
  const manifest = await registry.manifest(repository, digest, { signal });
  if (manifest === undefined) throw broken(`its manifest "${digest}" is not there`);
  const none = (why: string, cause?: unknown) =>
    broken(`its manifest "${digest}" names no configuration: ${why}`, cause);
  const { config } = conform(ManifestShape, parseJson(manifest.bytes, none), none, "manifest");
  const named = config.digest;
  const bytes = await registry.blob(repository, named, { signal, maxBytes: MAX_PART_BYTES });
  if (bytes === undefined) throw broken(`its configuration "${named}" is not there`);
  if (!hasDigest(manifestOf(bytes), digest)) throw broken(`its manifest "${digest}" is not one of ours`);
  return bytes;
}

/** How many parts a ledger of so many lines has; never fewer than it has. */
export function partsFor(lines: number, now: number): number {
  if (lines <= MAX_INLINE_LINES && now === 1) return 1;
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(lines / LINES_A_SHARD, 2)));
  return Math.max(now, Math.min(wanted, MAX_SHARDS));
}

/** What a ledger will be, before its head is signed. */
export interface PreparedLedger {
  readonly text: string;
  /** The text's sha256. */
  readonly content: Sha256;
  readonly isInline: boolean;
  readonly shards: readonly (Described | undefined)[];
  readonly tags: number;
  readonly lines: number;
}

/**
 * Makes the parts of a ledger anew, as far as `changed` says, and pushes those that are shards. `change` gives what a part has
 * of its tags afterwards. Where there are to be more parts than before, all are made anew, a few at a time, so that memory
 * does not grow with the ledger. Throws LedgerError and RegistryError.
 */
export async function prepareLedger(
  place: LedgerPlace,
  base: KeptLedger,
  {
    parts,
    isChanged,
    change,
  }: {
    readonly parts: number;
    /** Whether a part of the new ledger has something new. */
    readonly isChanged: (part: number) => boolean;
    readonly change: (part: number, tags: Map<string, TagLines>) => Map<string, TagLines>;
  },
): Promise<PreparedLedger> {
  const before = base.shards.length;
  const isInline = parts === 1;
  const grows = parts > before || (base.text !== undefined && !isInline);
  const each = parts / before;
  const shards: (Described | undefined)[] = Array.from({ length: isInline ? 0 : parts });
  let text = base.text ?? "";
  let tags = grows ? 0 : (base.head?.tags ?? 0);
  let lines = grows ? 0 : (base.head?.lines ?? 0);
  let isEmptyThere = false;
  await fewAtOnce([...base.shards.keys()], PARTS_AT_ONCE, async (old) => {
    const numbers = Array.from({ length: each }, (_, n) => old * each + n);
    const isFirstText = isInline && base.text === undefined;
    if (!grows && !isFirstText && !numbers.some(isChanged)) {
      if (!isInline) shards[old] = base.shards[old];
      return;
    }
    const had = await readKeptPart(place, base, old);
    if (!grows) [tags, lines] = [tags - had.size, lines - countLines(had)];
    await fewAtOnce(numbers, PARTS_AT_ONCE, async (part) => {
      const own = new Map([...had].filter(([name]) => shardOf(name, parts) === part));
      const now = change(part, own);
      [tags, lines] = [tags + now.size, lines + countLines(now)];
      const made = partText({ part, of: parts }, now);
      if (isInline) text = made;
      else if (now.size > 0) {
        if (!isEmptyThere) await pushEmpty(place);
        isEmptyThere = true;
        shards[part] = await pushPart(place, { text: made });
      }
    });
  });
  if (!isInline) text = shardsText(shards.map((shard) => shard?.digest as Sha256 | undefined));
  return { text, content: sha256(text), isInline, shards, tags, lines };
}

function countLines(tags: ReadonlyMap<string, TagLines>): number {
  return [...tags.values()].reduce((sum, { lines }) => sum + lines.length, 0);
}

/**
 * Pushes the head of a prepared ledger, and then the tag; gives what the tag names now. Undefined when somebody else has
 * written the ledger since `base` was read: then nothing was pushed under the tag. Throws LedgerError and RegistryError.
 */
export async function pushLedger(
  place: LedgerPlace,
  { text, shards }: PreparedLedger,
  { base, bundle }: { readonly base: KeptLedger; readonly bundle: unknown },
): Promise<Digest | undefined> {
  const { registry, repository, signal } = place;
  await pushEmpty(place);
  const head = await pushPart(place, { head: bundle, text });
  const distinct = new Map(
    shards.flatMap((shard) => (shard === undefined ? [] : [[shard.digest, shard] as const])),
  );
  const bytes = ledgerIndex({ head, shards: [...distinct.values()] });
  // As late as can be: registries take a manifest whatever the tag names by then.
  if (!(await isCurrent(place, base))) return undefined;
  return registry.pushManifest(repository, LEDGER_TAG, { bytes, mediaType: INDEX_MEDIA_TYPE }, { signal });
}

/** Whether the ledger's tag names what it named when this was read or pushed. Throws RegistryError. */
export async function isCurrent(
  { registry, repository, signal }: LedgerPlace,
  { digest }: Pick<KeptLedger, "digest">,
): Promise<boolean> {
  return (await registry.head(repository, LEDGER_TAG, { signal }))?.digest === digest;
}

/** The layer that all parts name. */
async function pushEmpty({ registry, repository, signal }: LedgerPlace): Promise<void> {
  await registry.pushBlob(repository, EMPTY_BLOB, { signal });
}

async function pushPart(
  { registry, repository, signal }: LedgerPlace,
  part: Parameters<typeof partConfiguration>[0],
): Promise<Described> {
  const configuration = partConfiguration(part);
  if (configuration.length > MAX_PART_BYTES)
    throw new LedgerError(
      "ledger-broken",
      `a part of the ledger would have ${configuration.length} bytes, and the limit is ${MAX_PART_BYTES}; keep fewer sightings a tag, or watch fewer tags`,
    );
  const bytes = manifestOf(configuration);
  const digest = sha256(bytes);
  await registry.pushBlob(repository, configuration, { signal });
  await registry.pushManifest(repository, digest, { bytes, mediaType: MANIFEST_MEDIA_TYPE }, { signal });
  return { digest, size: bytes.length };
}
