// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { CompactRange } from "../log/compact-range.ts";
import type { Digest } from "../image/digest.ts";
import type { FoundEntry, FoundStatement } from "./found-entry.ts";

/** A state that cannot be gone on with, or not be written. The message says what to do. */
export class StateError extends Error {
  override readonly name = "StateError";
  /** `not-written`: what was read is not kept; whatever is in the file holds. */
  readonly code: "unusable" | "not-written";
  constructor(code: StateError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** "tlog" in ASCII, in the header of the file: no other program's database is taken for ours. */
const APPLICATION = 0x746c6f67;
const VERSION = 1;
const HEX_HASH = 64;
/** What `shown` says of an entry that is not 0. */
const SHOWN = 1;
const REPEATED = 2;

// `proven` has what a signed root stands for. `reading` is on its way to such a root, and is dropped when it does not lead there.
const TABLES = `
CREATE TABLE audited (signer TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE proven (
  log TEXT PRIMARY KEY, size INTEGER NOT NULL, range TEXT NOT NULL, checkpoint TEXT NOT NULL, at TEXT NOT NULL,
  entries INTEGER NOT NULL, unreadable INTEGER NOT NULL, impostors INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE reading (
  log TEXT PRIMARY KEY, size INTEGER NOT NULL, range TEXT NOT NULL, checkpoint TEXT NOT NULL,
  entries INTEGER NOT NULL, unreadable INTEGER NOT NULL, impostors INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE entry (
  log TEXT NOT NULL, idx INTEGER NOT NULL, leaf TEXT NOT NULL, signer TEXT NOT NULL, what TEXT NOT NULL, at TEXT,
  statement TEXT, proven INTEGER NOT NULL, shown INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (log, idx)
) WITHOUT ROWID;
CREATE INDEX entry_what ON entry (what);
CREATE TABLE head (
  ledger TEXT NOT NULL, sequence INTEGER NOT NULL, statement TEXT NOT NULL, previous TEXT, log TEXT NOT NULL, idx INTEGER NOT NULL,
  shown INTEGER NOT NULL,
  PRIMARY KEY (ledger, sequence, statement)
) WITHOUT ROWID;
CREATE TABLE line (
  ledger TEXT NOT NULL, reference TEXT NOT NULL, statement TEXT NOT NULL, signer TEXT NOT NULL, sequence INTEGER, head INTEGER NOT NULL,
  PRIMARY KEY (ledger, reference, statement)
) WITHOUT ROWID;
`;

const ASIDE = `
CREATE TEMP TABLE IF NOT EXISTS aside (reference TEXT, ledger TEXT, statement TEXT, line TEXT);
CREATE INDEX IF NOT EXISTS temp.aside_statement ON aside (ledger, reference, statement);
`;

/** What was counted in a log besides the entries that were found. */
export interface Counts {
  readonly entries: number;
  /** Entries that are no JSON of a kind, or by nobody that can be read. */
  readonly unreadable: number;
  /** Entries whose certificate names an audited signer, and no trusted authority says so. */
  readonly impostors: number;
}

/** How far a log was read. */
export interface Position extends Counts {
  readonly range: CompactRange;
  /** The signed note: of a proven position the one that proves it, else the one that it is to lead to. */
  readonly checkpoint: string;
}

/** A proven position. */
export interface ProvenPosition extends Position {
  /** When it was proven. */
  readonly at: Date;
}

/** An entry as it is kept. */
export interface KeptEntry extends FoundEntry {
  /** The log's ID, hex. */
  readonly log: string;
  /** Whether a ledger or an announced approval has shown it, now or once. */
  readonly shown: boolean;
  /** Whether it was found to repeat, under the same number, what another entry states that was shown. */
  readonly isRepeated: boolean;
}

/** A head that was seen, in a ledger or in a log. */
export interface KeptHead {
  readonly ledger: string;
  readonly sequence: number;
  /** sha256 of its statement. */
  readonly statement: string;
  readonly previous?: string;
  readonly log: string;
  readonly index: number;
  /** Whether it was the ledger's own, and not only in a log. */
  readonly shown: boolean;
}

/** A line of a ledger as it is now. */
export interface ShownLine {
  readonly ledger: string;
  readonly reference: string;
  readonly digest: Digest;
  readonly supersedes?: Digest;
  /** sha256 of its statement, hex, and of what DSSE signs of it. */
  readonly statement: string;
  readonly signed: string;
  /** The signer as `signerId` gives it, and as messages do. */
  readonly signer: string;
  readonly signerName: string;
  /** The audited signer who that is. */
  readonly auditedAs?: string;
  readonly sequence?: number;
  readonly observedAt: string;
  readonly loggedAt: string;
  readonly log: string;
  readonly index: number;
  /** Hex. */
  readonly leaf: string;
  /** The statement, base64, where the log has only a hash of it. */
  readonly payload?: string;
}

/** A line that a ledger has, or had. */
export interface KeptLine {
  readonly ledger: string;
  readonly reference: string;
  /** sha256 of its statement. */
  readonly statement: string;
  readonly signer: string;
  readonly sequence?: number;
  /** The newest head under which it was seen. */
  readonly head: number;
}

/**
 * What an audit keeps from one run to the next, in one file. Everything is written in transactions, so that it holds whenever
 * the program ends. All methods throw StateError.
 */
export class AuditState {
  readonly #database: DatabaseSync;
  readonly #name: string;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(database: DatabaseSync, name: string) {
    this.#database = database;
    this.#name = name;
  }

  /**
   * Opens the state in this file; with `fromScratch` an empty one, whatever is there. `name` is for messages. Throws StateError
   * when there is none, when it is damaged or another program's, and while another audit has it.
   */
  static open(
    path: string,
    { name, fromScratch }: { readonly name: string; readonly fromScratch: boolean },
  ): AuditState {
    const fail = (why: string, cause?: unknown) =>
      new StateError("unusable", `open the state "${name}": ${why}`, { cause });
    const isThere = existsSync(path);
    if (!isThere && !fromScratch)
      throw fail(
        "there is none. If this is the first run, start with --from-scratch; if not, it is lost: bring it back, because a new one forgets what the log has shown",
      );
    let database: DatabaseSync | undefined;
    try {
      if (fromScratch)
        for (const end of ["", "-journal", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
      database = new DatabaseSync(path);
      database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096;");
      const state = new AuditState(database, name);
      if (fromScratch) state.#create();
      else state.#check();
      // Taken for as long as the program runs.
      database.exec("BEGIN EXCLUSIVE; COMMIT;");
      return state;
    } catch (cause) {
      database?.close();
      // One that was not even begun is none: the next run says that, and not that it is damaged.
      if (fromScratch && database !== undefined) rmSync(path, { force: true });
      if (cause instanceof StateError) throw cause;
      const why = reasonOf(cause);
      if (/locked|busy/.test(why)) throw fail("another audit uses it; wait until that ends", cause);
      if (isFull(cause)) throw notWritten(name, cause, fromScratch ? BEGIN_AGAIN : GO_ON);
      throw fail(`it is damaged (${why}); bring back a copy of it, or begin anew with --from-scratch`, cause);
    }
  }

  #create(): void {
    this.#database.exec(
      `BEGIN; PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${VERSION}; ${TABLES} COMMIT;`,
    );
  }

  #check(): void {
    const fail = (why: string) => new StateError("unusable", `open the state "${this.#name}": ${why}`);
    const value = (pragma: string) =>
      Object.values(this.#database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0];
    if (value("application_id") !== APPLICATION)
      throw fail(
        "it is damaged, or no state of an audit; bring back a copy of it, or begin anew with --from-scratch",
      );
    const version = value("user_version");
    if (version !== VERSION)
      throw fail(
        `it is of version ${String(version)}, and this tlog-dockerfile reads version ${VERSION}; use the version that wrote it, or begin anew with --from-scratch`,
      );
    const found = value("quick_check");
    if (found !== "ok")
      throw fail("it is damaged; bring back a copy of it, or begin anew with --from-scratch");
  }

  close(): void {
    this.#database.close();
  }

  /**
   * Keeps whose entries are looked for. Throws StateError when entries of one of them were not looked for in what was read
   * already.
   */
  audit(signers: readonly { readonly id: string; readonly shown: string }[]): void {
    this.#transaction(() => {
      const known = new Set(this.#all("SELECT signer FROM audited").map(({ signer }) => String(signer)));
      const hasRead = this.#all("SELECT log FROM proven UNION SELECT log FROM reading").length > 0;
      const added = signers.find(({ id }) => !known.has(id));
      if (hasRead && added !== undefined)
        throw new StateError(
          "unusable",
          `use the state "${this.#name}": it was made without ${added.shown}, whose earlier entries it does not have; begin anew with --from-scratch`,
        );
      for (const { id } of signers) this.#run("INSERT OR IGNORE INTO audited VALUES (?)", [id]);
    });
  }

  /** How far a log is proven; undefined when nothing of it is. */
  proven(log: string): ProvenPosition | undefined {
    const [row] = this.#all("SELECT * FROM proven WHERE log = ?", log);
    return row && { ...this.#position(row), at: new Date(String(row["at"])) };
  }

  /** How far a reading has come that did not end; undefined when none is open. */
  reading(log: string): Position | undefined {
    const [row] = this.#all("SELECT * FROM reading WHERE log = ?", log);
    return row && this.#position(row);
  }

  /** Keeps how far a reading has come, and what it found. */
  advance(log: string, { range, checkpoint, ...counts }: Position, found: readonly FoundEntry[]): void {
    this.#transaction(() => {
      this.#addEntries(log, found, { isProven: false });
      this.#run("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)", [
        log,
        range.size,
        hexOf(range),
        checkpoint,
        counts.entries,
        counts.unreadable,
        counts.impostors,
      ]);
    });
  }

  /** Keeps a position that a signed root proves: all that was found on the way to it counts from now on. */
  prove(
    log: string,
    { range, checkpoint, ...counts }: Position,
    { found, at }: { readonly found: readonly FoundEntry[]; readonly at: Date },
  ): void {
    this.#transaction(() => {
      this.#addEntries(log, found, { isProven: true });
      this.#run("UPDATE entry SET proven = 1 WHERE log = ?", [log]);
      this.#run("DELETE FROM reading WHERE log = ?", [log]);
      this.#run("INSERT OR REPLACE INTO proven VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [
        log,
        range.size,
        hexOf(range),
        checkpoint,
        at.toISOString(),
        counts.entries,
        counts.unreadable,
        counts.impostors,
      ]);
    });
  }

  /** Drops a reading, with what it found: it led to another root than the one that was signed. */
  drop(log: string): void {
    this.#transaction(() => {
      this.#run("DELETE FROM reading WHERE log = ?", [log]);
      this.#run("DELETE FROM entry WHERE log = ? AND proven = 0", [log]);
    });
  }

  /** The proven entries, in the order of logs and indexes; of one signer where one is named. */
  *entries(signer?: string): Generator<KeptEntry> {
    const where = signer === undefined ? "" : "AND signer = ?";
    const sql = `SELECT * FROM entry WHERE proven = 1 ${where} ORDER BY log, idx`;
    for (const row of this.#statement(sql).iterate(...(signer === undefined ? [] : [signer])))
      yield entryIn(row);
  }

  /** The proven entry at this place. */
  entryAt(log: string, index: number): KeptEntry | undefined {
    const [row] = this.#all("SELECT * FROM entry WHERE proven = 1 AND log = ? AND idx = ?", log, index);
    return row && entryIn(row);
  }

  /** Puts aside lines that ledgers have now, for as long as the program runs, and not in memory. */
  putAside(lines: readonly ShownLine[]): void {
    this.#transaction(() => {
      this.#database.exec(ASIDE);
      for (const line of lines)
        this.#run("INSERT INTO aside VALUES (?, ?, ?, ?)", [
          line.reference,
          line.ledger,
          line.statement,
          JSON.stringify(line),
        ]);
    });
  }

  /** The lines that were put aside, by their tags and there by their ledgers; of one tag in one ledger where these are named. */
  *aside(of?: { readonly ledger: string; readonly reference: string }): Generator<ShownLine> {
    this.#database.exec(ASIDE);
    const where = of === undefined ? "" : "WHERE ledger = ? AND reference = ?";
    const sql = `SELECT line FROM aside ${where} ORDER BY reference, ledger, rowid`;
    const rows = this.#statement(sql).iterate(...(of === undefined ? [] : [of.ledger, of.reference]));
    for (const { line } of rows) yield JSON.parse(String(line)) as ShownLine;
  }

  /** Keeps that these entries were shown, with every copy that states the same: by what they state, or by where one of them is. */
  showEntries({
    what,
    places,
  }: {
    readonly what: Iterable<string>;
    readonly places: Iterable<Pick<KeptHead, "log" | "index">>;
  }): void {
    this.#transaction(() => {
      const show = (sql: string, values: readonly Value[]) =>
        this.#run(`UPDATE entry SET shown = ${SHOWN} WHERE shown <> ${SHOWN} AND what = ${sql}`, values);
      for (const each of what) show("?", [each]);
      for (const { log, index } of places)
        show("(SELECT what FROM entry WHERE log = ? AND idx = ?)", [log, index]);
    });
  }

  /** Keeps that these entries, with every copy, repeat what others state that were shown, and what that is. */
  repeatEntries(entries: Iterable<Required<Pick<KeptEntry, "what" | "statement">>>): void {
    this.#transaction(() => {
      for (const { what, statement } of entries)
        this.#run(`UPDATE entry SET shown = ${REPEATED}, statement = ? WHERE shown = 0 AND what = ?`, [
          JSON.stringify(statement),
          what,
        ]);
    });
  }

  /** Keeps heads and lines that were seen. */
  keep({
    heads = [],
    lines = [],
  }: {
    readonly heads?: Iterable<KeptHead>;
    readonly lines?: Iterable<KeptLine>;
  }): void {
    this.#transaction(() => {
      for (const { ledger, sequence, statement, previous, log, index, shown } of heads)
        this.#run(
          "INSERT INTO head VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET shown = max(shown, excluded.shown)",
          [ledger, sequence, statement, previous ?? null, log, index, shown ? 1 : 0],
        );
      for (const { ledger, reference, statement, signer, sequence, head } of lines)
        this.#run("INSERT OR REPLACE INTO line VALUES (?, ?, ?, ?, ?, ?)", [
          ledger,
          reference,
          statement,
          signer,
          sequence ?? null,
          head,
        ]);
    });
  }

  /** The heads of a ledger that were ever seen, by their numbers. */
  heads(ledger: string): readonly KeptHead[] {
    return this.#all("SELECT * FROM head WHERE ledger = ? ORDER BY sequence, log, idx", ledger).map(
      (row) => ({
        ledger,
        sequence: Number(row["sequence"]),
        statement: String(row["statement"]),
        ...(row["previous"] !== null && { previous: String(row["previous"]) }),
        log: String(row["log"]),
        index: Number(row["idx"]),
        shown: row["shown"] === 1,
      }),
    );
  }

  /** The lines of a ledger that were ever seen, by their tags; or only those that are not among the ones put aside. */
  *lines(ledger: string, { isGone }: { readonly isGone?: boolean } = {}): Generator<KeptLine> {
    this.#database.exec(ASIDE);
    const gone = `AND NOT EXISTS (SELECT 1 FROM aside WHERE aside.ledger = line.ledger
      AND aside.reference = line.reference AND aside.statement = line.statement)`;
    const sql = `SELECT * FROM line WHERE ledger = ? ${isGone === true ? gone : ""} ORDER BY reference, sequence`;
    for (const row of this.#statement(sql).iterate(ledger))
      yield {
        ledger,
        reference: String(row["reference"]),
        statement: String(row["statement"]),
        signer: String(row["signer"]),
        ...(row["sequence"] !== null && { sequence: Number(row["sequence"]) }),
        head: Number(row["head"]),
      };
  }

  #addEntries(log: string, found: readonly FoundEntry[], { isProven }: { readonly isProven: boolean }): void {
    for (const { index, leaf, signer, what, at, statement } of found)
      this.#run(
        "INSERT OR IGNORE INTO entry (log, idx, leaf, signer, what, at, statement, proven) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
          log,
          index,
          leaf,
          signer,
          what,
          at?.toISOString() ?? null,
          statement === undefined ? null : JSON.stringify(statement),
          isProven ? 1 : 0,
        ],
      );
  }

  #position(row: Row): Position {
    try {
      return {
        range: rangeOf(Number(row["size"]), String(row["range"])),
        checkpoint: String(row["checkpoint"]),
        entries: Number(row["entries"]),
        unreadable: Number(row["unreadable"]),
        impostors: Number(row["impostors"]),
      };
    } catch (cause) {
      throw new StateError(
        "unusable",
        `read the state "${this.#name}": it is damaged; bring back a copy of it, or begin anew with --from-scratch`,
        { cause },
      );
    }
  }

  #transaction(work: () => void): void {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      work();
      this.#database.exec("COMMIT");
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (cause instanceof StateError) throw cause;
      throw notWritten(this.#name, cause);
    }
  }

  #all(sql: string, ...values: readonly Value[]): readonly Row[] {
    try {
      return this.#statement(sql).all(...values) as readonly Row[];
    } catch (cause) {
      if (isFull(cause)) throw notWritten(this.#name, cause);
      throw new StateError("unusable", `read the state "${this.#name}": ${reasonOf(cause)}`, { cause });
    }
  }

  #run(sql: string, values: readonly Value[]): void {
    this.#statement(sql).run(...values);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}

type Value = string | number | null;
type Row = Readonly<Record<string, unknown>>;

function entryIn(row: Row): KeptEntry {
  const { log, idx, leaf, signer, what, at, statement, shown } = row;
  return {
    log: String(log),
    index: Number(idx),
    leaf: String(leaf),
    signer: String(signer),
    what: String(what),
    ...(at !== null && { at: new Date(String(at)) }),
    ...(statement !== null && { statement: JSON.parse(String(statement)) as FoundStatement }),
    shown: shown === SHOWN,
    isRepeated: shown === REPEATED,
  };
}

/** SQLITE_FULL: a file of the state, or one that SQLite made beside it for the time being, had no room. */
function isFull(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 13;
}

const GO_ON = "run the audit again: it goes on from what was kept";
const BEGIN_AGAIN = "begin again with --from-scratch";

function notWritten(name: string, cause: unknown, advice = GO_ON): StateError {
  const why = isFull(cause) ? `the disk is full; make room and ${advice}` : reasonOf(cause);
  return new StateError("not-written", `write the state "${name}": ${why}`, { cause });
}

function hexOf({ hashes }: CompactRange): string {
  return Buffer.concat(hashes).toString("hex");
}

function rangeOf(size: number, hex: string): CompactRange {
  const hashes = (hex.match(new RegExp(`.{${HEX_HASH}}`, "g")) ?? []).map((each) => Buffer.from(each, "hex"));
  return new CompactRange(size, hashes);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
