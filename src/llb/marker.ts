// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../image/digest.ts";

/** An operation that is only there to be recognised in somebody else's LLB. */
export interface Marker {
  readonly name: string;
  /** The digest of the operation. */
  readonly digest: string;
  /** An encoded definition of nothing but it. */
  readonly definition: Uint8Array;
}

/** A marker of this name. It would write an empty file if it ever ran. */
export function marker(name: string): Marker {
  const op = pb.Op.encode({
    file: {
      actions: [
        {
          input: -1,
          secondaryInput: -1,
          output: 0,
          mkfile: { path: `/tlog-${name}`, mode: 0o444, timestamp: -1 },
        },
      ],
    },
  }).finish();
  const digest = sha256(op);
  const end = pb.Op.encode({ inputs: [{ digest, index: 0 }] }).finish();
  const definition = pb.Definition.encode({
    def: [op, end],
    metadata: { [digest]: { caps: { "file.base": true } } },
  });
  return { name: `tlog-${name}`, digest, definition: definition.finish() };
}
