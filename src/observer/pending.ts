// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  closeSync,
  fsyncSync,
} from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Signed, Signer } from "../courier/server/signers.ts";
import type { Sha256 } from "../image/digest.ts";

// What is signed and not yet to be read in the ledger lies in files, so that a run that is ended at any moment loses nothing:
// the statement with its signature before a log hears of it, the line that the log's answer makes before it is pushed.

/** An observer's directory that cannot be used. */
export class StateError extends Error {
  override readonly name = "StateError";
}

const Signature = v.union([v.object({ publicKey: v.string() }), v.object({ certificate: v.string() })]);
const Entry = v.object({
  reference: v.string(),
  /** Base64. */
  statement: v.string(),
  signed: v.exactOptional(v.object({ over: v.string(), signature: v.string(), verifier: Signature })),
  /** The line for the ledger, once the log has taken it in. */
  line: v.exactOptional(v.string()),
});
type Entry = v.InferOutput<typeof Entry>;

const State = v.object({
  /** The last head that was signed. */
  head: v.exactOptional(v.object({ sequence: v.number(), statement: v.string() })),
  /** The statement of a head that a log may have, and of which no log's answer is known; base64. */
  logging: v.exactOptional(v.string()),
  /** The number of the last head that was seen in the ledger. */
  seen: v.exactOptional(v.number()),
  /** Tags that were not there when they were last asked for, and what they had named. */
  gone: v.record(v.string(), v.string()),
});

/** What an observer remembers between its runs, besides the ledger itself. */
export interface ObserverState {
  /** The last head that was signed; it may never have come into the ledger. */
  readonly head?: { readonly sequence: number; readonly statement: Sha256 };
  /** The statement of a head that a log may have, and of which no log's answer is known; base64. */
  readonly logging?: string;
  /** The number of the last head that was seen in the ledger. */
  readonly seen?: number;
  readonly gone: Readonly<Record<string, string>>;
}

/** A sighting that is signed, or about to be, and not yet in the ledger. */
export interface PendingSighting {
  /** The tag's canonical name. */
  readonly reference: string;
  readonly statement: Uint8Array;
  /** Undefined while no log is known to have it. */
  readonly line: string | undefined;
  /** Whether there is a signature of it, which a log may have taken in. */
  readonly isSigned: boolean;
}

/** What a pending sighting is known by. */
type Statement = Pick<PendingSighting, "reference" | "statement">;

/** A file with a sighting. */
export interface PendingName {
  readonly file: string;
  /** The first 32 bits of the sha256 of the tag's canonical name. */
  readonly first: number;
}

const FILE = /^([0-9a-f]{8})-[0-9a-f]{64}\.json$/;

/** The directory of an observer, which one process has at a time. */
export class Pending {
  readonly #directory: string;
  readonly #lock: string;

  /** Makes the directory if need be. Throws StateError when another process has it, or it cannot be used. */
  constructor(directory: string) {
    this.#directory = join(directory, "pending");
    this.#lock = join(directory, "lock");
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new StateError(`cannot use the directory "${directory}": ${reasonOf(cause)}`, { cause });
    }
    this.#take(directory);
    // Of a process that was ended while it wrote.
    for (const file of readdirSync(this.#directory))
      if (file.endsWith(".new")) rmSync(join(this.#directory, file), { force: true });
  }

  /** Lets another process have the directory. */
  close(): void {
    rmSync(this.#lock, { force: true });
  }

  /** Those that are not in the ledger yet, or not known to be, by the tags' canonical names; nothing of them is read. */
  names(): readonly PendingName[] {
    return readdirSync(this.#directory).flatMap((file) => {
      const [, first] = FILE.exec(file) ?? [];
      return first === undefined ? [] : [{ file, first: Number.parseInt(first, 16) }];
    });
  }

  /** One of them. Throws StateError. */
  read({ file }: PendingName): PendingSighting {
    const { reference, statement, line, signed } = this.#read(file);
    return { reference, statement: Buffer.from(statement, "base64"), line, isSigned: signed !== undefined };
  }

  /** Keeps a statement that is about to be signed. */
  begin(reference: string, statement: Uint8Array): void {
    const file = fileOf(reference, statement);
    if (readIfThere(join(this.#directory, file)) !== undefined) return;
    this.#write(file, { reference, statement: Buffer.from(statement).toString("base64") });
  }

  /**
   * A signer of this statement that keeps its signature before anybody hears of it, and gives the same again: a log answers
   * the same entry to it, and no second one.
   */
  signerOf({ reference, statement }: Statement, signer: Signer): Signer {
    const file = fileOf(reference, statement);
    return {
      sign: async (bytes) => {
        const over = createHash("sha256").update(bytes).digest("hex");
        const entry = this.#read(file);
        if (entry.signed?.over === over)
          return {
            signature: Buffer.from(entry.signed.signature, "base64"),
            verifier: entry.signed.verifier,
          };
        const signed: Signed = await signer.sign(bytes);
        const signature = Buffer.from(signed.signature).toString("base64");
        this.#write(file, { ...entry, signed: { over, signature, verifier: signed.verifier } });
        return signed;
      },
    };
  }

  /** Keeps the line that a statement has in the ledger now. */
  logged(reference: string, statement: Uint8Array, line: string): void {
    this.#write(fileOf(reference, statement), {
      reference,
      statement: Buffer.from(statement).toString("base64"),
      line,
    });
  }

  /** Forgets a statement: its line is in the ledger, or no log will ever have it. */
  forget({ reference, statement }: Statement): void {
    rmSync(join(this.#directory, fileOf(reference, statement)), { force: true });
  }

  /** What earlier runs remembered. Throws StateError. */
  state(): ObserverState {
    const text = readIfThere(join(this.#directory, "..", "state.json"));
    if (text === undefined) return { gone: {} };
    const { head, ...others } = this.#parse(State, text, "state.json");
    return { ...others, ...(head && { head: { ...head, statement: head.statement as Sha256 } }) };
  }

  /** Remembers this. */
  keepState(state: ObserverState): void {
    this.#write("../state.json", state);
  }

  #read(name: string): Entry {
    return this.#parse(Entry, readIfThere(join(this.#directory, name)) ?? "", `pending/${name}`);
  }

  #parse<S extends v.GenericSchema>(schema: S, text: string, name: string): v.InferOutput<S> {
    try {
      return v.parse(schema, JSON.parse(text));
    } catch (cause) {
      throw new StateError(
        `"${join(this.#directory, "..", name)}" is not what an observer wrote; move it away to go on without it`,
        { cause },
      );
    }
  }

  #write(name: string, value: object): void {
    const path = join(this.#directory, name);
    const file = openSync(`${path}.new`, "w", 0o600);
    try {
      writeFileSync(file, JSON.stringify(value));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
  }

  #take(directory: string): void {
    for (let attempt = 1; ; attempt++) {
      try {
        writeFileSync(this.#lock, String(process.pid), { flag: "wx" });
        return;
      } catch (cause) {
        const owner = Number(readIfThere(this.#lock) ?? "");
        const isTaken = codeOf(cause) === "EEXIST";
        if (!isTaken || attempt > 1 || isRunning(owner))
          throw new StateError(
            isTaken
              ? `another observer (process ${owner}) uses the directory "${directory}"; let it end, or give this one another "state"; if that process is no observer, remove "${this.#lock}"`
              : `cannot use the directory "${directory}": ${reasonOf(cause)}`,
            { cause },
          );
        rmSync(this.#lock, { force: true });
      }
    }
  }
}

/** A tag's shard is found by the first bits of its name's hash, so those come first. */
function fileOf(reference: string, statement: Uint8Array): string {
  const hashOf = (what: Uint8Array | string) => createHash("sha256").update(what).digest("hex");
  return `${hashOf(reference).slice(0, 8)}-${hashOf(statement)}.json`;
}

function isRunning(pid: number): boolean {
  // In a container each process may have the same number: the one that left this is gone then.
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new StateError(`cannot read "${path}": ${reasonOf(error)}`, { cause: error });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
