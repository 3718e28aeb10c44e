// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../image/digest.ts";

/** A directory that the client of a build sends. */
export interface LocalTree {
  /** How the client calls it: `context`, `dockerfile`. */
  readonly name: string;
  /** Which of the client's sessions has it; any of the build's when undefined. */
  readonly sessionId: string | undefined;
  /** The paths that are sent, if they are there, and what links at them lead to. */
  readonly paths: readonly string[];
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
  const digest = sha256(op);
  return pb.Definition.encode({
    def: [op, pb.Op.encode({ inputs: [{ digest, index: 0 }] }).finish()],
    metadata: { [digest]: { description: { "llb.customname": `[internal] load ${paths.join(", ")}` } } },
  }).finish();
}
