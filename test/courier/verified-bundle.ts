// SPDX-License-Identifier: Apache-2.0
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import type { KeyObject } from "node:crypto";
import type { Sigstore } from "../sigstore/sigstore.ts";

/** What a bundle was found to prove. */
export interface VerifiedBundle {
  /** Whom its certificate names; undefined when it was signed with the key. */
  readonly identity: string | undefined;
  readonly payload: Buffer;
}

/** Verifies a bundle with Sigstore's own package, offline. Throws whatever that throws. */
export function verifiedBundle(json: unknown, { trustedRoot }: Sigstore, key?: KeyObject): VerifiedBundle {
  const bundle = bundleFromJSON(json);
  const trust = toTrustMaterial(TrustedRoot.fromJSON(trustedRoot), () => {
    if (key === undefined) throw new Error("it names a key");
    return { publicKey: key, validFor: () => true };
  });
  const { identity } = new Verifier(trust).verify(toSignedEntity(bundle));
  if (bundle.content.$case !== "dsseEnvelope") throw new Error("it holds no envelope");
  return { identity: identity?.subjectAlternativeName, payload: bundle.content.dsseEnvelope.payload };
}
