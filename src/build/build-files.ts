// SPDX-License-Identifier: Apache-2.0
import type { ReadDockerfile } from "../gate/gate.ts";
import type { Bridge, DirectoryEntry } from "../gateway/bridge.ts";
import type { BuildOptions } from "../gateway/options.ts";
import { readResult } from "../gateway/result.ts";
import { CallError } from "../gateway/status.ts";
import { sha256 } from "../image/digest.ts";
import { localTree } from "../llb/local-tree.ts";
import { BuildFileError, readBuildFile, type Wanted } from "./build-file.ts";

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
  /** Whether `beside` passes over another file of that name, with other bytes than the one that it found. Never throws. */
  isHidden(name: string, found: FoundFile): Promise<boolean>;
  /** Where `beside` looks, the files with these names. Throws BuildFileError. */
  present(names: readonly string[]): Promise<readonly string[]>;
  /** The Dockerfile, once the conversion has read it. */
  readonly dockerfile: Promise<ReadDockerfile>;
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
  const listings = new Map<string, Promise<readonly DirectoryEntry[]>>();
  const listSteering = (ref: string, directory: string): Promise<readonly DirectoryEntry[]> => {
    const key = `${ref} ${directory}`;
    const entries = listings.get(key) ?? bridge.readDirectory(ref, { path: directory, pattern: STEERING });
    listings.set(key, entries);
    return entries;
  };
  const dockerfiles = once(async () => dockerfileTree(origin, names));
  const contexts = once(async () => contextTree(origin, names));

  /** Does something in a directory of the build, if that is there. */
  const within = async <T>(
    tree: Promise<SourceTree | undefined>,
    what: string,
    look: (ref: string, directory: string) => Promise<T | undefined>,
  ): Promise<T | undefined> => {
    try {
      const where = await tree;
      const ref = where && (await open(where));
      return where === undefined || ref === undefined ? undefined : await look(ref, where.directory);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      throw new BuildFileError(
        "unreadable",
        `look for ${what}: BuildKit does not give it: ${error.message}`,
        {
          cause: error,
        },
      );
    }
  };
  const read = (
    tree: Promise<SourceTree | undefined>,
    { path, maxBytes, title }: { path: string; maxBytes: number; title: string },
  ): Promise<FoundFile | undefined> =>
    within(tree, `"${path}" ${title}`, async (ref, directory) => {
      const place = below(directory, path);
      const list: Wanted["list"] = async (parent, pattern) =>
        names.includes(path)
          ? listSteering(ref, parent)
          : bridge.readDirectory(ref, { path: parent, pattern });
      const bytes = await readBuildFile(bridge, ref, { directory, path, maxBytes, place, list });
      return bytes && { bytes, place };
    });
  const besideDockerfile = (path: string, maxBytes: number) =>
    read(dockerfiles(), { path, maxBytes, title: "beside the Dockerfile" });
  const inRoot = (path: string, maxBytes: number) =>
    read(contexts(), { path, maxBytes, title: "in the build context" });
  return {
    dockerfile: origin.dockerfile,
    async beside(name, maxBytes) {
      return (await besideDockerfile(name, maxBytes)) ?? (await inRoot(name, maxBytes));
    },
    async isHidden(name, found) {
      try {
        const other = await inRoot(name, found.bytes.length);
        return other !== undefined && !Buffer.from(other.bytes).equals(found.bytes);
      } catch {
        // It is there, and it is larger, or no file.
        return true;
      }
    },
    async present(wanted) {
      const places = [dockerfiles(), contexts()].map((tree) =>
        within(tree, listed(wanted), async (ref, directory) =>
          (await listSteering(ref, directory))
            .filter(({ name }) => wanted.includes(name))
            .map(({ name }) => below(directory, name)),
        ),
      );
      return [...new Set((await Promise.all(places)).flatMap((found) => found ?? []))];
    },
    async inContext(path, maxBytes) {
      checkPath(path);
      return read(contextTree(origin, [path]), { path, maxBytes, title: "in the build context" });
    },
  };
}

/** The names of the files that steer a build: one listing of a directory shows them all. */
const STEERING = "tlog.*";

function once<T>(get: () => Promise<T>): () => Promise<T> {
  let got: Promise<T> | undefined;
  return () => (got ??= get());
}

function below(directory: string, path: string): string {
  return directory === "." ? path : `${directory}/${path}`;
}

function listed(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(" and ");
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
  // With the Dockerfile itself the directory is there, whatever else is.
  const wanted = names.map((name) => below(directory, name));
  const paths = directory === "." ? wanted : [...wanted, options["filename"] ?? "Dockerfile"];
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
