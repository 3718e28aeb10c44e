// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import type { BuildOptions } from "../gateway/options.ts";
import { readResult } from "../gateway/result.ts";
import { type Definition, readDefinition } from "../llb/definition.ts";
import { singleFile } from "../llb/single-file.ts";
import { archiveTree, isRemoteTree, localTree } from "../llb/source-tree.ts";
import { BuildFileError } from "./build-file.ts";
import { withoutSyntaxLine } from "./conversion.ts";

/** A build as far as it says where its Dockerfile and its context come from. */
export interface BuildOrigin {
  readonly buildOptions: BuildOptions;
  /** The definitions that other builds put in, encoded, by name. */
  readonly inputs: Readonly<Record<string, Uint8Array>>;
  /** What the Dockerfile was converted to; only asked for when the context is remote. */
  readonly converted: () => Promise<readonly Definition[]>;
}

/** A directory of a build that a file is looked for in: the files as their author wrote them. */
export interface SourceTree {
  /** An encoded definition that may be solved before anything is judged: it runs nothing. */
  readonly definition: Uint8Array;
  /** The directory in it: `.`, `app`. */
  readonly directory: string;
}

/**
 * The directory that the Dockerfile lies in, as BuildKit's Dockerfile frontend finds it (frontend/dockerui), with the
 * files of these names alone where the client sends it. `undefined` when another target of a `bake` makes it.
 */
export async function dockerfileTree(
  bridge: Bridge,
  origin: BuildOrigin,
  names: readonly string[],
): Promise<SourceTree | undefined> {
  const { options } = origin.buildOptions;
  const filename = options["filename"] ?? "Dockerfile";
  const directory = directoryOf(filename);
  if (options["dockerfilekey"] === undefined) {
    if (remoteContext(options) !== undefined) {
      return { definition: await remoteTree(bridge, origin), directory };
    }
    if ("dockerfile" in origin.inputs) return undefined;
  }
  const below = names.map((name) => (directory === "." ? name : `${directory}/${name}`));
  // With the Dockerfile itself the directory is there, whatever else is.
  const paths = directory === "." ? below : [...below, filename];
  return { definition: local(origin, options["dockerfilekey"] ?? "dockerfile", paths), directory };
}

/** The root of the build context, likewise. */
export async function contextTree(
  bridge: Bridge,
  origin: BuildOrigin,
  paths: readonly string[],
): Promise<SourceTree | undefined> {
  const { options } = origin.buildOptions;
  const directory = options["contextsubdir"]?.replace(/^\/+|\/+$/g, "") || ".";
  if (remoteContext(options) !== undefined) {
    const definition = await (options["dockerfilekey"] === undefined
      ? remoteTree(bridge, origin)
      : namedTree(bridge, options));
    return { definition, directory };
  }
  return "context" in origin.inputs
    ? undefined
    : { definition: local(origin, "context", paths), directory: "." };
}

function directoryOf(filename: string): string {
  const directory = filename.replace(/^\/+/, "").replace(/\/?[^/]*$/, "");
  return directory === "" ? "." : directory;
}

function local(
  { buildOptions: { options, sessionId } }: BuildOrigin,
  name: string,
  paths: readonly string[],
): Uint8Array {
  return localTree({ name, sessionId: options[`local-sessionid:${name}`] ?? sessionId, paths });
}

/** The URL of a context that is not the client's; the client's own archives have one too. */
function remoteContext(options: Readonly<Record<string, string>>): string | undefined {
  return options[options["contextkey"] ?? "context"] || undefined;
}

/**
 * A remote context with the Dockerfile in it. The converted Dockerfile says where it was read from: the very same
 * commit or archive. It does not when it has no operation of its own, and nobody can tell whose word it is when other
 * builds are linked in.
 */
async function remoteTree(
  bridge: Bridge,
  { buildOptions, inputs, converted }: BuildOrigin,
): Promise<Uint8Array> {
  const { options } = buildOptions;
  if (Object.keys(inputs).length > 0) return namedTree(bridge, options);
  const infos = (await converted()).flatMap(({ source }) => source?.infos ?? []);
  const filename = options["filename"] ?? "Dockerfile";
  // A Dockerfile that is the whole context has another name there.
  const own = infos.findLast((info) => info.filename === filename) ?? infos.at(-1);
  if (own?.definition?.length && isRemoteTree(readDefinition(own.definition))) return own.definition;
  return namedTree(bridge, options);
}

const NAME = "tlog-build-context";

/** A context that BuildKit takes for an archive, or a Dockerfile, and not for a git repository. */
const HTTP_FILE = /^https?:\/\/(?![^?#]*\.git(?:[?#]|$))/;

/** A remote context as BuildKit's own reading of its URL has it: it converts a Dockerfile that consists of it. */
async function namedTree(bridge: Bridge, options: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const url = remoteContext(options) ?? "";
  if (HTTP_FILE.test(url)) return archiveTree(url);
  // The short form is for contexts without a name only.
  const named = url.replace(/^github\.com\/([^#?]*?)(?:\.git)?(?=[#?]|$)/, "https://github.com/$1.git");
  const data = Buffer.from(`FROM ${NAME}\n`);
  const dockerfile = singleFile({ path: "Dockerfile", data }, "[internal] name the build context");
  const result = readResult(
    await bridge.solve({
      Frontend: "dockerfile.v0",
      FrontendOpt: withoutSyntaxLine({ [`context:${NAME}`]: named }),
      FrontendInputs: { dockerfile },
    }),
  );
  const definition = result.refs[0]?.definition ?? new Uint8Array();
  if (isRemoteTree(readDefinition(definition))) return definition;
  throw new BuildFileError(
    "unreadable",
    `look into the build context ${JSON.stringify(url)}: BuildKit makes something else than files of it`,
  );
}
