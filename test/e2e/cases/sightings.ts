// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { parseDigest } from "../../../src/image/digest.ts";
import { sightingStatement } from "../../../src/record/statement.ts";
import { canonicalBody, type PreparedEntry } from "../../sigstore/prepared-entry.ts";
import { prepareEntry } from "../../sigstore/proposed-entry.ts";
import { newSigningKey, proposeIntoto, publicPem, sha256Of } from "../../sigstore/signed-statement.ts";

/** The statement that this tag named this digest, of now. */
export function sighting(reference: string, digest: string): Buffer {
  return Buffer.from(
    sightingStatement({
      reference,
      digest: parseDigest(digest),
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      platforms: [],
      observedAt: new Date(),
    }),
  );
}

/** A signer as the body of an entry has it. */
function publicKeyField(of: KeyObject): string {
  return Buffer.from(publicPem(of)).toString("base64");
}

/** A log entry that a server shows as if it were in order. */
export interface Forgery {
  /** What is wrong with it, in a few words. */
  readonly wrong: string;
  /** The reason by which it is told to be ignored. */
  readonly reason: string;
  /** The entry: that the reference named this digest. */
  readonly entry: (claim: { reference: string; digest: string; key: KeyObject }) => PreparedEntry;
}

/** Entries that somebody could make so that a moved tag looks as it should. */
export const FORGERIES: readonly Forgery[] = [
  {
    wrong: "the signer",
    reason: "untrusted-signer",
    entry: ({ reference, digest }) =>
      prepareEntry(proposeIntoto(sighting(reference, digest), newSigningKey())),
  },
  {
    wrong: "the signature",
    reason: "bad-signature",
    entry: ({ reference, digest, key }) => {
      const stranger = newSigningKey();
      const prepared = prepareEntry(proposeIntoto(sighting(reference, digest), stranger));
      const body = prepared.body.toString().replace(publicKeyField(stranger), publicKeyField(key));
      const { spec } = JSON.parse(body) as { spec: Record<string, unknown> };
      return { ...prepared, body: canonicalBody("intoto", "0.0.2", spec) };
    },
  },
  {
    wrong: "the subject",
    reason: "wrong-subject",
    entry: ({ reference, digest, key }) => ({
      ...prepareEntry(proposeIntoto(sighting(`${reference}-other`, digest), key)),
      indexKeys: [`sha256:${sha256Of(reference)}`],
    }),
  },
];
