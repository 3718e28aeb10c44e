// SPDX-License-Identifier: Apache-2.0
import { createECDH, createPrivateKey, createPublicKey } from "node:crypto";
import type { RawEntry } from "../src/log/rekor-v1.ts";
import { type Digest, sha256 } from "../src/image/digest.ts";
import { parseReference, taggedName } from "../src/image/reference.ts";
import type { LedgerFailure } from "../src/ledger/answer.ts";
import type { LogService } from "../src/log/signing-config.ts";
import { parsePublicKey, type Permission } from "../src/record/signer.ts";
import type { Served } from "./check/sample-courier.ts";
import { OBSERVED, type SampleKey } from "./record/sample-log.ts";

/** A key that is the same in every run, so that the texts are. */
function keyNamed(name: string): SampleKey {
  const d = Buffer.from(sha256(name).slice("sha256:".length), "hex");
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => half.toString("base64url"));
  const jwk = { kty: "EC", crv: "P-256", d: d.toString("base64url"), ...(x && y && { x, y }) };
  const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
  const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
  return { privateKey, pem, signer: parsePublicKey(pem) };
}

/** Who signs in these situations, and what the policy lets them do; nothing where it does not name them. */
export const PEOPLE = {
  ci: { key: keyNamed("ci"), may: ["record"] },
  lead: { key: keyNamed("lead"), may: ["record", "approve"] },
  observer: { key: keyNamed("observer"), may: ["vouch"] },
  stranger: { key: keyNamed("stranger"), may: [] },
} as const satisfies Readonly<Record<string, { key: SampleKey; may: readonly Permission[] }>>;
export type Person = keyof typeof PEOPLE;

const MEDIA_TYPE = "application/vnd.oci.image.index.v1+json";

/** An index with these manifests, by the names of their contents. */
function indexOf(amd64: string, arm64: string): Served & { readonly digest: Digest } {
  const manifests = Object.entries({ amd64, arm64 }).map(([architecture, name]) => ({
    digest: sha256(name),
    platform: { os: "linux", architecture },
  }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE, manifests }));
  return { bytes, mediaType: MEDIA_TYPE, digest: sha256(bytes) };
}

/** The images that tags name: the one that was there first, another one, a third, and the first with another arm64. */
export const IMAGES = {
  A: indexOf("a-amd64", "a-arm64"),
  B: indexOf("b-amd64", "b-arm64"),
  C: indexOf("c-amd64", "c-arm64"),
  "A'": indexOf("a-amd64", "d-arm64"),
} as const;
export type Image = keyof typeof IMAGES;

/** A line of the log: on which day who saw which image, and in place of which one it approved it. */
export interface Logged {
  readonly day: number;
  readonly by: Person;
  readonly saw: Image;
  readonly approving?: Image;
}

/** Something that happens to an image, and all that a build needs to find it so. */
export interface Situation {
  /** As a Dockerfile has it, without a digest. */
  readonly image: string;
  readonly happened: string;
  /** What the tag names now, for the builder; undefined: the builder has no digest. */
  readonly names?: Image | undefined;
  /** What the registry shows to everybody, when that is something else. */
  readonly registry?: Image | Error;
  /** Why the registry shows nobody what it has under digests. */
  readonly comparing?: Error;
  readonly log?: readonly Logged[];
  /** Who signs in this build. */
  readonly signs?: Person | undefined;
  /** The digest that the Dockerfile has beside the tag, or `only` in its place. */
  readonly digest?: { readonly of: Image; readonly only?: true };
  /** More lines of the policy. */
  readonly policy?: string;
  /** Whether nobody is trusted by name. */
  readonly trustsNobody?: true;
  /** Which of the log's lines the lock file has: from this one on, and up to that one. */
  readonly locked?: readonly [from: number, to: number];
  /** What each ledger has: all that is logged, nothing of this tag, or why it cannot be read. Its observer is the observer. */
  readonly ledgers?: readonly ("seen" | "not-watched" | LedgerFailure)[];
  readonly logs?: readonly LogService[];
  readonly logIsDown?: true;
  /** What becomes of what this build wants to log. */
  readonly refusal?: Error;
  /** What a log does to its entries before it shows them. */
  readonly shown?: (entries: readonly RawEntry[]) => readonly RawEntry[];
  /** What somebody else logs while this build does. */
  readonly meanwhile?: Logged;
  /** Which image of the tag is approved, and why. */
  readonly approval?: { readonly of: Image; readonly reason: string };
  /** Whether the image that was recorded cannot be had any more. */
  readonly isGone?: true;
}

/** The day of these builds, in days after the first sighting. */
export const TODAY = 40;
export const dayAt = (day: number): Date => new Date(OBSERVED.getTime() + day * 86_400_000);

/** The image as the Dockerfile has it. */
export function written({ image, digest }: Situation): string {
  if (digest === undefined) return image;
  return `${digest.only ? image.replace(/:.*$/, "") : image}@${IMAGES[digest.of].digest}`;
}

/** The tag's full name. */
export function tagOf({ image }: Situation): string {
  return taggedName(parseReference(image));
}
