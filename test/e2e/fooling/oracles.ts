// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Tree } from "./registry-tree.ts";

/** An image of a case as the request log can show it. */
export interface Known {
  /** `host/repository:tag` as the build names it. */
  readonly reference: string;
  /** The repository's path in the registry. */
  readonly repository: string;
  readonly tag: string;
  /** Its digests: the first of a tag, or what it was moved to. */
  readonly tree: Tree;
  readonly evil: boolean;
}

/** What a build told of the images it was asked about. */
export interface Told {
  /** The report of the build's metadata: `frontend.tlog`, parsed. */
  readonly report:
    | { readonly images: readonly { readonly reference: string; readonly digest?: string }[] }
    | undefined;
  /** The verdicts in the build's progress, and the client's error from its first line on. */
  readonly error: string;
  readonly ran: boolean;
  /** Whether it ended in an error that is about no image that must not get in: then it has no verdict on what it asked for. */
  readonly isWithoutVerdict: boolean;
}

const REQUEST = /^(GET|HEAD) \/v2\/(.+)\/(manifests|blobs)\/(.+)$/;

/**
 * The first oracle: what the registry was asked for. Each manifest and configuration belongs to an image that the
 * build's report or its error names; a layer belongs to an image that may be used, and to a build that runs. Returns
 * what is wrong, a line each.
 */
export function wronglyFetched(
  requests: readonly string[],
  known: readonly Known[],
  told: Told,
): readonly string[] {
  return requests.flatMap((request) => {
    const [, , repository, , name = ""] = REQUEST.exec(request) ?? [];
    if (repository === undefined) return [];
    const owners = known.filter(
      (one) => one.repository === repository && (one.tag === name || one.tree.has(name)),
    );
    const isLayer = owners.length > 0 && owners.every(({ tree }) => tree.get(name) === "layer");
    // A judged syntax image runs before anything of the build does.
    const isFrontend =
      owners.length > 0 && owners.every((owner) => owner.repository.endsWith("/syntax") && !owner.evil);
    if (told.isWithoutVerdict && (!isLayer || isFrontend)) return [];
    if (owners.length === 0) return [`${request}: no image of this case`];
    if (isLayer && !told.ran && !isFrontend) return [`${request}: a layer, in a build that was refused`];
    if (isLayer && owners.every(({ evil }) => evil))
      return [`${request}: a layer of an image that must not get in`];
    return owners.some((owner) => isJudged(owner, told))
      ? []
      : [`${request}: of an image that nobody judged`];
  });
}

function isJudged({ reference, tree }: Known, { report, error }: Told): boolean {
  const repository = reference.replace(/:[^:/]+$/, "");
  const named = (text: string) =>
    mentions(text, reference) || [...tree.keys()].some((digest) => text.includes(`${repository}@${digest}`));
  return (
    named(error) ||
    (report?.images ?? []).some(({ reference: said, digest }) => named(said) || named(`${said}@${digest}`))
  );
}

/** Whether a text names exactly this reference: not as the beginning or end of a longer one. */
function mentions(text: string, reference: string): boolean {
  for (let at = text.indexOf(reference); at !== -1; at = text.indexOf(reference, at + 1)) {
    const next = text[at + reference.length] ?? "";
    if (!/[\w.-]/.test(next)) return true;
  }
  return false;
}

/**
 * The second oracle: a text that only images have which must not get in. Looks for it in the build's output and in
 * every file that the build made, compressed ones too. Returns where it is.
 */
export async function markerFound(
  marker: string,
  { output, directory }: { readonly output: string; readonly directory: string },
): Promise<readonly string[]> {
  const lines = output.split("\n").filter((line) => line.includes(marker));
  const found = lines.map((line) => `output: ${line.slice(0, 200)}`);
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    if ((isGzip ? gunzipSync(bytes) : bytes).includes(marker))
      found.push(`result: ${path.slice(directory.length)}`);
  }
  return found;
}
