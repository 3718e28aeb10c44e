// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { Reader } from "protobufjs/minimal.js";
import { moby } from "../../gen/gateway.js";
import type { SolvedResult } from "./result.ts";

const { Result } = moby.buildkit.v1.frontend;

/** An in-toto attestation about the image itself, whose predicate is a file of a solved ref. */
export interface OwnAttestation {
  readonly predicateType: string;
  /** The ref that has the file, as a solve named it. */
  readonly ref: string;
  /** The file with the predicate, and nothing but the predicate: `/tlog.json`. */
  readonly path: string;
}

const IN_TOTO = 0;
/** An InTotoSubject of kind Self: the default of every field. */
const THE_IMAGE_ITSELF = new Uint8Array();
/**
 * For exporters that put attestations beside the image, and no others: without it one lands as a file in the output
 * of `type=local`, and a tar for an older Docker becomes one that it cannot load.
 */
const INLINE_ONLY = { "inline-only": Buffer.from("true") };

/**
 * The same encoded Result with these metadata entries, each of which replaces an earlier one of its key. What was
 * there keeps its bytes: an entry of a protobuf map may come at the end, and the last of a key is the one that counts.
 */
export function withMetadata(
  result: Uint8Array,
  metadata: Readonly<Record<string, Uint8Array | string>>,
): Uint8Array {
  const entries = Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value)]);
  return Buffer.concat([result, Result.encode({ metadata: Object.fromEntries(entries) }).finish()]);
}

/**
 * The same encoded Result with one attestation more about the image of each platform; those that are there stay.
 * `platforms` are the keys by which the result names its platforms (`attestedPlatforms`).
 */
export function withAttestation(
  result: Uint8Array,
  platforms: readonly string[],
  { predicateType, ref, path }: OwnAttestation,
): Uint8Array {
  const reader = Reader.create(result);
  // The lists of attestations are encoded again, and nothing in them may get lost by it.
  reader.discardUnknown = false;
  const { attestations: lists } = Result.decode(reader);
  const own = {
    kind: IN_TOTO,
    metadata: INLINE_ONLY,
    ref: { id: ref },
    path,
    inTotoPredicateType: predicateType,
    inTotoSubjects: [THE_IMAGE_ITSELF],
  };
  // A later entry of a map replaces the earlier one whole, so it repeats what that had.
  const attestations = platforms.map((platform) => [
    platform,
    { ...lists?.[platform], attestation: [...(lists?.[platform]?.attestation ?? []), own] },
  ]);
  return Buffer.concat([result, Result.encode({ attestations: Object.fromEntries(attestations) }).finish()]);
}

/** BuildKit's list of an image's platforms (exporter/containerimage/exptypes). */
const PLATFORMS_KEY = "refs.platforms";
const Platforms = v.object({ Platforms: v.array(v.object({ ID: v.pipe(v.string(), v.minLength(1)) })) });

/** The keys of a result's platforms; none when it does not say, as of an engine that knows no attestations. Never throws. */
export function attestedPlatforms({ metadata }: Pick<SolvedResult, "metadata">): string[] {
  let listed: unknown;
  try {
    listed = JSON.parse(Buffer.from(metadata[PLATFORMS_KEY] ?? []).toString());
  } catch {
    return [];
  }
  const { success, output } = v.safeParse(Platforms, listed);
  return success ? output.Platforms.map(({ ID }) => ID) : [];
}
