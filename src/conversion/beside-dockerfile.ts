// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import type { Bridge } from "../gateway/bridge.ts";
import { readResult } from "../gateway/result.ts";
import { isServiceError, messageOf } from "../gateway/status.ts";
import { sha256 } from "../image/digest.ts";
import { BuildFileError, readBuildFile } from "./build-file.ts";
import { type BuildOrigin, contextTree, dockerfileTree, type SourceTree } from "./source-trees.ts";

/** A file of the build, as its author wrote it. */
export interface FoundFile {
  readonly bytes: Uint8Array;
  /** As people find it from where they build: `tlog.lock`, `app/tlog.lock`. */
  readonly place: string;
}

/** Reads files of a build that steer how it is judged. */
export interface BuildFiles {
  /**
   * The file of this name beside the Dockerfile, else the one in the root of the build context; `undefined` when
   * neither is there. Throws BuildFileError.
   */
  beside(name: string, maxBytes: number): Promise<FoundFile | undefined>;
  /** The file at this path of the build context; `undefined` when it is not there. Throws BuildFileError. */
  inContext(path: string, maxBytes: number): Promise<FoundFile | undefined>;
}

/**
 * The files of a build with these names. They are read through BuildKit: from the client, from the commit of a git
 * context, from an archive; `.dockerignore` plays no part. Nothing that must be judged first is run for it, so a
 * directory which another target of a `bake` makes is not looked into. Every place is asked for once.
 */
export function buildFiles(bridge: Bridge, origin: BuildOrigin, names: readonly string[]): BuildFiles {
  const solved = new Map<string, Promise<string | undefined>>();
  const solve = (definition: Uint8Array): Promise<string | undefined> => {
    const key = sha256(definition);
    const ref = solved.get(key) ?? solveTree(bridge, definition);
    solved.set(key, ref);
    return ref;
  };
  const read = async (
    tree: Promise<SourceTree | undefined>,
    { path, maxBytes, title }: { path: string; maxBytes: number; title: string },
  ): Promise<FoundFile | undefined> => {
    try {
      const where = await tree;
      const ref = where && (await solve(where.definition));
      if (where === undefined || ref === undefined) return undefined;
      const place = where.directory === "." ? path : `${where.directory}/${path}`;
      const bytes = await readBuildFile(bridge, ref, { directory: where.directory, path, maxBytes, place });
      return bytes && { bytes, place };
    } catch (error) {
      if (!isServiceError(error)) throw error;
      throw new BuildFileError(
        "unreadable",
        `look for "${path}" ${title}: BuildKit does not give it: ${messageOf(error)}`,
        { cause: error },
      );
    }
  };
  return {
    async beside(name, maxBytes) {
      return (
        (await read(dockerfileTree(bridge, origin, names), {
          path: name,
          maxBytes,
          title: "beside the Dockerfile",
        })) ??
        (await read(contextTree(bridge, origin, names), {
          path: name,
          maxBytes,
          title: "in the build context",
        }))
      );
    },
    async inContext(path, maxBytes) {
      checkPath(path);
      return read(contextTree(bridge, origin, [path]), { path, maxBytes, title: "in the build context" });
    },
  };
}

/** Plain names alone: they are patterns to BuildKit, and a path is the context's own. */
const PATH = /^(?!\.{1,2}(?:\/|$))[\w.+-]+(?:\/(?!\.{1,2}(?:\/|$))[\w.+-]+)*$/;
const MAX_PATH = 255;
const MAX_DEPTH = 16;

/** Throws BuildFileError ("bad-path") for anything but a path of plain names below the root of the context. */
function checkPath(path: string): void {
  if (path.length <= MAX_PATH && path.split("/").length <= MAX_DEPTH && PATH.test(path)) return;
  throw new BuildFileError(
    "bad-path",
    `look for ${JSON.stringify(path.slice(0, MAX_PATH))} in the build context: it is not a relative path of names out of letters, digits and ". _ + -", such as "ci/tlog.lock"`,
  );
}

/** The client sends no such directory: it is not there, and a build that needs it fails by itself. */
const NOT_SENT = /(?:^|[:=] )(?:no access allowed to dir "[^"]*"|no local sources enabled)$/;

/** BuildKit's name for the solved files; `undefined` when the client has no directory of that name. */
async function solveTree(bridge: Bridge, definition: Uint8Array): Promise<string | undefined> {
  try {
    const { refs } = readResult(
      await bridge.solve({ Definition: pb.Definition.decode(definition), Evaluate: true }),
    );
    return refs[0]?.id || undefined;
  } catch (error) {
    if (isServiceError(error) && NOT_SENT.test(messageOf(error))) return undefined;
    throw error;
  }
}
