// SPDX-License-Identifier: Apache-2.0
import { Reader } from "protobufjs/minimal.js";
import { moby } from "../../gen/gateway.js";

const { Result } = moby.buildkit.v1.frontend;

/** Something the build may run or export: its LLB, and where it stands in the result. */
export interface ResultRef {
  /** For people: `result`, `result for linux/arm64`, `attestation sbom of linux/amd64`. */
  readonly place: string;
  /** `linux/arm64`, …, in a result for several platforms. */
  readonly platform?: string;
  /** Whether it is the build's own result, or else an attestation about it. */
  readonly attestation: boolean;
  /** What the attestation says, as in-toto names it. */
  readonly predicateType?: string;
  /** BuildKit's name for it, for ReadFile and Evaluate. */
  readonly id: string;
  /** The encoded LLB definition. Empty for a ref without any operation, as of a build of nothing but metadata. */
  readonly definition: Uint8Array;
}

/** What a solve gave: every ref in it, and its metadata. The bytes themselves are what is returned to BuildKit. */
export interface SolvedResult {
  readonly refs: readonly ResultRef[];
  readonly metadata: Readonly<Record<string, Uint8Array>>;
  readonly bytes: Uint8Array;
}

/** A result that holds something this frontend cannot look into. The message says what. */
export class ResultError extends Error {
  override readonly name = "ResultError";
}

/**
 * Reads an encoded Result (BuildKit, frontend/gateway/pb).
 *
 * The bytes go back to BuildKit as they are, so everything in them that can name LLB must be read here: a part
 * that this version does not know, or a ref without its definition, is a ResultError and never skipped.
 */
export function readResult(bytes: Uint8Array): SolvedResult {
  let result: moby.buildkit.v1.frontend.Result;
  try {
    const reader = Reader.create(bytes);
    // Left to itself, the decoder drops what it does not know.
    reader.discardUnknown = false;
    result = Result.decode(reader);
  } catch (cause) {
    throw new ResultError("the result of the Dockerfile conversion does not decode", { cause });
  }
  refuseUnknown(result, "result");
  if (result.refDeprecated || result.refsDeprecated?.length) {
    throw new ResultError(
      "this BuildKit does not give the LLB of its results; BuildKit 0.8 or newer is needed",
    );
  }
  const refs: ResultRef[] = [];
  if (result.ref) add(refs, { place: "result", attestation: false }, result.ref);
  if (result.refs) {
    refuseUnknown(result.refs, "refs");
    for (const [platform, ref] of Object.entries(result.refs.refs ?? {})) {
      add(refs, { place: `result for ${platform}`, platform, attestation: false }, ref);
    }
  }
  for (const [platform, list] of Object.entries(result.attestations ?? {})) {
    refuseUnknown(list, "attestations");
    for (const attestation of list.attestation ?? []) {
      refuseUnknown(attestation, "attestation");
      const place = `attestation ${attestation.path ?? ""} of ${platform}`;
      const predicateType = attestation.inTotoPredicateType ?? "";
      if (attestation.ref) add(refs, { place, platform, attestation: true, predicateType }, attestation.ref);
    }
  }
  return { refs, metadata: result.metadata ?? {}, bytes };
}

type Known<T> = T & { $unknowns?: Uint8Array[] };

function add(
  refs: ResultRef[],
  where: Omit<ResultRef, "id" | "definition">,
  ref: Known<moby.buildkit.v1.frontend.Ref.$Properties>,
): void {
  refuseUnknown(ref, "ref");
  const definition = ref.def ?? new Uint8Array();
  // BuildKit gives an empty id to a ref that holds nothing at all (FROM scratch and no step).
  if (ref.id && definition.length === 0) {
    throw new ResultError(`BuildKit gave no LLB for the ${where.place}, so its images cannot be judged`);
  }
  refs.push({ ...where, id: ref.id ?? "", definition });
}

function refuseUnknown(message: Known<object>, what: string): void {
  if (message.$unknowns?.length) {
    throw new ResultError(
      `this BuildKit is newer than this frontend: its ${what} has a part that cannot be judged; update tlog-dockerfile`,
    );
  }
}
