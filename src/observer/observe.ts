// SPDX-License-Identifier: Apache-2.0
import { Turns } from "../courier/turns.ts";
import { type Digest, sha256 } from "../image/digest.ts";
import { parseReference, type Reference, taggedName } from "../image/reference.ts";
import { LedgerError } from "../ledger/error.ts";
import { headStatement, type LedgerHead, parseHead } from "../ledger/head.ts";
import { shardOf } from "../ledger/layout.ts";
import type { TagLines } from "../ledger/lines.ts";
import type { HeadContext } from "../ledger/proven-head.ts";
import { recordLine } from "../lock/file.ts";
import { ManifestError, readManifest } from "../record/manifest.ts";
import { RecordError } from "../record/error.ts";
import { signerName } from "../record/signer.ts";
import { parseSighting, sightingStatement } from "../record/statement.ts";
import type { Registry } from "../registry/client.ts";
import { RegistryError } from "../registry/error.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import { allEnded } from "../registry/all-ended.ts";
import { type Approval, readApprovals } from "./approvals.ts";
import type { ObserverConfiguration, Watched } from "./configuration.ts";
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
} from "../ledger/registry/kept-ledger.ts";
import type { RunIo, RunOnce } from "./run.ts";
import {
  type ObserverHost,
  openConfiguredRecorder,
  openRegistries,
  pauseOf,
  whyNotNamed,
} from "./opening.ts";
import { Pending, type PendingName, StateError } from "./pending.ts";
import { NotRecordedError, type Recorder } from "./recorder.ts";
import { isChosen, needsListing, selectTags, TagSelectionError } from "./tag-selection.ts";
import { type Newest, newestOf, withLines } from "./tag-lines.ts";

/** So many tags have lines that are pushed together: what is in memory does not grow with what is watched. */
const BATCH = 2_000;
/** So many tags are looked at at once: a sighting that waits long for its turn at the log is not of its time any more. */
const TAGS_AT_ONCE = 256;
const RECORDS_AT_ONCE = 4;
/** After so many failures in a row the log is not asked again in this run. */
const MAX_LOG_FAILURES = 3;
const MAX_LISTED = 1_000_000;
/** How often a ledger is written anew because somebody else wrote it meanwhile. */
const MAX_ROUNDS = 8;
/** A sighting that was signed longer ago would not be proven to be of its time. */
const FRESH_MS = 10 * 60_000;
/** So long a run that is told to end may take to put into the ledger what it has logged. */
const ENDING_MS = 8_000;

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

/** Where a sighting is; nothing in a dry run. */
interface Logged {
  readonly log?: string;
  readonly logIndex?: number;
}

const MAY_BE_NAMED = '"private: true" at its entry of "watch"';

interface WatchedTag {
  readonly reference: Reference;
  readonly name: string;
  readonly isPrivate: boolean;
}

async function openRun(
  configuration: ObserverConfiguration,
  { host, io }: { readonly host: ObserverHost; readonly io: RunIo },
): Promise<Run> {
  const { recorder, trustedRoot } = await openConfiguredRecorder(configuration, {
    ...host,
    ...io,
    pause: pauseOf(host),
  });
  return new Run({
    configuration,
    io,
    pause: pauseOf(host),
    batch: host.batch ?? BATCH,
    recorder,
    trustedRoot,
    pending: io.dryRun ? undefined : new Pending(configuration.state),
    ...openRegistries(configuration, { ...host, now: io.now }),
  });
}

/** Tags of one part of the ledger that are looked at together. */
interface Slice {
  readonly part: number;
  readonly tags: readonly WatchedTag[];
  /** What concerns all of the part is done with its first slice. */
  readonly isFirst: boolean;
}

interface RunParts {
  readonly configuration: ObserverConfiguration;
  readonly io: RunIo;
  readonly pause: ReturnType<typeof pauseOf>;
  readonly batch: number;
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
  /** Tags with a sighting that is signed and that the log does not answer for: another one would have the same number. */
  readonly #unsettled = new Set<string>();
  /** The newest sightings that an earlier run signed and the ledger that was read does not have. */
  readonly #recovered = new Map<string, Newest>();
  /** Repositories of which all tags that patterns choose are known. */
  readonly #listed: Watched[] = [];
  /** Ends what puts lines into the ledger, a while after the run is told to end. */
  readonly #ending = new AbortController();
  #gone: Record<string, string> = {};
  #logFailures = 0;
  #done = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    const { configuration, own, recorder, trustedRoot } = parts;
    const { ledger } = configuration;
    this.#place = { registry: own, repository: ledger, signal: this.#ending.signal };
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
    const { io } = this.#parts;
    let ending: NodeJS.Timeout | undefined;
    const end = () => (ending = setTimeout(() => this.#ending.abort(), ENDING_MS));
    if (io.signal.aborted) end();
    else io.signal.addEventListener("abort", end, { once: true });
    try {
      return await this.#all();
    } finally {
      io.signal.removeEventListener("abort", end);
      clearTimeout(ending);
    }
  }

  async #all(): Promise<RunSummary> {
    const { io, pending, configuration, batch } = this.#parts;
    const begun = io.now().getTime();
    const read = await readKeptLedger(this.#place, this.#context);
    this.#checkNotRolledBack(read);
    this.#gone = { ...pending?.state().gone };
    const tags = await this.#watchedTags();
    this.#summary.tags = tags.length;
    io.onProgress({ done: 0, total: tags.length });
    const approvals = Map.groupBy(
      await readApprovals(configuration.approvals, {
        trustedRoot: this.#parts.trustedRoot,
        onProblem: (why) => this.#notRecorded({ why }),
      }),
      ({ reference }) => reference,
    );

    const parts = read.shards.length;
    const names = new Set(tags.map(({ name }) => name));
    const byPart = Map.groupBy(tags, ({ name }) => shardOf(name, parts));
    const approvedByPart = Map.groupBy(approvals.keys(), (name) => shardOf(name, parts));
    const pendingByPart = Map.groupBy(pending?.names() ?? [], ({ first }) =>
      Math.floor(first / (2 ** 32 / parts)),
    );
    // What is deleted is in no list.
    const isFull = (part: number) => read.text !== undefined || read.shards[part] !== undefined;
    const mayBeGone = this.#listed.length === 0 ? [] : [...read.shards.keys()].filter(isFull);
    const busy = new Set([...byPart.keys(), ...approvedByPart.keys(), ...pendingByPart.keys(), ...mayBeGone]);
    const parted = [...busy].toSorted((a, b) => a - b).map((part) => [part, byPart.get(part) ?? []] as const);

    let base = read;
    let isCurrentHead = false;
    let isWritable = true;
    for (const slices of slicesOf(parted)) {
      if (io.signal.aborted) break;
      await allEnded(
        slices.map(async ({ part, tags: some, isFirst }) => {
          const known = await readKeptPart(this.#place, read, part);
          if (isFirst) {
            await this.#recover(known, pendingByPart.get(part) ?? []);
            for (const name of approvedByPart.get(part) ?? [])
              this.#approve(known, approvals.get(name) ?? []);
            await this.#lookForGone(known, names);
          }
          await allEnded(some.map((tag) => this.#look(tag, known.get(tag.name))));
        }),
      );
      isCurrentHead &&= this.#fresh.size === 0;
      if (!isWritable || this.#fresh.size < batch) continue;
      const published = await this.#publish(base, { planned: tags.length });
      isCurrentHead = isWritable = published !== undefined;
      base = published ?? base;
    }
    // A run that saw nothing new says so with a head of its own: builds refuse one that is too old.
    const isWanted = io.signal.aborted ? this.#fresh.size > 0 : !isCurrentHead;
    if (pending !== undefined) {
      if (isWanted) await this.#publish(base, { planned: tags.length });
      pending.keepState({ ...pending.state(), gone: this.#gone });
    }
    return {
      ...this.#summary,
      ...(pending === undefined && { dryRun: true }),
      milliseconds: io.now().getTime() - begun,
    };
  }

  /** Throws LedgerError when this observer has seen a later head in the ledger than the one that is there. */
  #checkNotRolledBack({ head }: KeptLedger): void {
    const { pending, configuration } = this.#parts;
    const seen = pending?.state().seen;
    if (seen === undefined || (head?.sequence ?? 0) >= seen) return;
    const there = head === undefined ? "there is none now" : `it is at head ${head.sequence} now`;
    throw new LedgerError(
      "ledger-broken",
      `the ledger "${this.#context.repository}" was rolled back: this observer saw head ${seen} there, and ${there}; restore it, or remove "${configuration.state}/state.json" to go on from what is there`,
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
    // By what their shards are found by, so that what is recorded together is in few shards.
    return [...tags.values()]
      .map((tag) => ({ tag, place: shardOf(tag.name, 2 ** 32) }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ tag }) => tag);
  }

  async #tagsOf(watched: Watched): Promise<readonly string[]> {
    const { io } = this.#parts;
    const pages = needsListing(watched.choice)
      ? this.#registryOf(watched.private === true).tags(watched, { signal: io.signal, max: MAX_LISTED })
      : noPages();
    try {
      const { tags, notTags } = await selectTags(watched.choice, pages);
      this.#summary.notTags += notTags;
      if (needsListing(watched.choice) && watched.choice.newest === undefined) this.#listed.push(watched);
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
    for (const name of names) {
      try {
        await this.#recoverOne(known, name);
      } catch (error) {
        if (!(error instanceof StateError)) throw error;
        this.#notRecorded({ why: error.message });
      }
    }
  }

  async #recoverOne(known: ReadonlyMap<string, TagLines>, name: PendingName): Promise<void> {
    const { pending, io } = this.#parts;
    if (pending === undefined) return;
    const one = pending.read(name);
    const { reference, statement } = one;
    const { lines = [], gap } = known.get(reference) ?? {};
    const { observedAt, digest, sequence = 1 } = parseSighting(statement);
    // Another try can only succeed while the sighting is fresh; afterwards, as when a clock was wrong, the tag is looked at anew.
    const isOld = Math.abs(io.now().getTime() - observedAt.getTime()) > FRESH_MS;
    const isLeftOut = gap !== undefined && gap.from <= sequence && sequence <= gap.to;
    if (isLeftOut || (isOld && one.line === undefined && !one.isSigned)) return pending.forget(one);
    if (one.line !== undefined) {
      if (lines.includes(one.line)) pending.forget(one);
      else this.#addRecovered(reference, one.line);
      return;
    }
    try {
      const before = newestOf(lines)?.digest;
      const { line, logged } = await this.#record(one);
      // The run that signed it has told nobody.
      this.#addRecovered(reference, line);
      this.#tellNew({ image: reference, digest, before, logged });
    } catch (error) {
      if (!(error instanceof NotRecordedError)) throw error;
      // Without an answer, the log may have it all the same.
      if (isOld && !error.mayPass) return pending.forget(one);
      this.#unsettled.add(reference);
      if (!io.signal.aborted) this.#notRecorded({ image: reference, digest, why: error.message });
    }
  }

  #addRecovered(name: string, line: string): void {
    this.#add(name, line);
    const newest = newestOf([line]);
    const known = this.#recovered.get(name);
    if (newest !== undefined && newest.sequence >= (known?.sequence ?? 0)) this.#recovered.set(name, newest);
  }

  /** Asks for the tags that were seen once and that their repository lists no longer. */
  async #lookForGone(known: ReadonlyMap<string, TagLines>, watched: ReadonlySet<string>): Promise<void> {
    for (const [name, { lines }] of known) {
      if (this.#parts.io.signal.aborted) return;
      if (watched.has(name) || name in this.#gone) continue;
      const reference = parseReference(name);
      const { registry, repository, tag = "" } = reference;
      const from = this.#listed.find(
        (each) => each.registry === registry && each.repository === repository && isChosen(each.choice, tag),
      );
      const before = newestOf(lines);
      if (from === undefined || before === undefined) continue;
      try {
        const signal = this.#parts.io.signal;
        const named = await this.#registryOf(from.private === true).head(reference, tag, { signal });
        if (named === undefined) this.#isGone(name, before.digest);
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        if (!this.#parts.io.signal.aborted) this.#notAsked(name, error.message);
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
      if (!io.signal.aborted && !this.#unsettled.has(tag.name)) await this.#lookAt(tag, lines.lines);
    } catch (error) {
      if (!(error instanceof RegistryError || error instanceof ManifestError || error instanceof RecordError))
        throw error;
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
    const kept = newestOf(lines);
    const recovered = this.#recovered.get(name);
    // Whatever was put into the ledger meanwhile, `lines` are those of the beginning.
    const before = (recovered?.sequence ?? 0) >= (kept?.sequence ?? 1) ? recovered : kept;
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
    const hidden = isPrivate ? undefined : whyNotNamed(reference.registry, MAY_BE_NAMED);
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
    const { pending, io } = this.#parts;
    const { reference: image, statement } = one;
    let logged: Logged = {};
    if (pending !== undefined) {
      try {
        pending.begin(image, statement);
        const recorded = await this.#record(one);
        logged = recorded.logged;
        this.#add(image, recorded.line);
      } catch (error) {
        if (!(error instanceof NotRecordedError)) throw error;
        // What a run that was told to end has begun, the next one takes up.
        if (!io.signal.aborted) this.#notRecorded({ image, digest, why: error.message });
        return;
      }
    }
    this.#tellNew({ image, digest, before, logged });
  }

  #tellNew({
    image,
    digest,
    before,
    logged,
  }: {
    readonly image: string;
    readonly digest: Digest;
    readonly before: Digest | undefined;
    readonly logged: Logged;
  }): void {
    const time = this.#time();
    if (before === undefined) {
      this.#summary.firstSeen += 1;
      this.#tell({ event: "first-seen", time, image, digest, ...logged });
    } else {
      this.#summary.moved += 1;
      this.#tell({ event: "moved", time, image, from: before, to: digest, ...logged });
    }
  }

  readonly #turns = new Turns(RECORDS_AT_ONCE);

  /** Signs and logs a statement, and keeps the line that it makes. A few at once. Throws NotRecordedError. */
  #record(one: {
    readonly reference: string;
    readonly statement: Uint8Array;
  }): Promise<{ readonly line: string; readonly logged: Logged }> {
    const { pending, recorder, io } = this.#parts;
    return this.#turns.take("", this.#ending.signal, async () => {
      if (io.signal.aborted) throw new NotRecordedError("the run was told to end", { mayPass: true });
      if (this.#logFailures >= MAX_LOG_FAILURES)
        throw new NotRecordedError(
          `the log failed ${MAX_LOG_FAILURES} times in a row, and is not asked again in this run`,
          { mayPass: true },
        );
      try {
        const record = await recorder.sighting(one.statement, {
          signal: io.signal,
          ...(pending && { keeping: (signer) => pending.signerOf(one, signer) }),
        });
        this.#logFailures = 0;
        const line = recordLine(record);
        if (line === undefined) throw new NotRecordedError("the log's answer makes no line");
        pending?.logged(one.reference, one.statement, line);
        return { line, logged: { log: record.logUrl, logIndex: Number(record.logIndex) } };
      } catch (error) {
        if (error instanceof NotRecordedError) this.#logFailures += 1;
        throw error;
      }
    });
  }

  #add(name: string, line: string): void {
    const lines = this.#fresh.get(name);
    if (lines === undefined) this.#fresh.set(name, [line]);
    else if (!lines.includes(line)) lines.push(line);
  }

  /**
   * Puts the fresh lines into the ledger under a new head, and sees to it that they stay there. Undefined when they cannot be
   * put there, which is told: they wait in the state directory.
   */
  async #publish(
    base: KeptLedger,
    { planned }: { readonly planned: number },
  ): Promise<KeptLedger | undefined> {
    const { pause } = this.#parts;
    try {
      let current = base;
      for (let round = 1; round <= MAX_ROUNDS; round++) {
        const pushed = await this.#push(current, planned);
        // Whoever wrote at the same time has pushed by then.
        await pause(200 + Math.random() * 400, this.#ending.signal).catch(() => undefined);
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
      const count = this.#fresh.size;
      const waiting =
        count === 0 ? "" : `; new lines of ${count} ${count === 1 ? "tag" : "tags"} wait for the next run`;
      this.#notRecorded({ why: `the ledger was not written: ${error.message}${waiting}` });
      return undefined;
    }
  }

  /** Pushes once; undefined when somebody else was faster. */
  async #push(base: KeptLedger, planned: number): Promise<KeptLedger | undefined> {
    const { configuration, io, pending } = this.#parts;
    const fresh = [...this.#fresh.values()].flat().length;
    const lines = Math.max(planned, (base.head?.lines ?? 0) + fresh);
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
    await this.#settleHead(base);
    const made = pending?.state().head;
    // A head that was logged and never pushed is gone on from too: nobody may take it for a fork.
    const isLater = made !== undefined && made.sequence > (base.head?.sequence ?? 0);
    const sequence = (isLater ? made.sequence : (base.head?.sequence ?? 0)) + 1;
    const previous = isLater ? made.statement : base.head?.statement;
    const head: LedgerHead = {
      ledger: this.#context.repository,
      sequence,
      ...(previous !== undefined && { previous }),
      content: prepared.content,
      tags: prepared.tags,
      lines: prepared.lines,
      madeAt: io.now(),
    };
    const { bundle, proven } = await this.#logHead(head);
    const digest = await pushLedger(this.#place, prepared, { base, bundle });
    if (digest === undefined) return undefined;
    return {
      head: proven,
      digest,
      text: prepared.isInline ? prepared.text : undefined,
      shards: prepared.isInline ? [undefined] : prepared.shards,
    };
  }

  /** Logs a head. Should this end before the log has answered, the next run knows what to ask it for. Throws NotRecordedError. */
  async #logHead(head: LedgerHead): Promise<Awaited<ReturnType<Recorder["head"]>>> {
    const { recorder, pending } = this.#parts;
    pending?.keepState({
      ...pending.state(),
      gone: this.#gone,
      logging: Buffer.from(headStatement(head)).toString("base64"),
    });
    try {
      const logged = await recorder.head(head, { signal: this.#ending.signal });
      this.#keepLogged(head);
      return logged;
    } catch (error) {
      // One that proves nothing, because its time is not that of the log, is in the log all the same.
      if (error instanceof NotRecordedError && error.isLogged) this.#keepLogged(head);
      throw error;
    }
  }

  /** Remembers that the log has a head, so that the next one goes on from it. */
  #keepLogged(head: LedgerHead): void {
    const { pending } = this.#parts;
    if (pending === undefined) return;
    const { logging: _, ...state } = pending.state();
    const { sequence } = head;
    pending.keepState({
      ...state,
      gone: this.#gone,
      head: { sequence, statement: sha256(headStatement(head)) },
    });
  }

  /**
   * Sees to it that a head of which no log's answer is known is in the log: another one of its number would be taken for a fork.
   * Throws NotRecordedError while the log does not answer.
   */
  async #settleHead({ head }: KeptLedger): Promise<void> {
    const { pending } = this.#parts;
    const { logging, ...state } = pending?.state() ?? {};
    if (logging === undefined) return;
    const unsettled = parseHead(
      Buffer.from(logging, "base64"),
      (why) => new NotRecordedError(`"logging" in "state.json" is no head: ${why}; remove it`),
    );
    const isNext =
      unsettled.ledger === this.#context.repository && unsettled.sequence > (head?.sequence ?? 0);
    if (!isNext) return;
    try {
      await this.#logHead(unsettled);
    } catch (error) {
      if (!(error instanceof NotRecordedError) || error.mayPass) throw error;
      // Refused: no log will ever have it, so that its number is free.
      if (!error.isLogged) pending?.keepState({ ...state, gone: this.#gone });
    }
  }

  #settle(ledger: KeptLedger): KeptLedger {
    const { pending } = this.#parts;
    if (ledger.head !== undefined)
      pending?.keepState({ ...pending.state(), gone: this.#gone, seen: ledger.head.sequence });
    this.#fresh.clear();
    return ledger;
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

async function* noPages(): AsyncGenerator<readonly string[]> {
  // Nothing is listed.
}

/** Tags in runs of so many that there is always enough to ask, and never all of the ledger in memory. */
function* slicesOf(
  parts: readonly (readonly [part: number, tags: readonly WatchedTag[]])[],
): Generator<readonly Slice[]> {
  let slices: Slice[] = [];
  let size = 0;
  for (const [part, all] of parts) {
    for (let at = 0; at === 0 || at < all.length; at += TAGS_AT_ONCE) {
      const tags = all.slice(at, at + TAGS_AT_ONCE);
      if (size + tags.length > TAGS_AT_ONCE) {
        yield slices;
        slices = [];
        size = 0;
      }
      slices.push({ part, tags, isFirst: at === 0 });
      // A part without tags is read, too.
      size += Math.max(tags.length, 1);
    }
  }
  if (slices.length > 0) yield slices;
}
