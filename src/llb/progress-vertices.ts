// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../image/digest.ts";

/** Lines of the build's progress that are not shown yet. */
export interface ProgressVertices {
  /** The encoded definition that shows them when it is solved. */
  readonly definition: Uint8Array;
  /** The digest of each line's step, by which a warning says which line it belongs to. */
  readonly digests: readonly string[];
}

/**
 * A definition that does nothing but show these lines in the build's progress, each as a step of its own.
 *
 * BuildKit has no call for a progress line, but it prints the name of every step it runs. Each step writes one
 * small file, named after its line, into a filesystem that nothing else uses.
 */
export function progressVertices(lines: readonly string[]): ProgressVertices {
  const def: Uint8Array[] = [];
  const metadata: { [digest: string]: pb.OpMetadata.$Properties } = {};
  const steps: pb.Input.$Properties[] = [];
  for (const line of lines) {
    const op = pb.Op.encode({
      // Each step waits for the one before, so that solving the last shows every line, and clients show them in this order.
      inputs: steps.slice(-1),
      file: {
        actions: [
          {
            input: -1,
            secondaryInput: -1,
            output: 0,
            mkfile: { path: "/line", mode: 0o444, data: Buffer.from(line), timestamp: -1 },
          },
        ],
      },
    }).finish();
    const digest = sha256(op);
    def.push(op);
    metadata[digest] = { description: { "llb.customname": `[tlog] ${line}` }, caps: { "file.base": true } };
    steps.push({ digest, index: 0 });
  }
  def.push(pb.Op.encode({ inputs: steps.slice(-1) }).finish());
  const definition = pb.Definition.encode({ def, metadata }).finish();
  return { definition, digests: steps.map(({ digest }) => digest ?? "") };
}
