// SPDX-License-Identifier: Apache-2.0
import { dsse, json } from "@sigstore/core";
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Fields } from "./json-fields.ts";
import { signBytes } from "./signed-note.ts";

/** The media type of in-toto statements. */
export const IN_TOTO = "application/vnd.in-toto+json";

/** A new P-256 private key. */
export function newSigningKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

/** PEM of the public half. */
export function publicPem(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
}

/** Hex sha256 of a text. */
export function sha256Of(text: string | Buffer): string {
  return createHash("sha256").update(text).digest("hex");
}

/** An in-toto statement in canonical JSON whose one subject is the text, by name and by the sha256 of it. */
export function statementAbout(subject: string, predicate: Fields = {}): Buffer {
  return Buffer.from(
    json.canonicalize({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: subject, digest: { sha256: sha256Of(subject) } }],
      predicateType: "https://example.test/predicate",
      predicate,
    }),
  );
}

/** The proposed `intoto` 0.0.2 entry for a payload signed with the key; `pem` is whose key it claims, the signer's when left out. */
export function proposeIntoto(
  payload: Buffer,
  privateKey: KeyObject,
  { payloadType = IN_TOTO, pem = publicPem(privateKey) }: { payloadType?: string; pem?: string } = {},
) {
  const signature = signBytes(dsse.preAuthEncoding(payloadType, payload), privateKey);
  return {
    apiVersion: "0.0.2",
    kind: "intoto",
    spec: {
      content: {
        envelope: {
          payloadType,
          payload: base64(payload.toString("base64")),
          signatures: [{ sig: base64(signature.toString("base64")), publicKey: base64(pem) }],
        },
        hash: { algorithm: "sha256", value: sha256Of(payload) },
        payloadHash: { algorithm: "sha256", value: sha256Of(payload) },
      },
    },
  };
}

/** The proposed `dsse` 0.0.1 entry for a payload signed with the key. */
export function proposeDsse(payload: Buffer, privateKey: KeyObject) {
  const sig = signBytes(dsse.preAuthEncoding(IN_TOTO, payload), privateKey).toString("base64");
  const envelope = { payloadType: IN_TOTO, payload: payload.toString("base64"), signatures: [{ sig }] };
  return {
    apiVersion: "0.0.1",
    kind: "dsse",
    spec: {
      proposedContent: { envelope: JSON.stringify(envelope), verifiers: [base64(publicPem(privateKey))] },
    },
  };
}

/** The proposed `hashedrekord` 0.0.1 entry for bytes signed with the key. */
export function proposeHashedrekord(signed: Buffer, privateKey: KeyObject) {
  return {
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: {
      data: { hash: { algorithm: "sha256", value: sha256Of(signed) } },
      signature: {
        content: signBytes(signed, privateKey).toString("base64"),
        publicKey: { content: base64(publicPem(privateKey)) },
      },
    },
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
