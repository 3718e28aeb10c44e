// SPDX-License-Identifier: Apache-2.0
import { signerId, signerName, type TrustedSigner } from "../record/signer.ts";
import { matchesPattern } from "../record/trusted-signer.ts";
import { finding, type Finding, type FindingKind } from "./finding.ts";
import type { FoundStatement } from "./found-entry.ts";
import type { ReadLedger } from "./ledgers.ts";
import { findRepeated } from "./repeated.ts";
import type { AuditState, KeptEntry, KeptHead, KeptLine, ShownLine } from "./state.ts";

/** A signer, and when and for what it may sign. */
export interface AuditedSigner {
  readonly signer: TrustedSigner;
  /** Patterns of tags' canonical names; undefined: all. */
  readonly tags?: readonly string[];
  /** Minutes of the day, UTC; over midnight when it ends before it begins. Undefined: all day. */
  readonly hours?: { readonly from: number; readonly to: number; readonly text: string };
}

/** A log as it was read. */
export interface ComparedLog {
  /** Hex. */
  readonly id: string;
  readonly url: string;
  /** The index of the first entry that was read. */
  readonly first: number;
  /** Whether it was searched, and may have left entries out. */
  readonly isSearched: boolean;
  /** Whether it was read to its end in this run. */
  readonly isWhole: boolean;
}

/** What is compared. */
export interface Comparison {
  readonly state: AuditState;
  readonly ledgers: readonly ReadLedger[];
  readonly logs: readonly ComparedLog[];
  /** All who are audited, observers too. */
  readonly signers: readonly AuditedSigner[];
  /** The announced approvals, by the two hashes of their statements; undefined: nobody announces any. */
  readonly announced: readonly { readonly statement: string; readonly signed: string }[] | undefined;
}

/** What comparing came to. */
export interface Compared {
  readonly findings: readonly Finding[];
  readonly entries: number;
  readonly pending: number;
}

/** Compares what logs have with what ledgers show, and with what was seen before. Throws StateError. */
export function compare(comparison: Comparison): Compared {
  const { state, ledgers, announced = [] } = comparison;
  const findings: Finding[] = [];
  const told = new Set<string>();
  const tell = (kind: FindingKind, at: string, parts: Omit<Finding, "kind" | "level">) => {
    const id = `${kind} ${at}`;
    if (!told.has(id)) findings.push(finding(kind, parts));
    told.add(id);
  };
  const before = new Map(ledgers.map(({ name }) => [name, state.heads(name)]));
  compareLines(comparison, tell);
  state.showEntries({ what: announced.flatMap(whatOf), places: [] });
  compareHeadsWithLogs(comparison, tell);
  keepLoggedHeads(comparison);
  for (const ledger of ledgers) {
    compareHeads(ledger, { state, before: before.get(ledger.name) ?? [] }, tell);
    findGoneLines(ledger, state, tell);
  }
  compareStatements(comparison, tell);
  const pending = findHidden(comparison, tell);
  compareObservers(comparison, tell);
  let entries = 0;
  for (const _ of state.entries()) entries += 1;
  return { findings, entries, pending };
}

type Tell = (kind: FindingKind, at: string, parts: Omit<Finding, "kind" | "level">) => void;

function whatOf({
  statement,
  signed,
}: {
  readonly statement: string;
  readonly signed: string;
}): readonly string[] {
  return [`payload ${statement}`, `signed ${signed}`];
}

const place = ({ log, index }: { readonly log: string; readonly index: number }) => `${log}#${index}`;

/** Lines are in the log, by those who may, when they may; and are kept as seen. */
function compareLines({ state, ledgers, logs, signers, announced }: Comparison, tell: Tell): void {
  const sequences = new Map(ledgers.map(({ name, head }) => [name, head?.sequence ?? 0]));
  const logOf = new Map(logs.map((log) => [log.id, log]));
  const limits = new Map(signers.map((each) => [signerId(each.signer), each]));
  const known = announced && new Set(announced.map(({ statement }) => statement));
  for (const line of state.aside()) {
    const { ledger, reference, auditedAs } = line;
    const log = logOf.get(line.log);
    const at = { ledger, reference, signer: line.signerName, indexes: [line.index] };
    const isCovered = log?.isWhole === true && auditedAs !== undefined && line.index >= log.first;
    if (isCovered && state.entryAt(line.log, line.index)?.leaf !== line.leaf)
      tell("line-not-in-log", `${place(line)} ${ledger}`, {
        message: `the ledger "${ledger}" has a line of "${reference}" whose proof names entry ${line.index} of "${log.url}", and ${whereNot(log)}`,
        log: log.url,
        ...at,
      });
    if (line.supersedes !== undefined && known?.has(line.statement) === false)
      tell("unannounced-approval", line.statement, {
        message: `${line.signerName} approved ${line.digest} in place of ${line.supersedes} for "${reference}", in the ledger "${ledger}", and nobody announced it`,
        ...at,
      });
    const limit = auditedAs === undefined ? undefined : limits.get(auditedAs);
    if (limit !== undefined)
      checkLimits(limit, { ...line, at: new Date(line.loggedAt), where: log?.url }, tell);
  }
  const chunk: { what: string[]; lines: KeptLine[] } = { what: [], lines: [] };
  const flush = () => {
    state.showEntries({ what: chunk.what, places: [] });
    state.keep({ lines: chunk.lines });
    chunk.what = [];
    chunk.lines = [];
  };
  for (const line of state.aside()) {
    const { ledger, reference, statement, signer, sequence } = line;
    const head = sequences.get(ledger) ?? 0;
    chunk.what.push(...whatOf(line));
    chunk.lines.push({
      ledger,
      reference,
      statement,
      signer,
      head,
      ...(sequence !== undefined && { sequence }),
    });
    if (chunk.lines.length === CHUNK) flush();
  }
  flush();
}

const CHUNK = 1_000;

function whereNot({ isSearched }: ComparedLog): string {
  return isSearched
    ? "the log's search, which may leave something out, does not give it"
    : "the log as it was read here has another one there";
}

/** Whether a signer kept to its hours and tags. */
function checkLimits(
  { signer, tags, hours }: AuditedSigner,
  {
    log,
    index,
    at,
    reference,
    where,
  }: {
    readonly log: string;
    readonly index: number;
    readonly at: Date | undefined;
    readonly reference: string | undefined;
    readonly where: string | undefined;
  },
  tell: Tell,
): void {
  const name = signerName(signer);
  const parts = { signer: name, indexes: [index], ...(where !== undefined && { log: where }) };
  const what = reference === undefined ? "" : ` for "${reference}"`;
  if (hours !== undefined && at !== undefined && !isWithin(at, hours))
    tell("outside-hours", place({ log, index }), {
      message: `${name} signed${what} at ${at.toISOString()}, outside its hours ${hours.text} (entry ${index} of "${where ?? log}")`,
      ...parts,
    });
  const isTheirs =
    tags === undefined || reference === undefined || tags.some((each) => matchesPattern(each, reference));
  if (!isTheirs)
    tell("outside-tags", place({ log, index }), {
      message: `${name} signed${what}, which is not one of its tags (entry ${index} of "${where ?? log}")`,
      reference,
      ...parts,
    });
}

function isWithin(at: Date, { from, to }: NonNullable<AuditedSigner["hours"]>): boolean {
  const minute = at.getUTCHours() * 60 + at.getUTCMinutes();
  return from <= to ? from <= minute && minute < to : minute >= from || minute < to;
}

/** Each ledger's head is in the log. */
function compareHeadsWithLogs({ state, ledgers, logs }: Comparison, tell: Tell): void {
  for (const { name, head } of ledgers) {
    if (head === undefined) continue;
    const index = Number(head.logIndex);
    const log = logs.find(({ id }) => id === head.logId);
    state.showEntries({ what: [], places: [{ log: head.logId, index }] });
    const { sequence, statement, previous } = head;
    const seen = { ledger: name, sequence, statement, log: head.logId, index, shown: true };
    state.keep({ heads: [{ ...seen, ...(previous !== undefined && { previous }) }] });
    if (log?.isWhole !== true || index < log.first || state.entryAt(head.logId, index) !== undefined)
      continue;
    tell("line-not-in-log", `${head.logId}#${index} ${name}`, {
      message: `head ${sequence} of the ledger "${name}" is entry ${index} of "${log.url}" by its proof, and ${whereNot(log)}`,
      log: log.url,
      ledger: name,
      indexes: [index],
    });
  }
}

/** Heads that a log of Rekor v1 shows with what they say are kept like those of ledgers. */
function keepLoggedHeads({ state, ledgers }: Comparison): void {
  const heads: KeptHead[] = [];
  for (const ledger of ledgers)
    for (const { log, index, what, statement } of state.entries(signerId(ledger.observer))) {
      if (statement?.kind !== "head" || statement.ledger !== ledger.name) continue;
      const { sequence, previous } = statement;
      const seen = { ledger: ledger.name, sequence, statement: `sha256:${what.slice("payload ".length)}` };
      heads.push({ ...seen, log, index, shown: false, ...(previous !== undefined && { previous }) });
    }
  state.keep({ heads });
  state.showEntries({ what: [], places: heads });
}

/** A ledger's heads make one chain that only grows. */
function compareHeads(
  { name, head, isWhole }: ReadLedger,
  { state, before }: { readonly state: AuditState; readonly before: readonly KeptHead[] },
  tell: Tell,
): void {
  const newest = Math.max(0, ...before.filter(({ shown }) => shown).map(({ sequence }) => sequence));
  if (isWhole && (head?.sequence ?? 0) < newest)
    tell("head-backwards", name, {
      message: `the ledger "${name}" shows ${head === undefined ? "nothing" : `head ${head.sequence}`}, and has shown head ${newest}`,
      ledger: name,
    });
  const heads = state.heads(name);
  const bySequence = Map.groupBy(heads, ({ sequence }) => sequence);
  for (const [sequence, same] of bySequence) {
    const indexes = same.map(({ index }) => index);
    if (same.length > 1)
      tell("head-forked", `${name} ${sequence}`, {
        message: `the ledger "${name}" has ${same.length} heads of number ${sequence}, in the log at ${indexes.join(", ")}: two observers write it with one key or identity, or one lost its state, or somebody was shown another ledger`,
        ledger: name,
        indexes,
      });
    const earlier = bySequence.get(sequence - 1);
    for (const { previous, index } of same)
      if (earlier !== undefined && !earlier.some(({ statement }) => statement === previous))
        tell("head-forked", `${name} ${sequence} ${index}`, {
          message: `head ${sequence} of the ledger "${name}" names another head ${sequence - 1} before it than the one that was seen`,
          ledger: name,
          indexes: [index],
        });
  }
  for (const [, inLog] of Map.groupBy(heads, ({ log }) => log)) {
    const ordered = inLog.toSorted((one, other) => one.index - other.index);
    for (const [n, one] of ordered.entries()) {
      const next = ordered[n + 1];
      if (next !== undefined && next.sequence < one.sequence)
        tell("head-backwards", `${name} ${one.index}`, {
          message: `the ledger "${name}" went from head ${one.sequence} back to head ${next.sequence} in the log, at ${one.index} and ${next.index}`,
          ledger: name,
          indexes: [one.index, next.index],
        });
    }
  }
}

/** A line that was seen once is there, or in a gap. */
function findGoneLines({ name, head, gaps, isWhole }: ReadLedger, state: AuditState, tell: Tell): void {
  if (!isWhole) return;
  const now = head?.sequence ?? 0;
  for (const { reference, statement, sequence, head: seen } of state.lines(name, { isGone: true })) {
    // A ledger that went back is told as that.
    if (seen > now) continue;
    const isGap = gaps.some((gap) => gap.reference === reference && isIn(gap, sequence));
    if (!isGap)
      tell("line-gone", `${name} ${statement}`, {
        message: `the ledger "${name}" had ${sequence === undefined ? "a line" : `sighting ${sequence}`} of "${reference}" under head ${seen}, and has it no longer under head ${now}`,
        ledger: name,
        reference,
      });
  }
}

function isIn(
  { from, to }: { readonly from: number; readonly to: number },
  sequence: number | undefined,
): boolean {
  return sequence !== undefined && from <= sequence && sequence <= to;
}

/** Hours, tags and approvals by what the log itself says. */
function compareStatements({ state, logs, signers, announced }: Comparison, tell: Tell): void {
  const limits = new Map(signers.map((each) => [signerId(each.signer), each]));
  const urls = new Map(logs.map(({ id, url }) => [id, url]));
  const known = announced && new Set(announced.map(({ statement }) => `payload ${statement}`));
  for (const { log, index, signer, what, at, statement } of state.entries()) {
    const limit = limits.get(signer);
    if (limit === undefined) continue;
    const where = urls.get(log);
    const reference = statement?.kind === "sighting" ? statement.reference : undefined;
    checkLimits(limit, { log, index, at, reference, where }, tell);
    if (statement?.kind !== "sighting" || statement.supersedes === undefined || known?.has(what) !== false)
      continue;
    const name = signerName(limit.signer);
    tell("unannounced-approval", what.slice("payload ".length), {
      message: `${name} approved ${statement.digest} in place of ${statement.supersedes} for "${statement.reference}" (entry ${index} of "${where ?? log}"), and nobody announced it`,
      signer: name,
      reference: statement.reference,
      indexes: [index],
    });
  }
}

/**
 * Entries that nothing shows. A log of Rekor v2 has only hashes, and a ledger shows its newest head alone: so the earlier heads that
 * nobody has seen are counted, and there may be as many entries without a line, and no more and no fewer. Gives how many entries are
 * behind the newest head.
 */
function findHidden({ state, ledgers, logs, signers }: Comparison, tell: Tell): number {
  let pending = 0;
  for (const { signer } of signers) {
    const id = signerId(signer);
    const own = ledgers.filter(({ observer }) => signerId(observer) === id);
    // What a ledger that was not read would show is not known.
    if (ledgers.some(({ isWhole }) => !isWhole)) continue;
    const gaps = missingOf(own, state);
    const limit = limitsOf(own);
    // Copies of one statement hide no more than one.
    const opaque = new Map<string, KeptEntry>();
    const repeated: { readonly entry: KeptEntry; readonly statement: FoundStatement }[] = [];
    for (const entry of state.entries(id)) {
      if (entry.shown) continue;
      if (entry.index > (limit.get(entry.log) ?? Infinity)) {
        pending += 1;
        continue;
      }
      const { statement } = entry;
      if (statement === undefined) {
        if (!opaque.has(entry.what)) opaque.set(entry.what, entry);
      } else if (entry.isRepeated || isRepeated(statement, { id, own, state })) {
        repeated.push({ entry, statement });
      } else if (!isLeftOut(statement, gaps))
        tellHidden([entry], { signer, logs, why: statedAs(entry) }, tell);
    }
    const heads = own.reduce((sum, ledger) => sum + unseenHeads(ledger, state), 0);
    const inGaps = [...gaps.values()].reduce((sum, numbers) => sum + numbers.size, 0);
    const expected = heads + inGaps;
    if (opaque.size > expected)
      for (const { entry, line } of findRepeated(opaque, ownLines(id, { own, state }))) {
        opaque.delete(entry.what);
        repeated.push({ entry, statement: { kind: "sighting", ...statedIn(line) } });
      }
    state.repeatEntries(repeated.map(({ entry: { what }, statement }) => ({ what, statement })));
    for (const { entry, statement } of repeated) tellRepeated(entry, statement, { signer, logs }, tell);
    if (opaque.size > expected) {
      const some =
        expected === 0
          ? ""
          : `; ${expected} of them may be earlier heads or sightings that are no longer kept`;
      const why = `nothing shows them${some}; whatever else signs with this key or identity, such as the observer of another ledger, is among them`;
      tellHidden([...opaque.values()], { signer, logs, why }, tell);
    }
    const lacking = heads - opaque.size;
    const isWhole = logs.every((log) => log.isWhole);
    if (lacking > 0 && isWhole && own.length > 0) {
      const hint = logs.some(({ isSearched }) => isSearched) ? " (a search may leave entries out)" : "";
      const ledger = own.map(({ name }) => name).join(", ");
      tell("head-missing", id, {
        message: `the ledger "${ledger}" is at head ${own.map(({ head }) => head?.sequence ?? 0).join(", ")}, and ${lacking} of its earlier heads are not in the logs that were read${hint}`,
        ledger,
        signer: signerName(signer),
      });
    }
  }
  return pending;
}

/** Sightings that the ledgers say they no longer keep, and that no audit has seen, by their tags. */
function missingOf(ledgers: readonly ReadLedger[], state: AuditState): Map<string, Set<number>> {
  const missing = new Map<string, Set<number>>();
  for (const { name, gaps } of ledgers) {
    if (gaps.length === 0) continue;
    for (const { reference, from, to } of gaps)
      missing.set(reference, new Set(Array.from({ length: to - from + 1 }, (_, n) => from + n)));
    for (const { reference, sequence } of state.lines(name))
      if (sequence !== undefined) missing.get(reference)?.delete(sequence);
  }
  return missing;
}

/** Up to where each log's entries are before the newest head: what is behind may be in no ledger yet. */
function limitsOf(ledgers: readonly ReadLedger[]): Map<string, number> {
  const limits = new Map<string, number>();
  for (const { head } of ledgers)
    if (head !== undefined)
      limits.set(head.logId, Math.min(limits.get(head.logId) ?? Infinity, Number(head.logIndex)));
  return limits;
}

function unseenHeads({ name, head }: ReadLedger, state: AuditState): number {
  const newest = head?.sequence ?? 0;
  const seen = new Set(state.heads(name).map(({ sequence }) => sequence));
  return newest - [...seen].filter((sequence) => sequence <= newest).length;
}

function isLeftOut(statement: NonNullable<KeptEntry["statement"]>, gaps: Map<string, Set<number>>): boolean {
  if (statement.kind !== "sighting" || statement.sequence === undefined) return false;
  return gaps.get(statement.reference)?.delete(statement.sequence) ?? false;
}

/** Whether a ledger of its signer has a sighting of the same number that saw the same image. */
function isRepeated(
  statement: NonNullable<KeptEntry["statement"]>,
  {
    id,
    own,
    state,
  }: { readonly id: string; readonly own: readonly ReadLedger[]; readonly state: AuditState },
): statement is FoundSighting {
  if (statement.kind !== "sighting" || statement.sequence === undefined) return false;
  const { reference, digest, sequence, supersedes } = statement;
  return own.some(({ name: ledger }) =>
    [...state.aside({ ledger, reference })].some(
      (line) =>
        line.auditedAs === id &&
        line.sequence === sequence &&
        line.digest === digest &&
        line.supersedes === supersedes,
    ),
  );
}

/** The sightings by a signer in its own ledgers. */
function* ownLines(
  id: string,
  { own, state }: { readonly own: readonly ReadLedger[]; readonly state: AuditState },
): Generator<ShownLine> {
  const names = new Set(own.map(({ name }) => name));
  for (const line of state.aside()) if (line.auditedAs === id && names.has(line.ledger)) yield line;
}

function statedIn({ reference, digest, supersedes, sequence }: ShownLine): Omit<FoundSighting, "kind"> {
  return {
    reference,
    digest,
    ...(supersedes !== undefined && { supersedes }),
    ...(sequence !== undefined && { sequence }),
  };
}

type FoundSighting = Extract<FoundStatement, { readonly kind: "sighting" }>;

function tellRepeated(
  { log, index }: KeptEntry,
  statement: FoundStatement,
  { signer, logs }: { readonly signer: TrustedSigner; readonly logs: readonly ComparedLog[] },
  tell: Tell,
): void {
  if (statement.kind !== "sighting") return;
  const { reference, digest, sequence } = statement;
  const url = logs.find(({ id }) => id === log)?.url ?? log;
  tell("repeated-sighting", place({ log, index }), {
    message: `${signerName(signer)} signed sighting ${sequence} of "${reference}", ${digest}, more than once; the ledger shows another one that says the same, and not entry ${index} of "${url}"`,
    log: url,
    signer: signerName(signer),
    reference,
    indexes: [index],
  });
}

function statedAs({ statement }: KeptEntry): string {
  switch (statement?.kind) {
    case "sighting":
      return `it says that "${statement.reference}" is ${statement.digest}, and no ledger has it`;
    case "head":
      return `it is head ${statement.sequence} of the ledger "${statement.ledger}", which is not audited`;
    default:
      return "it is no sighting and no head, so the signer is used for something else too";
  }
}

function tellHidden(
  entries: readonly KeptEntry[],
  {
    signer,
    logs,
    why,
  }: { readonly signer: TrustedSigner; readonly logs: readonly ComparedLog[]; readonly why: string },
  tell: Tell,
): void {
  for (const [log, inLog] of Map.groupBy(entries, (entry) => entry.log)) {
    const url = logs.find(({ id }) => id === log)?.url ?? log;
    const indexes = inLog.map(({ index }) => index);
    const [first = 0] = indexes;
    const what = inLog.length === 1 ? `an entry (${first})` : `${inLog.length} entries (${listed(indexes)})`;
    tell("hidden-entry", `${log}#${first}`, {
      message: `${signerName(signer)} has ${what} in "${url}": ${why}`,
      log: url,
      signer: signerName(signer),
      indexes,
    });
  }
}

const MAX_LISTED = 10;

function listed(indexes: readonly number[]): string {
  const more = indexes.length > MAX_LISTED ? ", …" : "";
  return `${indexes.slice(0, MAX_LISTED).join(", ")}${more}`;
}

/** Observers of one tag see one image. A difference counts once both have looked after it began. */
function compareObservers({ state, ledgers }: Comparison, tell: Tell): void {
  const byName = new Map(ledgers.map((ledger) => [ledger.name, ledger]));
  let newest = new Map<string, ShownLine>();
  let reference = "";
  const compareTag = () => {
    const [first, ...others] = newest.values();
    for (const other of others) {
      if (first === undefined || first.digest === other.digest) continue;
      const since = first.observedAt > other.observedAt ? first.observedAt : other.observedAt;
      const haveLooked = [first, other].every(
        ({ ledger }) => (byName.get(ledger)?.head?.madeAt ?? new Date(0)) >= new Date(since),
      );
      if (haveLooked)
        tell("observers-differ", `${reference} ${other.ledger}`, {
          message: `"${reference}" is ${first.digest} in the ledger "${first.ledger}" since ${first.observedAt}, and ${other.digest} in the ledger "${other.ledger}" since ${other.observedAt}`,
          reference,
          ledger: other.ledger,
        });
    }
  };
  for (const line of state.aside()) {
    if (line.reference !== reference) {
      compareTag();
      newest = new Map();
      reference = line.reference;
    }
    const ledger = byName.get(line.ledger);
    if (ledger === undefined || line.auditedAs !== signerId(ledger.observer)) continue;
    const known = newest.get(line.ledger);
    if (known === undefined || known.observedAt <= line.observedAt) newest.set(line.ledger, line);
  }
  compareTag();
}
