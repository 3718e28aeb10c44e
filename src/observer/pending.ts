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
  /** The last head that was signed, and whether it was seen in the ledger. */
  head: v.exactOptional(v.object({ sequence: v.number(), statement: v.string(), published: v.boolean() })),
  /** Tags that were not there when they were last asked for, and what they had named. */
  gone: v.record(v.string(), v.string()),
});

/** What an observer remembers between its runs, besides the ledger itself. */
export interface ObserverState {
  readonly head?: { readonly sequence: number; readonly statement: Sha256; readonly published: boolean };
  readonly gone: Readonly<Record<string, string>>;
}

/** A sighting that is signed, or about to be, and not yet in the ledger. */
export interface PendingSighting {
  /** The tag's canonical name. */
  readonly reference: string;
  readonly statement: Uint8Array;
  /** Undefined while no log is known to have it. */
  readonly line: string | undefined;
}

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
  }

  /** Lets another process have the directory. */
  close(): void {
    rmSync(this.#lock, { force: true });
  }

  /** Those of earlier runs and of this one. Throws StateError. */
  all(): readonly PendingSighting[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(".json"))
      .map((name) => {
        const { reference, statement, line } = this.#read(name);
        return { reference, statement: Buffer.from(statement, "base64"), line };
      });
  }

  /** Keeps a statement that is about to be signed. */
  begin(reference: string, statement: Uint8Array): void {
    const known = this.#find(statement);
    if (known !== undefined) return;
    this.#write(fileOf(statement), { reference, statement: Buffer.from(statement).toString("base64") });
  }

  /**
   * A signer of this statement that keeps its signature before anybody hears of it, and gives the same again: a log answers
   * the same entry to it, and no second one.
   */
  signerOf(statement: Uint8Array, signer: Signer): Signer {
    return {
      sign: async (bytes) => {
        const over = createHash("sha256").update(bytes).digest("hex");
        const entry = this.#find(statement);
        if (entry?.signed?.over === over)
          return {
            signature: Buffer.from(entry.signed.signature, "base64"),
            verifier: entry.signed.verifier,
          };
        const signed: Signed = await signer.sign(bytes);
        if (entry !== undefined) {
          const signature = Buffer.from(signed.signature).toString("base64");
          this.#write(fileOf(statement), {
            ...entry,
            signed: { over, signature, verifier: signed.verifier },
          });
        }
        return signed;
      },
    };
  }

  /** Keeps the line that a statement has in the ledger now. */
  logged(reference: string, statement: Uint8Array, line: string): void {
    this.#write(fileOf(statement), {
      reference,
      statement: Buffer.from(statement).toString("base64"),
      line,
    });
  }

  /** Forgets a statement: its line is in the ledger, or no log will ever have it. */
  forget(statement: Uint8Array): void {
    rmSync(join(this.#directory, fileOf(statement)), { force: true });
  }

  /** What earlier runs remembered. Throws StateError. */
  state(): ObserverState {
    const text = readIfThere(join(this.#directory, "..", "state.json"));
    if (text === undefined) return { gone: {} };
    const { head, gone } = this.#parse(State, text, "state.json");
    return { gone, ...(head && { head: { ...head, statement: head.statement as Sha256 } }) };
  }

  /** Remembers this. */
  keepState(state: ObserverState): void {
    this.#write("../state.json", state);
  }

  #find(statement: Uint8Array): Entry | undefined {
    const name = fileOf(statement);
    return readIfThere(join(this.#directory, name)) === undefined ? undefined : this.#read(name);
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
              ? `another observer (process ${owner}) uses the directory "${directory}"; let it end, or give this one another "state"`
              : `cannot use the directory "${directory}": ${reasonOf(cause)}`,
            { cause },
          );
        rmSync(this.#lock, { force: true });
      }
    }
  }
}

function fileOf(statement: Uint8Array): string {
  return `${createHash("sha256").update(statement).digest("hex")}.json`;
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
