// SPDX-License-Identifier: Apache-2.0
import {
  HashAlgorithm,
  PublicKeyDetails,
  TrustedRoot,
  type CertificateAuthority,
  type TransparencyLogInstance,
} from "@sigstore/protobuf-specs";
import { createHash, type KeyObject } from "node:crypto";
import { notBefore, type AuthorityCertificates } from "./authorities.ts";
import { spki } from "./signed-note.ts";

const MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
// Before any entry of a log whose clock a test has set back.
const LOGS_VALID_FROM = new Date("2000-01-01T00:00:00Z");

/** What a trusted root vouches for; all of it is served under one URL. */
export interface TrustedServices {
  readonly url: string;
  readonly rekorV1: KeyObject;
  readonly rekorV2: { readonly publicKey: KeyObject; readonly logId: Buffer };
  readonly ctlog: KeyObject;
  readonly certificates: readonly AuthorityCertificates[];
}

/** The trusted root in Sigstore's JSON form (protobuf-specs). */
export function trustedRoot(services: TrustedServices): object {
  const { url, certificates } = services;
  const root = TrustedRoot.toJSON({
    mediaType: MEDIA_TYPE,
    tlogs: [
      logInstance(url, services.rekorV1),
      logInstance(url, services.rekorV2.publicKey, services.rekorV2.logId),
    ],
    certificateAuthorities: certificates.map(({ fulcio }) => authority(url, "fulcio", [fulcio])),
    ctlogs: [logInstance(url, services.ctlog)],
    timestampAuthorities: certificates.map(({ timestamp }) => authority(url, "timestamp", timestamp)),
  });
  if (typeof root !== "object" || root === null) throw new TypeError("a trusted root is an object");
  return root;
}

/** A log; its ID is sha256 of the key unless another is given. */
function logInstance(url: string, key: KeyObject, logId?: Buffer): TransparencyLogInstance {
  const rawBytes = spki(key);
  const ed25519 = key.asymmetricKeyType === "ed25519";
  return {
    baseUrl: url,
    hashAlgorithm: HashAlgorithm.SHA2_256,
    publicKey: {
      rawBytes,
      keyDetails: ed25519 ? PublicKeyDetails.PKIX_ED25519 : PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
      validFor: { start: LOGS_VALID_FROM, end: undefined },
    },
    logId: { keyId: logId ?? createHash("sha256").update(rawBytes).digest() },
    checkpointKeyId: undefined,
    operator: "",
  };
}

function authority(url: string, name: string, chain: readonly Buffer[]): CertificateAuthority {
  const starts = chain.map((der) => notBefore(der).getTime());
  return {
    subject: { organization: "tlog-dockerfile development", commonName: name },
    uri: url,
    certChain: { certificates: chain.map((rawBytes) => ({ rawBytes })) },
    validFor: { start: new Date(Math.max(...starts)), end: undefined },
    operator: "",
  };
}
