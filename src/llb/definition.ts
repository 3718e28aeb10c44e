// SPDX-License-Identifier: Apache-2.0
import { Reader } from "protobufjs/minimal.js";
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../image/digest.ts";

/** One operation of an LLB definition. */
export interface Operation {
  /** The digest of its encoding, by which other operations name it. */
  readonly digest: string;
  readonly op: pb.Op;
}

/** A decoded LLB definition (BuildKit, solver/pb). */
export interface Definition {
  readonly operations: readonly Operation[];
  readonly source: pb.Source.$Properties | undefined;
}

/** LLB that cannot be judged: it does not decode, or holds operations this version does not know. The message says which. */
export class DefinitionError extends Error {
  override readonly name = "DefinitionError";
}

/** Decodes an LLB definition. Throws DefinitionError when there is anything in its operations that we cannot read. */
export function readDefinition(bytes: Uint8Array): Definition {
  let definition: pb.Definition;
  let operations: Operation[];
  try {
    definition = pb.Definition.decode(strictReader(bytes));
    operations = (definition.def ?? []).map((op) => ({
      digest: sha256(op),
      op: pb.Op.decode(strictReader(op)),
    }));
  } catch (cause) {
    throw new DefinitionError("the LLB does not decode", { cause });
  }
  if (definition.$unknowns?.length) throw newer("a definition");
  for (const { op } of operations) {
    if (op.$unknowns?.length) throw newer("an operation");
    if (op.source?.$unknowns?.length) throw newer("a source operation");
    // A build operation brings a definition and a frontend of its own, which only exist once it runs.
    if (op.build)
      throw new DefinitionError("the LLB has a nested build operation, whose images cannot be judged");
  }
  return { operations, source: definition.Source ?? undefined };
}

/** The ids of the secrets that a step takes, as files and as variables. Throws DefinitionError. */
export function secretsOf({ exec }: pb.Op): string[] {
  if (!exec) return [];
  try {
    const { mounts, secretenv } = pb.ExecOp.decode(exec);
    return [
      ...(mounts ?? []).map(({ secretOpt }) => secretOpt?.ID ?? ""),
      ...(secretenv ?? []).map(({ ID }) => ID ?? ""),
    ];
  } catch (cause) {
    throw new DefinitionError("the LLB does not decode", { cause });
  }
}

/** A reader that keeps what it does not know, under `$unknowns`: left to itself it drops it. */
function strictReader(bytes: Uint8Array): Reader {
  const reader = Reader.create(bytes);
  reader.discardUnknown = false;
  return reader;
}

function newer(what: string): DefinitionError {
  return new DefinitionError(
    `this BuildKit is newer than this frontend: its LLB has ${what} of an unknown kind, which cannot be judged; update tlog-dockerfile`,
  );
}
