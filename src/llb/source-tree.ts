// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../image/digest.ts";
import type { Definition } from "./definition.ts";

/** A directory that the client of a build sends. */
export interface LocalTree {
  /** How the client calls it: `context`, `dockerfile`. */
  readonly name: string;
  /** Which of the client's sessions has it; any of the build's when undefined. */
  readonly sessionId: string | undefined;
  /** The paths that are sent, if they are there, and what links at them lead to. */
  readonly paths: readonly string[];
}

/** How the progress calls a transfer. */
function describe(digest: string, title: string): { [digest: string]: pb.OpMetadata.$Properties } {
  return { [digest]: { description: { "llb.customname": `[internal] ${title}` } } };
}

function ending(op: Uint8Array, inputs: readonly Uint8Array[], title: string): pb.Definition.$Properties {
  const digest = sha256(op);
  const end = pb.Op.encode({ inputs: [{ digest, index: 0 }] }).finish();
  return { def: [...inputs, op, end], metadata: describe(digest, title) };
}

/** An encoded definition of some files of a directory of the client's. */
export function localTree({ name, sessionId, paths }: LocalTree): Uint8Array {
  const op = pb.Op.encode({
    source: {
      identifier: `local://${name}`,
      attrs: {
        "local.followpaths": JSON.stringify(paths),
        "local.sharedkeyhint": `tlog-${name}`,
        // Each build gets the files anew: BuildKit tells by size and time alone whether it has them.
        "local.differ": "none",
        ...(sessionId !== undefined && { "local.session": sessionId }),
      },
    },
  }).finish();
  return pb.Definition.encode(ending(op, [], `load ${paths.join(", ")}`)).finish();
}

/** Sources that hold files as somebody wrote them. */
const FILE_SCHEMES = new Set(["git", "http", "https"]);

/** Whether a definition is of files from a server and of nothing that was built: solving it runs nothing. */
export function isRemoteTree(definition: Definition): boolean {
  const sources = definition.operations.flatMap(({ op }) => (op.source ? [op.source.identifier ?? ""] : []));
  return (
    sources.length > 0 &&
    sources.every((identifier) => FILE_SCHEMES.has(identifier.split("://", 1)[0] ?? "")) &&
    definition.operations.every(({ op }) => !op.exec && !op.build && !op.merge && !op.diff && !op.passthrough)
  );
}

/**
 * An encoded definition of what an archive from an HTTP server unpacks to, made of the same operations as BuildKit's
 * own for a context (frontend/dockerui), so that within a build it is fetched once. What is no archive is there as a
 * file of its own.
 */
export function archiveTree(url: string): Uint8Array {
  const constraints = new Uint8Array();
  const source = pb.Op.encode({
    source: { identifier: url, attrs: { "http.filename": "context" } },
    constraints,
  }).finish();
  const copy: pb.FileActionCopy.$Properties = {
    src: "/context",
    dest: "/",
    mode: -1,
    attemptUnpackDockerCompatibility: true,
    timestamp: -1,
  };
  const op = pb.Op.encode({
    inputs: [{ digest: sha256(source), index: 0 }],
    file: { actions: [{ input: -1, secondaryInput: 0, output: 0, copy }] },
    constraints,
  }).finish();
  return pb.Definition.encode(ending(op, [source], "unpack the build context")).finish();
}
