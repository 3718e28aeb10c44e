// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Digest } from "../image/digest.ts";
import { formatReference } from "../image/reference.ts";

/** A tag and the image that may be built with under it. */
export interface TagPin {
  /** The name of the tag as BuildKit asks for it, `docker.io/library/alpine:3.16.0`. */
  readonly name: string;
  readonly digest: Digest;
}

/**
 * The tags of a build with the digests that it uses, in the order of their names; refused images are left out. Where
 * a build uses a tag with several digests, because the Dockerfile has written some of them beside the tag, the tag
 * alone is the image that is recorded for it now.
 */
export function tagPins(judgements: readonly Judgement[]): readonly TagPin[] {
  const pins = new Map<string, { readonly digest: Digest; readonly isCurrent: boolean }>();
  for (const { reference, verdict, outcome } of judgements) {
    const { digest, ...named } = reference;
    if (named.tag === undefined || digest === undefined || outcome === "refuse") continue;
    const isCurrent = "record" in verdict && verdict.record.digest === digest && !isOld(verdict);
    const name = formatReference(named);
    if (pins.get(name)?.isCurrent !== true) pins.set(name, { digest, isCurrent });
  }
  return [...pins]
    .map(([name, { digest }]) => ({ name, digest }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

function isOld(verdict: Judgement["verdict"]): boolean {
  return verdict.kind === "unchanged" && verdict.note === "superseded";
}

/** A BuildKit source policy (sourcepolicy/pb/policy.proto, as JSON): what a build names on the left is built as on the right. */
export interface SourcePolicy {
  readonly version: 1;
  readonly rules: readonly {
    readonly action: "CONVERT";
    readonly selector: { readonly identifier: string };
    readonly updates: { readonly identifier: string };
  }[];
}

/**
 * The source policy that pins these tags. It says nothing of how names are matched: BuildKit then takes them for
 * wildcards, in which only `*` is not itself, and which no name of an image has. Its exact match did not replace
 * anything before BuildKit 0.31.
 */
export function sourcePolicy(pins: readonly TagPin[]): SourcePolicy {
  return {
    version: 1,
    rules: pins.map(({ name, digest }) => ({
      action: "CONVERT",
      selector: { identifier: `docker-image://${name}` },
      updates: { identifier: `docker-image://${name}@${digest}` },
    })),
  };
}

/** Data for policies in Rego: the digest of each tag by its canonical name. */
export interface RegoData {
  readonly version: 1;
  readonly images: Readonly<Record<string, Digest>>;
}

/** The data that has these tags. */
export function regoData(pins: readonly TagPin[]): RegoData {
  return { version: 1, images: Object.fromEntries(pins.map(({ name, digest }) => [name, digest])) };
}
