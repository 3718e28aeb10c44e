// SPDX-License-Identifier: Apache-2.0
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** A directory that cannot be written to, or has what is not ours. The message says which, and what to do. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

/** Which head of which ledger a site was made of. */
export interface SiteOrigin {
  readonly ledger: string;
  readonly sequence: number;
  /** sha256 of the head's statement. */
  readonly statement: string;
}

/** What became of a site's files. */
export interface WrittenFiles {
  readonly written: number;
  readonly unchanged: number;
  readonly removed: number;
}

/** A site's directory, while the site is made. Nothing in it changes before `commit`. */
export interface SiteOutput {
  /** What the site there was made of; undefined when there is none. */
  readonly origin: SiteOrigin | undefined;
  /** Takes a file of the site, by its path from the directory on, each once. Throws OutputError. */
  add(path: string, text: string): void;
  /** Puts the files that changed in their places, and removes those of the old site that were not added. */
  commit(origin: SiteOrigin): WrittenFiles;
  /** Forgets what was added. */
  discard(): void;
}

/** The file that lists what we wrote. */
const LIST = "tlog-site.txt";
/** Where files wait until the whole ledger is proven. */
const STAGING = ".tlog-site.new";
const HEADER = /^# tlog\.site 1 (\S{1,512}) head ([1-9]\d{0,15}) (sha256:[0-9a-f]{64})$/;
/** What a path of ours looks like: no part of it begins with a dot. */
const PATH = /^(?:[a-z0-9][a-z0-9._-]{0,199}\/){0,3}[a-z0-9][a-z0-9._-]{0,199}$/;
const MAX_LIST_BYTES = 256 * 1024 * 1024;

/**
 * Opens a directory for a site; it is made when it is not there. It has to be empty, or one that has a site of ours: what else is in
 * it is not touched, and a file of somebody else's in the place of one of ours is an error. One program at a time. Throws OutputError.
 */
export function openOutput(directory: string): SiteOutput {
  const staging = join(directory, STAGING);
  const listPath = join(directory, LIST);
  const { origin, files: old } = guarded(directory, () => {
    mkdirSync(directory, { recursive: true });
    return readList(directory, listPath);
  });
  guarded(directory, () => rmSync(staging, { recursive: true, force: true }));
  const files = new Set<string>();
  const staged: string[] = [];

  return {
    origin,
    add(path, text) {
      if (!PATH.test(path) || path === LIST) throw new OutputError(`"${path}" is no path of a site`);
      if (files.has(path)) throw new OutputError(`two files of the site have the path "${path}"`);
      files.add(path);
      guarded(directory, () => {
        const bytes = Buffer.from(text, "utf8");
        const there = contentOf(join(directory, path), bytes.length);
        if (there !== undefined && !old.has(path))
          throw new OutputError(
            `"${join(directory, path)}" was not written by this program; move it away, or name another directory with --out`,
          );
        if (there === undefined || there === "other" || !there.equals(bytes)) {
          if (staged.length === 0) mkdirSync(staging);
          writeFileSync(join(staging, String(staged.length)), bytes);
          staged.push(path);
        }
      });
    },
    commit(now) {
      return guarded(directory, () => {
        const gone = [...old].filter((path) => !files.has(path));
        const unchanged = files.size - staged.length;
        const isSame = staged.length + gone.length === 0 && origin?.statement === now.statement;
        if (isSame) return { written: 0, unchanged, removed: 0 };
        // First, so that a run that is ended now leaves nothing that is not on the list.
        writeList(listPath, origin ?? now, new Set([...old, ...files]));
        const made = new Set<string>();
        for (const [index, path] of staged.entries()) {
          const target = join(directory, path);
          const parent = dirname(target);
          if (!made.has(parent)) mkdirSync(parent, { recursive: true });
          made.add(parent);
          renameSync(join(staging, String(index)), target);
        }
        for (const path of gone) removeFile(directory, path);
        writeList(listPath, now, files);
        rmSync(staging, { recursive: true, force: true });
        return { written: staged.length, unchanged, removed: gone.length };
      });
    },
    discard() {
      rmSync(staging, { recursive: true, force: true });
    },
  };
}

function readList(
  directory: string,
  path: string,
): { readonly origin: SiteOrigin | undefined; readonly files: ReadonlySet<string> } {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    const others = readdirSync(directory).filter((name) => name !== STAGING);
    if (others.length === 0) return { origin: undefined, files: new Set() };
    throw new OutputError(
      `"${directory}" is not empty and has no site in it ("${others[0]}"); name a directory of its own with --out`,
    );
  }
  const broken = () =>
    new OutputError(
      `"${path}" is not the list of a site's files; restore it, or remove the directory and make the site anew`,
    );
  if (size > MAX_LIST_BYTES) throw broken();
  const [header = "", ...paths] = readFileSync(path, "utf8").split("\n");
  const [, ledger, sequence, statement] = HEADER.exec(header) ?? [];
  if (ledger === undefined || statement === undefined || paths.pop() !== "") throw broken();
  // What is on the list is removed some day: nothing outside of the directory may be.
  if (!paths.every((each) => PATH.test(each) && each !== LIST)) throw broken();
  return { origin: { ledger, sequence: Number(sequence), statement }, files: new Set(paths) };
}

function writeList(
  path: string,
  { ledger, sequence, statement }: SiteOrigin,
  files: ReadonlySet<string>,
): void {
  const lines = [`# tlog.site 1 ${ledger} head ${sequence} ${statement}`, ...[...files].toSorted(), ""];
  writeFileSync(`${path}.new`, lines.join("\n"));
  renameSync(`${path}.new`, path);
}

/** The bytes of a file of this length; `other` for one of another length, and for what is no file; undefined: nothing is there. */
function contentOf(path: string, length: number): Buffer | "other" | undefined {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return undefined;
  return there.isFile() && there.size === length ? readFileSync(path) : "other";
}

/** Removes a file, and the directories that are empty without it. */
function removeFile(directory: string, path: string): void {
  rmSync(join(directory, path), { force: true });
  for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) {
    try {
      rmdirSync(join(directory, parent));
    } catch {
      // Something else is in it, or it is gone already.
      return;
    }
  }
}

function guarded<T>(directory: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof OutputError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OutputError(`the site in "${directory}" cannot be written: ${why}`, { cause });
  }
}
