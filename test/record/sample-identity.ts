// SPDX-License-Identifier: Apache-2.0
import { dsse, pem } from "@sigstore/core";
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { IN_TOTO_PAYLOAD_TYPE } from "../../src/record/statement.ts";
import type { TrustedRoot } from "../../src/trust/trusted-root.ts";
import { type CertificateAuthority, certificateAuthority } from "../sigstore/certificate-authority.ts";
import { spki } from "../sigstore/signed-note.ts";
import { jointRoot, type SampleEnvelope } from "./sample-log.ts";

/** An authority and its certificate log, in memory. */
export interface SampleAuthority {
  /** The time it certifies at; whole seconds. */
  readonly time: Date;
  readonly issuing: CertificateAuthority;
  /** With the same key and name, and without certificate log. */
  readonly unlogged: CertificateAuthority;
  readonly ctlog: KeyObject;
}

const newKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

export async function sampleAuthority(): Promise<SampleAuthority> {
  const time = new Date(Math.floor(Date.now() / 1000) * 1000);
  const [fulcio, ctlog] = [newKey(), newKey()];
  return {
    time,
    ctlog,
    issuing: await certificateAuthority(fulcio, { ctlog, time }),
    unlogged: await certificateAuthority(fulcio, { time }),
  };
}

/** A key made for one signature, and the certificate (PEM) that an authority gave for it. */
export interface CertifiedKey {
  readonly privateKey: KeyObject;
  readonly pem: string;
}

export async function certify(
  issuing: CertificateAuthority,
  who: { readonly issuer: string; readonly identity: string },
): Promise<CertifiedKey> {
  const privateKey = newKey();
  const der = await issuing.issue({ publicKey: createPublicKey(privateKey), ...who });
  return { privateKey, pem: pem.fromDER(der) };
}

/** Signs a payload as an in-toto statement (DSSE). */
export function signCertified(
  payload: Uint8Array,
  { privateKey, pem: certificate }: CertifiedKey,
): SampleEnvelope {
  const bytes = dsse.preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, Buffer.from(payload));
  const sig = sign("sha256", bytes, privateKey);
  return { payload, payloadType: IN_TOTO_PAYLOAD_TYPE, signatures: [{ pem: certificate, sig }] };
}

/** The trusted root of these logs, with this authority and its certificate log. */
export function rootWith(
  authority: Pick<SampleAuthority, "issuing" | "ctlog">,
  ...logs: readonly { readonly root: object }[]
): TrustedRoot {
  return jointRoot(...logs, { root: rootOf(authority) });
}

/** What a trusted root has of an authority and its certificate log. */
export function rootOf({ issuing, ctlog }: Pick<SampleAuthority, "issuing" | "ctlog">): object {
  const der = spki(ctlog);
  const validFor = { start: "2021-01-01T00:00:00Z" };
  return {
    ctlogs: [
      {
        baseUrl: "https://ctlog.example.org",
        hashAlgorithm: "SHA2_256",
        publicKey: { rawBytes: der.toString("base64"), keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor },
        logId: { keyId: createHash("sha256").update(der).digest("base64") },
      },
    ],
    certificateAuthorities: [
      { certChain: { certificates: [{ rawBytes: issuing.root.toString("base64") }] }, validFor },
    ],
  };
}
