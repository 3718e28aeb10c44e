// SPDX-License-Identifier: Apache-2.0
import { createHash, X509Certificate } from "node:crypto";
import type { RawEntry } from "../../log/rekor-v1.ts";
import type { Counting, DropReason } from "../protocol.ts";
import { type Fields, fieldsIn, fieldsOf } from "./json-fields.ts";

/** What the first block of a PEM text is; the text itself may be anything. */
const FIRST_BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----([A-Za-z0-9+/=\s]+)-----END /;
/** What tlogistry's statements have in them. */
const TLOGISTRY = "tlogistry-fetched";

/**
 * Why an entry cannot be a record of those who count; undefined when it can. Anything that says so may be a lie: who
 * reads the entries proves them. An entry that is dropped would not have counted, so nobody can hide a record with it.
 */
export type Sieve = (entry: RawEntry) => DropReason | undefined;

/** A sieve for these signers. */
export function sieveOf({ keys, names, authorities, maxDelayMs }: Counting): Sieve {
  const fingerprints = new Set(keys);
  const named = names.map((texts) => texts.map((text) => Buffer.from(text)));
  const issuers = authorities.map((der) => new X509Certificate(Buffer.from(der, "base64")).publicKey);
  const isIssued = (der: Buffer): boolean => {
    try {
      const certificate = new X509Certificate(der);
      return issuers.some((issuer) => certificate.verify(issuer));
    } catch {
      // OpenSSL throws whatever it stumbles over.
      return false;
    }
  };

  return ({ entry }) => {
    // Nobody knows whose it is, so it is no stranger's.
    if (entry === null) return undefined;
    const { body, attestation, integratedTime } = fieldsOf(entry);
    const { kind, apiVersion, spec } = fieldsIn(decoded(body));
    if (kind === undefined) return "malformed";
    const isStatement = kind === "intoto" && apiVersion === "0.0.2";
    if (!isStatement && !(kind === "intoto" && apiVersion === "0.0.1")) return "not-a-sighting";
    const block = signerIn(fieldsOf(spec));
    if (block === undefined) return "malformed";
    const { label, der } = block;
    const payload = decoded(fieldsOf(attestation)["data"]);
    const stranger = !isStatement && payload.includes(TLOGISTRY) ? "weaker-evidence" : "untrusted-signer";
    if (label === "PUBLIC KEY") {
      if (!fingerprints.has(createHash("sha256").update(der).digest("hex"))) return stranger;
    } else {
      if (!named.some((texts) => texts.every((text) => der.includes(text)))) return stranger;
      if (!isIssued(der)) return "bad-certificate";
    }
    return isStatement && isCopy(payload, integratedTime, maxDelayMs) ? "replayed" : undefined;
  };
}

/** The key or certificate in the body of an `intoto` entry, 0.0.2 or 0.0.1. */
function signerIn(spec: Fields): { readonly label: string; readonly der: Buffer } | undefined {
  const { signatures } = fieldsOf(fieldsOf(spec["content"])["envelope"]);
  const [first]: readonly unknown[] = Array.isArray(signatures) ? signatures : [];
  const pem = decoded(fieldsOf(first)["publicKey"] ?? spec["publicKey"]).toString("latin1");
  const [, label, base64] = FIRST_BLOCK.exec(pem) ?? [];
  if (label === undefined || base64 === undefined) return undefined;
  return { label, der: Buffer.from(base64, "base64") };
}

/** Whether the statement says a time of observation that is too far from the time at which it was logged. */
function isCopy(payload: Buffer, integratedTime: unknown, maxDelayMs: number): boolean {
  const { observedAt } = fieldsOf(fieldsIn(payload)["predicate"]);
  if (typeof observedAt !== "string" || typeof integratedTime !== "number") return false;
  // Not a number, and so no copy, when it is no time.
  return Math.abs(integratedTime * 1_000 - Date.parse(observedAt)) > maxDelayMs;
}

function decoded(base64: unknown): Buffer {
  return Buffer.from(typeof base64 === "string" ? base64 : "", "base64");
}
