// SPDX-License-Identifier: Apache-2.0
import {
  HashAlgorithm,
  PublicKeyDetails,
  TrustedRoot,
  type CertificateAuthority,
  type TransparencyLogInstance,
} from "@sigstore/protobuf-specs";
import { createHash, type KeyObject } from "node:crypto";
import { notBefore } from "./authorities.ts";
import { spki } from "./signed-note.ts";

const MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
// Before any entry of a log whose clock a test has set back.
const LOGS_VALID_FROM = new Date("2000-01-01T00:00:00Z");

/** A log of records or of certificates. */
export interface TrustedLog {
  readonly url: string;
  readonly key: KeyObject;
  /** Its identifier; sha256 of the key (SPKI) when left out. */
  readonly logId?: Buffer;
}

/** An authority for certificates or timestamps; the chain's certificates are DER, the root is the last. */
export interface TrustedAuthority {
  readonly url: string;
  readonly chain: readonly Buffer[];
}

/** What a trusted root vouches for. */
export interface TrustedServices {
  readonly logs: readonly TrustedLog[];
  readonly certificateLogs: readonly TrustedLog[];
  readonly certificateAuthorities: readonly TrustedAuthority[];
  readonly timestampAuthorities: readonly TrustedAuthority[];
}

/** The trusted root in Sigstore's JSON form (protobuf-specs). */
export function trustedRoot(services: TrustedServices): object {
  const root = TrustedRoot.toJSON({
    mediaType: MEDIA_TYPE,
    tlogs: services.logs.map(logInstance),
    certificateAuthorities: services.certificateAuthorities.map((ca) => authority("fulcio", ca)),
    ctlogs: services.certificateLogs.map(logInstance),
    timestampAuthorities: services.timestampAuthorities.map((tsa) => authority("timestamp", tsa)),
  });
  if (typeof root !== "object" || root === null) throw new TypeError("a trusted root is an object");
  return root;
}

function logInstance({ url, key, logId }: TrustedLog): TransparencyLogInstance {
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

function authority(name: string, { url, chain }: TrustedAuthority): CertificateAuthority {
  const starts = chain.map((der) => notBefore(der).getTime());
  return {
    subject: { organization: "tlog-dockerfile development", commonName: name },
    uri: url,
    certChain: { certificates: chain.map((rawBytes) => ({ rawBytes })) },
    validFor: { start: new Date(Math.max(...starts)), end: undefined },
    operator: "",
  };
}
