// SPDX-License-Identifier: Apache-2.0
import type { ReadDockerfile } from "../gate/gate.ts";
import type { Bridge } from "../gateway/bridge.ts";
import type { BuildOptions } from "../gateway/options.ts";
import { readResult } from "../gateway/result.ts";
import { CallError } from "../gateway/status.ts";
import { sha256 } from "../image/digest.ts";
import { localTree } from "../llb/local-tree.ts";
import { BuildFileError, readBuildFile } from "./build-file.ts";

/** A build as far as it says where its Dockerfile and its context come from. */
export interface BuildOrigin {
  readonly buildOptions: BuildOptions;
  /** The names of the definitions that other builds put in. */
  readonly inputs: Promise<readonly string[]>;
  /** The Dockerfile, once the conversion has read it. */
  readonly dockerfile: Promise<ReadDockerfile>;
}

/** A directory of a build that a file is looked for in: the files as their author wrote them. */
interface SourceTree {
  /** BuildKit's name for it, or an encoded definition that runs nothing. */
  readonly source: { readonly ref: string } | { readonly definition: Uint8Array };
  /** The directory in it: `.`, `app`. */
  readonly directory: string;
}

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
 * The files of a build with these names. They count only when they come from where the Dockerfile comes from: from the client
 * beside a Dockerfile of the client's, from the commit or archive that the Dockerfile was read from otherwise. They are read
 * through BuildKit; `.dockerignore` plays no part. Nothing that must be judged first is run for it, so a directory which
 * another target of a `bake` makes is not looked into. Every place is asked for once.
 */
export function buildFiles(bridge: Bridge, origin: BuildOrigin, names: readonly string[]): BuildFiles {
  const solved = new Map<string, Promise<string | undefined>>();
  const open = async ({ source }: SourceTree): Promise<string | undefined> => {
    if ("ref" in source) return source.ref;
    const key = sha256(source.definition);
    const ref = solved.get(key) ?? solveTree(bridge, source.definition);
    solved.set(key, ref);
    return ref;
  };
  const read = async (
    tree: Promise<SourceTree | undefined>,
    { path, maxBytes, title }: { path: string; maxBytes: number; title: string },
  ): Promise<FoundFile | undefined> => {
    try {
      const where = await tree;
      const ref = where && (await open(where));
      if (where === undefined || ref === undefined) return undefined;
      const place = where.directory === "." ? path : `${where.directory}/${path}`;
      const bytes = await readBuildFile(bridge, ref, { directory: where.directory, path, maxBytes, place });
      return bytes && { bytes, place };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      throw new BuildFileError(
        "unreadable",
        `look for "${path}" ${title}: BuildKit does not give it: ${error.message}`,
        { cause: error },
      );
    }
  };
  return {
    async beside(name, maxBytes) {
      return (
        (await read(dockerfileTree(origin, names), {
          path: name,
          maxBytes,
          title: "beside the Dockerfile",
        })) ??
        (await read(contextTree(origin, names), { path: name, maxBytes, title: "in the build context" }))
      );
    },
    async inContext(path, maxBytes) {
      checkPath(path);
      return read(contextTree(origin, [path]), { path, maxBytes, title: "in the build context" });
    },
  };
}

/** The directory that the Dockerfile lies in, with the files of these names alone where the client sends it. */
async function dockerfileTree(
  origin: BuildOrigin,
  names: readonly string[],
): Promise<SourceTree | undefined> {
  const { options } = origin.buildOptions;
  const directory = directoryOf(options["filename"] ?? "Dockerfile");
  if (isRemote(options)) return { source: await origin.dockerfile, directory };
  if (options["dockerfilekey"] === undefined && (await origin.inputs).includes("dockerfile"))
    return undefined;
  const below = names.map((name) => (directory === "." ? name : `${directory}/${name}`));
  // With the Dockerfile itself the directory is there, whatever else is.
  const paths = directory === "." ? below : [...below, options["filename"] ?? "Dockerfile"];
  return { source: local(origin, options["dockerfilekey"] ?? "dockerfile", paths), directory };
}

/** The root of the build context, if the Dockerfile comes from there too. */
async function contextTree(origin: BuildOrigin, paths: readonly string[]): Promise<SourceTree | undefined> {
  const { options } = origin.buildOptions;
  if (isRemote(options)) {
    const directory = options["contextsubdir"]?.replace(/^\/+|\/+$/g, "") || ".";
    return { source: await origin.dockerfile, directory };
  }
  // The Dockerfile is the caller's own, and the context is somebody else's.
  if (remoteContext(options) !== undefined || (await origin.inputs).includes("context")) return undefined;
  return { source: local(origin, "context", paths), directory: "." };
}

function directoryOf(filename: string): string {
  const directory = filename.replace(/^\/+/, "").replace(/\/?[^/]*$/, "");
  return directory === "" ? "." : directory;
}

function local(
  { buildOptions: { options, sessionId } }: BuildOrigin,
  name: string,
  paths: readonly string[],
): SourceTree["source"] {
  const id = options[`local-sessionid:${name}`] ?? sessionId;
  return { definition: localTree({ name, sessionId: id, paths }) };
}

/** Whether the Dockerfile comes with a context that is not a directory of the client's. */
function isRemote(options: Readonly<Record<string, string>>): boolean {
  return options["dockerfilekey"] === undefined && remoteContext(options) !== undefined;
}

/** The URL of a context that is not the client's; the client's own archives have one too. */
function remoteContext(options: Readonly<Record<string, string>>): string | undefined {
  return options[options["contextkey"] ?? "context"] || undefined;
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
    const { refs } = readResult(await bridge.solve({ Definition: definition, Evaluate: true }));
    return refs[0]?.id || undefined;
  } catch (error) {
    if (error instanceof CallError && NOT_SENT.test(error.message)) return undefined;
    throw error;
  }
}
