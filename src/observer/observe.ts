// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "../image/digest.ts";
import { isLoopbackRegistry, isPublicRegistry } from "../image/registry.ts";
import { type Reference, taggedName } from "../image/reference.ts";
import { LedgerError } from "../ledger/error.ts";
import { shardOf } from "../ledger/layout.ts";
import type { TagLines } from "../ledger/lines.ts";
import type { HeadContext } from "../ledger/proven-head.ts";
import { recordLine } from "../lock/file.ts";
import { ManifestError, readManifest } from "../record/manifest.ts";
import { signerName } from "../record/signer.ts";
import { parseSighting, sightingStatement } from "../record/statement.ts";
import { mayUsePlainHttp } from "../policy/address.ts";
import { dockerCredentials } from "../registry/credentials.ts";
import { openRegistry, type Registry, type RegistryOptions } from "../registry/client.ts";
import { RegistryError } from "../registry/error.ts";
import { openTrust } from "../trust/build-trust.ts";
import { parseTrustedRoot, type TrustedRoot } from "../trust/trusted-root.ts";
import { type Approval, readApprovals } from "./approvals.ts";
import { logOf, type ObserverConfiguration, type Watched } from "./configuration.ts";
import type { ObserverEvent, RunSummary } from "./event.ts";
import {
  isCurrent,
  type KeptLedger,
  type LedgerPlace,
  partsFor,
  prepareLedger,
  pushLedger,
  readKeptLedger,
  readKeptPart,
} from "./kept-ledger.ts";
import type { RunIo, RunOnce } from "./observer.ts";
import { Pending, type PendingName } from "./pending.ts";
import { NotRecordedError, openRecorder, type Recorder } from "./recorder.ts";
import { readSigning } from "./signing.ts";
import { needsListing, selectTags, TagSelectionError } from "./tag-selection.ts";
import { newestOf, withLines } from "./tag-lines.ts";

/** What an observer takes from the machine. */
export interface ObserverHost {
  /** The directory with the trusted root and the signing configuration that we ship. */
  readonly shipped: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Hears of each request to a registry. */
  readonly onRequest?: RegistryOptions["onRequest"];
}

/** Where an organisation puts its trusted root and its signing configuration, as for builds. */
const OWN = "/etc/tlog-dockerfile";
/** So many lines are pushed together at most: what is in memory does not grow with what is watched. */
const BATCH = 2_000;
/** So many tags are looked at before the next parts of the ledger are read. */
const TAGS_AT_ONCE = 256;
const RECORDS_AT_ONCE = 4;
/** After so many failures in a row the log is not asked again in this run. */
const MAX_LOG_FAILURES = 3;
const MAX_LISTED = 1_000_000;
/** How often a ledger is written anew because somebody else wrote it meanwhile. */
const MAX_ROUNDS = 8;
/** A sighting that was signed longer ago would not be proven to be of its time. */
const FRESH_MS = 10 * 60_000;

/** Makes the program that looks at all tags once. */
export function observer(host: ObserverHost): RunOnce {
  return async (configuration, io) => {
    const run = await openRun(configuration, { host, io });
    try {
      return await run.all();
    } finally {
      run.close();
    }
  };
}

interface WatchedTag {
  readonly reference: Reference;
  readonly name: string;
  readonly isPrivate: boolean;
}

async function openRun(
  configuration: ObserverConfiguration,
  { host, io }: { readonly host: ObserverHost; readonly io: RunIo },
): Promise<Run> {
  const { now, signal, dryRun } = io;
  const trust = await openTrust({ own: OWN, shipped: host.shipped, now });
  const log = logOf(configuration, trust.services);
  if (log === undefined)
    throw new NotRecordedError('no log is known to write to; name one with "log" in the configuration');
  const { trustedRoot: path } = configuration;
  const trustedRoot: TrustedRoot =
    path === undefined ? await trust.trustedRoot() : parseTrustedRoot(await readFile(path, "utf8"), path);
  const secret = await readSigning(configuration.signing, { environment: host.environment, now, signal });
  const recorder = openRecorder({
    log,
    fulcio: configuration.fulcio ?? trust.services.fulcio,
    timestamps: configuration.timestamps ?? trust.services.timestamps,
    secret,
    trustedRoot,
    now,
  });
  const options = {
    plainHttp: (of: string) => mayUsePlainHttp(of, configuration.registries),
    concurrency: Math.max(...configuration.registries.map(({ concurrency }) => concurrency), 8),
    ...(host.onRequest && { onRequest: host.onRequest }),
  };
  return new Run({
    configuration,
    io,
    recorder,
    trustedRoot,
    pending: dryRun ? undefined : new Pending(configuration.state),
    own: openRegistry({ ...options, credentials: dockerCredentials(host.environment) }),
    // What everybody can see is all that is told in public.
    everybody: openRegistry({ ...options, credentials: { of: async () => undefined } }),
  });
}

interface RunParts {
  readonly configuration: ObserverConfiguration;
  readonly io: RunIo;
  readonly recorder: Recorder;
  readonly trustedRoot: TrustedRoot;
  /** Undefined in a dry run. */
  readonly pending: Pending | undefined;
  readonly own: Registry & { close(): void };
  readonly everybody: Registry & { close(): void };
}

/** One run of an observer. */
class Run {
  readonly #parts: RunParts;
  readonly #place: LedgerPlace;
  readonly #context: HeadContext;
  readonly #summary = {
    tags: 0,
    unchanged: 0,
    firstSeen: 0,
    moved: 0,
    gone: 0,
    returned: 0,
    approved: 0,
    notAsked: 0,
    notRecorded: 0,
    notTags: 0,
  };
  /** Lines that are not in the ledger yet, by the tags' names. */
  readonly #fresh = new Map<string, string[]>();
  #gone: Record<string, string> = {};
  #logFailures = 0;
  #done = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    const { configuration, own, io, recorder, trustedRoot } = parts;
    const { ledger } = configuration;
    this.#place = { registry: own, repository: ledger, signal: io.signal };
    this.#context = {
      repository: `${ledger.registry}/${ledger.repository}`,
      observer: recorder.signer,
      trustedRoot,
      logs: undefined,
    };
  }

  close(): void {
    const { pending, own, everybody } = this.#parts;
    pending?.close();
    own.close();
    everybody.close();
  }

  async all(): Promise<RunSummary> {
    const { io, pending, configuration } = this.#parts;
    const begun = io.now().getTime();
    let base = await readKeptLedger(this.#place, this.#context);
    this.#checkNotRolledBack(base);
    this.#gone = { ...pending?.state().gone };
    const tags = await this.#watchedTags();
    this.#summary.tags = tags.length;
    io.onProgress({ done: 0, total: tags.length });
    const approvals = await readApprovals(configuration.approvals, {
      trustedRoot: this.#parts.trustedRoot,
      onProblem: (why) => this.#notRecorded({ why }),
    });
    const approvedTags = [...new Set(approvals.map(({ reference }) => reference))];

    let total = Math.max(base.head?.lines ?? 0, 0) + approvals.length;
    const planned = Math.max(total, tags.length);
    const byPart = Map.groupBy(tags, ({ name }) => shardOf(name, base.shards.length));
    const approvedByPart = Map.groupBy(approvedTags, (name) => shardOf(name, base.shards.length));
    const pendingByPart = Map.groupBy(pending?.names() ?? [], ({ first }) =>
      Math.floor(first / (2 ** 32 / base.shards.length)),
    );
    const read = base;
    const busy = [...new Set([...byPart.keys(), ...approvedByPart.keys(), ...pendingByPart.keys()])].toSorted(
      (a, b) => a - b,
    );
    let hasPublished = false;
    for (const chunk of chunksOf(busy, (part) => byPart.get(part)?.length ?? 1)) {
      if (io.signal.aborted) break;
      await Promise.all(
        chunk.map(async (part) => {
          const known = await readKeptPart(this.#place, read, part);
          await this.#recover(known, pendingByPart.get(part) ?? []);
          for (const name of approvedByPart.get(part) ?? [])
            this.#approve(
              known,
              approvals.filter(({ reference }) => reference === name),
            );
          await Promise.all((byPart.get(part) ?? []).map((tag) => this.#look(tag, known.get(tag.name))));
        }),
      );
      if (this.#freshCount() < BATCH) continue;
      base = await this.#publish(base, { planned });
      hasPublished = true;
      total += BATCH;
    }
    // A run that saw nothing new says so with a head of its own: builds refuse one that is too old.
    const isOver = !io.signal.aborted;
    if (
      pending !== undefined &&
      (isOver || this.#freshCount() > 0) &&
      !(hasPublished && this.#freshCount() === 0)
    )
      await this.#publish(base, { planned });
    if (pending !== undefined) pending.keepState({ ...pending.state(), gone: this.#gone });
    return {
      ...this.#summary,
      ...(pending === undefined && { dryRun: true }),
      milliseconds: io.now().getTime() - begun,
    };
  }

  /** Throws LedgerError when this observer has seen a later head in the ledger than the one that is there. */
  #checkNotRolledBack({ head }: KeptLedger): void {
    const { pending, configuration } = this.#parts;
    const known = pending?.state().head;
    if (known === undefined || !known.published || (head?.sequence ?? 0) >= known.sequence) return;
    const there = head === undefined ? "there is none now" : `it is at head ${head.sequence} now`;
    throw new LedgerError(
      "ledger-broken",
      `the ledger "${this.#context.repository}" was rolled back: this observer pushed head ${known.sequence}, and ${there}; restore it, or remove "${configuration.state}/state.json" to go on from what is there`,
    );
  }

  /** All tags that are watched, each once. */
  async #watchedTags(): Promise<readonly WatchedTag[]> {
    const { configuration, io } = this.#parts;
    const tags = new Map<string, WatchedTag>();
    for (const watched of configuration.watch) {
      if (io.signal.aborted) break;
      const { registry, repository } = watched;
      for (const tag of await this.#tagsOf(watched)) {
        const reference: Reference = { registry, repository, tag };
        const name = taggedName(reference);
        tags.set(name, { reference, name, isPrivate: watched.private === true });
      }
    }
    return [...tags.values()];
  }

  async #tagsOf(watched: Watched): Promise<readonly string[]> {
    const { io } = this.#parts;
    const pages = needsListing(watched.choice)
      ? this.#registryOf(watched.private === true).tags(watched, { signal: io.signal, max: MAX_LISTED })
      : noPages();
    try {
      const { tags, notTags } = await selectTags(watched.choice, pages);
      this.#summary.notTags += notTags;
      return tags;
    } catch (error) {
      if (!(error instanceof RegistryError || error instanceof TagSelectionError)) throw error;
      this.#notAsked(`${watched.registry}/${watched.repository}`, error.message);
      // Those that are written out need no list.
      return watched.choice.exact;
    }
  }

  #registryOf(isPrivate: boolean): Registry {
    return isPrivate ? this.#parts.own : this.#parts.everybody;
  }

  /** Takes up what an earlier run has signed, and no ledger has. */
  async #recover(known: ReadonlyMap<string, TagLines>, names: readonly PendingName[]): Promise<void> {
    const { pending, io } = this.#parts;
    if (pending === undefined) return;
    for (const name of names) {
      const one = pending.read(name);
      const { reference, statement } = one;
      const { lines = [] } = known.get(reference) ?? {};
      // Another try can only succeed while the sighting is fresh; afterwards the tag is looked at anew.
      const { observedAt } = parseSighting(statement);
      const isOld = io.now().getTime() - observedAt.getTime() > FRESH_MS;
      if (isOld && one.line === undefined && !one.isSigned) {
        pending.forget(one);
        continue;
      }
      try {
        const line = one.line ?? (await this.#record(one));
        if (line === undefined || lines.includes(line)) pending.forget(one);
        else this.#add(reference, line);
      } catch (error) {
        if (!(error instanceof NotRecordedError)) throw error;
        if (isOld) pending.forget(one);
      }
    }
  }

  #approve(known: ReadonlyMap<string, TagLines>, approvals: readonly Approval[]): void {
    for (const { reference, line, record } of approvals) {
      if (known.get(reference)?.lines.includes(line)) continue;
      this.#add(reference, line);
      this.#summary.approved += 1;
      this.#tell({
        event: "approved",
        time: this.#time(),
        image: reference,
        digest: record.digest,
        supersedes: record.supersedes ?? "",
        signer: signerName(record.signer),
        log: record.logUrl,
        logIndex: Number(record.logIndex),
      });
    }
  }

  /** Looks at one tag, and records what is new of it. */
  async #look(tag: WatchedTag, lines: TagLines = { lines: [] }): Promise<void> {
    const { io } = this.#parts;
    try {
      if (!io.signal.aborted) await this.#lookAt(tag, [...lines.lines, ...(this.#fresh.get(tag.name) ?? [])]);
    } catch (error) {
      if (!(error instanceof RegistryError || error instanceof ManifestError)) throw error;
      if (!io.signal.aborted) this.#notAsked(tag.name, error.message);
    } finally {
      this.#done += 1;
      io.onProgress({ done: this.#done, total: this.#summary.tags });
    }
  }

  async #lookAt({ reference, name, isPrivate }: WatchedTag, lines: readonly string[]): Promise<void> {
    const { io } = this.#parts;
    const { tag = "" } = reference;
    const registry = this.#registryOf(isPrivate);
    const before = newestOf(lines);
    const named = await registry.head(reference, tag, { signal: io.signal });
    if (named === undefined) return this.#isGone(name, before?.digest);
    if (name in this.#gone) {
      delete this.#gone[name];
      this.#summary.returned += 1;
      this.#tell({ event: "returned", time: this.#time(), image: name, digest: named.digest });
    }
    if (before?.digest === named.digest) {
      this.#summary.unchanged += 1;
      return;
    }
    const hidden = isPrivate ? undefined : whyNotNamed(reference.registry);
    if (hidden !== undefined) return this.#notRecorded({ image: name, digest: named.digest, why: hidden });
    const served = await registry.manifest(reference, named.digest, { signal: io.signal });
    if (served === undefined) return this.#notAsked(name, `the registry has no manifest "${named.digest}"`);
    const { digest, mediaType, platforms } = readManifest(served.bytes, served.mediaType);
    const sequence = (before?.sequence ?? 0) + 1;
    const statement = sightingStatement({
      reference: name,
      digest,
      mediaType,
      platforms,
      observedAt: io.now(),
      sequence,
      ...(before && { previous: before.statement }),
    });
    await this.#recordNew({ reference: name, statement }, { digest, before: before?.digest });
  }

  #isGone(name: string, digest: Digest | undefined): void {
    if (digest === undefined)
      return this.#notAsked(name, "the registry has no such tag, and it was never seen there");
    if (name in this.#gone) return;
    this.#gone[name] = digest;
    this.#summary.gone += 1;
    this.#tell({ event: "gone", time: this.#time(), image: name, digest });
  }

  async #recordNew(
    one: { readonly reference: string; readonly statement: Uint8Array },
    { digest, before }: { readonly digest: Digest; readonly before: Digest | undefined },
  ): Promise<void> {
    const { pending } = this.#parts;
    const { reference: image, statement } = one;
    let logged: { readonly log?: string; readonly logIndex?: number } = {};
    if (pending !== undefined) {
      try {
        pending.begin(image, statement);
        const line = await this.#record(one, (record) => {
          logged = { log: record.logUrl, logIndex: Number(record.logIndex) };
        });
        if (line === undefined) throw new NotRecordedError("the log's answer makes no line");
        this.#add(image, line);
      } catch (error) {
        if (!(error instanceof NotRecordedError)) throw error;
        return this.#notRecorded({ image, digest, why: error.message });
      }
    }
    const time = this.#time();
    if (before === undefined) {
      this.#summary.firstSeen += 1;
      this.#tell({ event: "first-seen", time, image, digest, ...logged });
    } else {
      this.#summary.moved += 1;
      this.#tell({ event: "moved", time, image, from: before, to: digest, ...logged });
    }
  }

  readonly #turns: Promise<unknown>[] = Array.from({ length: RECORDS_AT_ONCE }, () => Promise.resolve());
  #turn = 0;

  /** Signs and logs a statement, and keeps the line that it makes. Throws NotRecordedError. */
  #record(
    one: { readonly reference: string; readonly statement: Uint8Array },
    onRecord: (record: Awaited<ReturnType<Recorder["sighting"]>>) => void = () => undefined,
  ): Promise<string | undefined> {
    const { pending, recorder, io } = this.#parts;
    const record = async (): Promise<string | undefined> => {
      if (this.#logFailures >= MAX_LOG_FAILURES)
        throw new NotRecordedError(
          `the log failed ${MAX_LOG_FAILURES} times in a row, and is not asked again in this run`,
        );
      try {
        const proven = await recorder.sighting(one.statement, {
          signal: io.signal,
          ...(pending && { keeping: (signer) => pending.signerOf(one, signer) }),
        });
        this.#logFailures = 0;
        const line = recordLine(proven);
        if (line !== undefined) pending?.logged(one.reference, one.statement, line);
        onRecord(proven);
        return line;
      } catch (error) {
        if (error instanceof NotRecordedError) this.#logFailures += 1;
        throw error;
      }
    };
    // A few at once, whatever the number of tags that are looked at.
    const turn = this.#turn++ % RECORDS_AT_ONCE;
    const recorded = (this.#turns[turn] ?? Promise.resolve()).then(record, record);
    this.#turns[turn] = recorded.catch(() => undefined);
    return recorded;
  }

  #add(name: string, line: string): void {
    const lines = this.#fresh.get(name);
    if (lines === undefined) this.#fresh.set(name, [line]);
    else if (!lines.includes(line)) lines.push(line);
  }

  #freshCount(): number {
    return this.#fresh.size;
  }

  /**
   * Puts the fresh lines into the ledger under a new head, and sees to it that they stay there. What cannot be put there is
   * told, and waits in the state directory.
   */
  async #publish(base: KeptLedger, { planned }: { readonly planned: number }): Promise<KeptLedger> {
    const { io } = this.#parts;
    try {
      let current = base;
      for (let round = 1; round <= MAX_ROUNDS; round++) {
        const pushed = await this.#push(current, planned);
        // Whoever wrote at the same time has pushed by then.
        await sleep(200 + Math.random() * 400, undefined, { signal: io.signal }).catch(() => undefined);
        if (pushed !== undefined && (await isCurrent(this.#place, pushed))) return this.#settle(pushed);
        current = await readKeptLedger(this.#place, this.#context);
        if (pushed !== undefined && (await this.#hasAll(current))) return this.#settle(current);
      }
      throw new NotRecordedError(
        `others wrote the ledger ${MAX_ROUNDS} times at the same moment; let one observer write it`,
      );
    } catch (error) {
      const isFailure =
        error instanceof NotRecordedError || error instanceof RegistryError || error instanceof LedgerError;
      if (!isFailure) throw error;
      const count = this.#freshCount();
      const waiting =
        count === 0 ? "" : `; new lines of ${count} ${count === 1 ? "tag" : "tags"} wait for the next run`;
      this.#notRecorded({ why: `the ledger was not written: ${error.message}${waiting}` });
      return base;
    }
  }

  /** Pushes once; undefined when somebody else was faster. */
  async #push(base: KeptLedger, planned: number): Promise<KeptLedger | undefined> {
    const { configuration, io, recorder, pending } = this.#parts;
    const lines = Math.max(planned, (base.head?.lines ?? 0) + this.#freshCount());
    const parts = partsFor(lines, base.shards.length);
    const byPart = Map.groupBy(this.#fresh, ([name]) => shardOf(name, parts));
    const prepared = await prepareLedger(this.#place, base, {
      parts,
      isChanged: (part) => byPart.has(part),
      change(part, tags) {
        for (const [name, added] of byPart.get(part) ?? [])
          tags.set(name, withLines(tags.get(name) ?? { lines: [] }, added, configuration.keep));
        return tags;
      },
    });
    if (!(await isCurrent(this.#place, base))) return undefined;
    const made = pending?.state().head;
    // A head that was logged and never pushed is gone on from too: nobody may take it for a fork.
    const isLater = made !== undefined && made.sequence > (base.head?.sequence ?? 0);
    const sequence = (isLater ? made.sequence : (base.head?.sequence ?? 0)) + 1;
    const previous = isLater ? made.statement : base.head?.statement;
    const { bundle, proven } = await recorder.head(
      {
        ledger: this.#context.repository,
        sequence,
        ...(previous !== undefined && { previous }),
        content: prepared.content,
        tags: prepared.tags,
        lines: prepared.lines,
        madeAt: io.now(),
      },
      { signal: io.signal },
    );
    this.#keepHead(proven, false);
    const digest = await pushLedger(this.#place, prepared, { base, bundle });
    if (digest === undefined) return undefined;
    return {
      head: proven,
      digest,
      text: prepared.isInline ? prepared.text : undefined,
      shards: prepared.isInline ? [undefined] : prepared.shards,
    };
  }

  #settle(ledger: KeptLedger): KeptLedger {
    if (ledger.head !== undefined) this.#keepHead(ledger.head, true);
    this.#fresh.clear();
    return ledger;
  }

  #keepHead({ sequence, statement }: NonNullable<KeptLedger["head"]>, published: boolean): void {
    const { pending } = this.#parts;
    pending?.keepState({ gone: this.#gone, head: { sequence, statement, published } });
  }

  /** Whether a ledger has all fresh lines. */
  async #hasAll(ledger: KeptLedger): Promise<boolean> {
    const byPart = Map.groupBy(this.#fresh, ([name]) => shardOf(name, ledger.shards.length));
    for (const [part, tags] of byPart) {
      const known = await readKeptPart(this.#place, ledger, part);
      for (const [name, lines] of tags)
        if (!lines.every((line) => known.get(name)?.lines.includes(line))) return false;
    }
    return true;
  }

  #notAsked(image: string, why: string): void {
    this.#summary.notAsked += 1;
    this.#tell({ event: "not-asked", time: this.#time(), image, why });
  }

  #notRecorded(what: { readonly image?: string; readonly digest?: string; readonly why: string }): void {
    this.#summary.notRecorded += 1;
    this.#tell({ event: "not-recorded", time: this.#time(), ...what });
  }

  #tell(event: Exclude<ObserverEvent, { readonly event: "summary" }>): void {
    this.#parts.io.onEvent(event);
  }

  #time(): string {
    return this.#parts.io.now().toISOString();
  }
}

/** Why a log does not hear of images of this registry, unless the configuration says `private: true`. */
function whyNotNamed(registry: string): string | undefined {
  if (isPublicRegistry(registry)) return undefined;
  const why = isLoopbackRegistry(registry)
    ? `the registry "${registry}" is another one on each machine`
    : `the registry "${registry}" is not of the public internet, and logs are public`;
  return `${why}; "private: true" at its entry of "watch" says that the log may have its names all the same`;
}

async function* noPages(): AsyncGenerator<readonly string[]> {
  // Nothing is listed.
}

/** Parts in runs of so many tags that there is always enough to ask, and never all of the ledger in memory. */
function* chunksOf(parts: readonly number[], sizeOf: (part: number) => number): Generator<readonly number[]> {
  let chunk: number[] = [];
  let size = 0;
  for (const part of parts) {
    chunk.push(part);
    size += sizeOf(part);
    if (size < TAGS_AT_ONCE) continue;
    yield chunk;
    chunk = [];
    size = 0;
  }
  if (chunk.length > 0) yield chunk;
}
