// SPDX-License-Identifier: Apache-2.0
import { dirname } from "node:path/posix";
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../image/digest.ts";

/** A file by its path in a filesystem, without a slash in front: `tlog.lock`, `ci/tlog.lock`. */
export interface WholeFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/**
 * The largest file that `singleFile` takes, in bytes. A definition reaches BuildKit in one message of at most 16 MiB,
 * and comes back in the answer to it with what BuildKit puts around it; LLB has no operation that adds to a file, so
 * one that is larger cannot be made of parts.
 */
export const MAX_SINGLE_FILE_BYTES = 15 * 1024 * 1024;

/** A file that is larger than LLB can bring it. The message says by how much. */
export class SingleFileError extends Error {
  override readonly name = "SingleFileError";
}

/** What lets an operation give the same bytes in every build: BuildKit takes -1 for now, and any other for itself. */
const EPOCH = 0;

/**
 * An encoded definition of a filesystem with nothing but this file, and the directories above it: mode 0644 (0755),
 * owned by root, of 1970. Equal files give equal bytes. `title` is what the build's progress calls it. Throws
 * SingleFileError when the file is over MAX_SINGLE_FILE_BYTES.
 */
export function singleFile({ path, data }: WholeFile, title: string): Uint8Array {
  if (data.length > MAX_SINGLE_FILE_BYTES) {
    throw new SingleFileError(
      `write "${path}" with BuildKit: it has ${data.length} bytes, and more than ${MAX_SINGLE_FILE_BYTES} do not fit into one message`,
    );
  }
  const parent = dirname(path);
  const file: pb.FileAction.$Properties = {
    secondaryInput: -1,
    output: 0,
    mkfile: { path: `/${path}`, mode: 0o644, data, timestamp: EPOCH },
  };
  const directory: pb.FileAction.$Properties = {
    input: -1,
    secondaryInput: -1,
    output: -1,
    mkdir: { path: `/${parent}`, mode: 0o755, makeParents: true, timestamp: EPOCH },
  };
  // An action takes what another one left: inputs are counted first, and there are none.
  const actions = parent === "." ? [{ ...file, input: -1 }] : [directory, { ...file, input: 0 }];
  const op = pb.Op.encode({ file: { actions } }).finish();
  const digest = sha256(op);
  const end = pb.Op.encode({ inputs: [{ digest, index: 0 }] }).finish();
  return pb.Definition.encode({
    def: [op, end],
    metadata: {
      [digest]: { description: { "llb.customname": title }, caps: { "file.base": true } },
    },
  }).finish();
}
