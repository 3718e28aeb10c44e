// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Verdict } from "../check/verdict.ts";
import { formatReference, type Reference, taggedName } from "../image/reference.ts";

/** A judgement whose verdict is of this kind. */
export interface About<Kind extends Verdict["kind"]> extends Omit<Judgement, "verdict"> {
  readonly verdict: Extract<Verdict, { readonly kind: Kind }>;
}

/** All that is said of an image with one verdict. */
export interface Row<Kind extends Verdict["kind"]> {
  /** One line for the build's progress. */
  readonly line: (about: About<Kind>) => string;
  /** For verdicts that can warn or stop a build. */
  readonly trouble?: {
    /** One line that is all that most people see of a warning. */
    readonly short: (about: About<Kind>) => string;
    /** The first line of an error, where it is more than that: complete in itself. */
    readonly headline?: (about: About<Kind>) => string;
    /** Since when, by whose word and by which rule, and what to do: a line each. */
    readonly details: (about: About<Kind>) => readonly string[];
  };
}

/** The way out that every image has. */
export const BY_DIGEST = "or name the image by digest";

/** The image as it is called in all texts: by its tag if it has one. */
export function nameOf(image: Reference): string {
  return image.tag === undefined ? formatReference(image) : taggedName(image);
}

export function digestOf(image: Reference): string {
  return image.digest ?? "no digest";
}
