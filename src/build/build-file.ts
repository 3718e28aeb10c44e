// SPDX-License-Identifier: Apache-2.0
import type { Bridge, DirectoryEntry } from "../gateway/bridge.ts";
import { CallError } from "../gateway/status.ts";

/**
 * `bad-path`: not a path below the build context; `misnamed`: nobody reads a file of that name, and somebody meant it to be
 * read; `not-a-file`: a directory or a device has the name; `too-large`;
 * `unreadable`: it is there, or it cannot be told whether it is, and BuildKit does not give it.
 */
export type BuildFileErrorCode = "bad-path" | "misnamed" | "not-a-file" | "too-large" | "unreadable";

/** A file of a build that cannot be had. The message says which, why, and what to do. */
export class BuildFileError extends Error {
  override readonly name = "BuildFileError";
  readonly code: BuildFileErrorCode;

  constructor(code: BuildFileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Where a file may be in a solved result, and how much of it is taken. */
export interface Wanted {
  /** A directory that is there: `.`, `app`. */
  readonly directory: string;
  /** A path below it, of plain names: `tlog.lock`, `ci/tlog.lock`. */
  readonly path: string;
  readonly maxBytes: number;
  /** How messages name the file. */
  readonly place: string;
  /** The entries of a directory, at least those of this name. */
  readonly list: (directory: string, name: string) => Promise<readonly DirectoryEntry[]>;
}

/** How much is read at once: a message of BuildKit's holds 16 MiB at most. */
const PART_BYTES = 4 * 1024 * 1024;

const DIRECTORY = 2 ** 31;
const LINK = 2 ** 27;
/** Links, pipes, sockets, devices, and what is none of them either: all but regular files (Go, io/fs.ModeType). */
const NOT_REGULAR = [31, 27, 26, 25, 24, 21, 19].map((bit) => 2 ** bit).reduce((all, bit) => all + bit);

function has(mode: number, bits: number): boolean {
  return (mode & bits) >>> 0 !== 0;
}

/**
 * The bytes of a file in a solved result, or `undefined` when there is none. That there is none is read from the
 * directory and not from an error, which can mean anything. Throws BuildFileError; what is too large is not read.
 */
export async function readBuildFile(
  bridge: Bridge,
  ref: string,
  wanted: Wanted,
): Promise<Uint8Array | undefined> {
  try {
    const names = wanted.path.split("/");
    let directory = wanted.directory;
    for (const [index, name] of names.entries()) {
      const entry = (await wanted.list(directory, name)).find((each) => each.name === name);
      if (entry === undefined) return undefined;
      const path = directory === "." ? name : `${directory}/${name}`;
      if (index === names.length - 1) return await readWhole(bridge, ref, { ...wanted, path, entry });
      directory = path;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    throw new BuildFileError(
      "unreadable",
      `read "${wanted.place}" through BuildKit: ${error.message}; if it is a link, it must lead to a file of the same directory`,
      { cause: error },
    );
  }
}

async function readWhole(
  bridge: Bridge,
  ref: string,
  { path, maxBytes, place, entry }: Wanted & { entry: DirectoryEntry },
): Promise<Uint8Array> {
  const tooLarge = () =>
    new BuildFileError(
      "too-large",
      `read "${place}": it has more than ${maxBytes} bytes, which is the limit`,
    );
  if (has(entry.mode, DIRECTORY) || (has(entry.mode, NOT_REGULAR) && !has(entry.mode, LINK)))
    throw new BuildFileError(
      "not-a-file",
      `read "${place}": there is something else than a file of that name`,
    );
  if (!has(entry.mode, LINK) && entry.size > maxBytes) throw tooLarge();
  const parts: Uint8Array[] = [];
  let size = 0;
  while (size <= maxBytes) {
    const length = Math.min(PART_BYTES, maxBytes + 1 - size);
    const part = await bridge.readFile(ref, { path, offset: size, length });
    if (part.length === 0) return Buffer.concat(parts);
    if (part.length > length) throw tooLarge();
    parts.push(part);
    size += part.length;
    // The size of what a link leads to is not known.
    if (size === entry.size && !has(entry.mode, LINK)) return Buffer.concat(parts);
  }
  throw tooLarge();
}
