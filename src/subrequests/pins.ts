// SPDX-License-Identifier: Apache-2.0
import type { Judgement } from "../check/judgement.ts";
import type { Digest } from "../image/digest.ts";
import { formatReference } from "../image/reference.ts";
import { refusalMessage } from "../report/messages.ts";
import type { PlacedJudgement } from "../report/place.ts";
import type { ToldBuild } from "../report/ways-out.ts";
import { textAnswer } from "./answer.ts";

/** A tag and the image that may be built with under it. */
interface TagPin {
  /** The name of the tag as BuildKit asks for it, `docker.io/library/alpine:3.16.0`. */
  readonly name: string;
  readonly digest: Digest;
}

/**
 * The tags of a build with the digests that it uses, in the order of their names; refused images are left out. Where
 * a build uses a tag with several digests, because the Dockerfile has written some of them beside the tag, the tag
 * alone is the image that is recorded for it now.
 */
function tagPins(judgements: readonly Judgement[]): readonly TagPin[] {
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

/** Pins in the form of other policy engines, by the request for them. */
const FORMS = {
  /**
   * A BuildKit source policy (sourcepolicy/pb/policy.proto, as JSON): what a build names on the left is built as on the
   * right. It says nothing of how names are matched: BuildKit then takes them for wildcards, in which only `*` is not
   * itself, and which no name of an image has. Its exact match did not replace anything before BuildKit 0.31.
   */
  sourcePolicy: (pins: readonly TagPin[]) => ({
    version: 1,
    rules: pins.map(({ name, digest }) => ({
      action: "CONVERT",
      selector: { identifier: `docker-image://${name}` },
      updates: { identifier: `docker-image://${name}@${digest}` },
    })),
  }),
  /** Data for policies in Rego: the digest of each tag by its canonical name. */
  regoData: (pins: readonly TagPin[]) => ({
    version: 1,
    images: Object.fromEntries(pins.map(({ name, digest }) => [name, digest])),
  }),
};

/**
 * The pins of a build for other policy engines, without refused images. When there are any, the status is 1, and the
 * text without `format=json` is not JSON, so that no build uses half of the pins.
 */
export function printPins(
  request: keyof typeof FORMS,
  judgements: readonly PlacedJudgement[],
  build: ToldBuild,
): Uint8Array {
  const json = FORMS[request](tagPins(judgements));
  const refused = judgements.filter(({ outcome }) => outcome === "refuse");
  const problem = refused.length > 0 ? `\n${refusalMessage(refused, build)}\n` : "";
  return textAnswer({
    text: `${JSON.stringify(json, undefined, 2)}\n${problem}`,
    json,
    status: refused.length > 0 ? 1 : 0,
  });
}
