// SPDX-License-Identifier: Apache-2.0
import { json, X509Certificate } from "@sigstore/core";
import { PublicKeyDetails } from "@sigstore/protobuf-specs";
import { createPublicKey, type KeyObject } from "node:crypto";
import { isFields, type Fields } from "./json-fields.ts";
import { verifiesP256Digest } from "./prehashed-ecdsa.ts";
import { Refusal } from "./refusal.ts";

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_ENTRY_BYTES = 65535; // An entry bundle (C2SP tlog-tiles) gives each entry's length in two bytes.
const INVALID = "invalid hashedrekord request";

/**
 * Reads a request for a `hashedrekord` 0.0.2 entry in protobuf's JSON form, verifies its signature, and gives the canonical
 * body of the entry. Refusals have the numbers of gRPC; the real server tells its clients no more than their texts. It
 * takes more algorithms than P-256, which are refused here, and passes over what stands behind the JSON value.
 */
export function readHashedrekordV2(bytes: Buffer): Buffer {
  if (bytes.length > MAX_BODY_BYTES) throw bad("http: request body too large");
  const request = message(parse(bytes), ["hashedRekordRequestV002", "dsseRequestV002"]);
  oneOf(request, ["hashedRekordRequestV002", "dsseRequestV002"]);
  if (request["hashedRekordRequestV002"] === undefined) throw bad("invalid type, must be hashedrekord");
  const record = message(request["hashedRekordRequestV002"], ["digest", "signature"]);
  const signature = message(record["signature"] ?? {}, ["content", "verifier"]);
  const verifier = message(signature["verifier"] ?? {}, ["publicKey", "x509Certificate", "keyDetails"]);
  oneOf(verifier, ["publicKey", "x509Certificate"]);
  const form = verifier["x509Certificate"] === undefined ? "publicKey" : "x509Certificate";
  const rawBytes = bytesOf(message(verifier[form] ?? {}, ["rawBytes"])["rawBytes"], "rawBytes");
  const digest = bytesOf(record["digest"], "digest");
  const content = bytesOf(signature["content"], "content");
  const details = keyDetails(verifier["keyDetails"]);
  if (digest.length === 0 || content.length === 0) throw bad(INVALID);
  const key = publicKeyOf(form, rawBytes);
  // A bug of the real server: no digest goes with this algorithm, and it asks for its size.
  if (key?.asymmetricKeyType === "ed25519" && details === PublicKeyDetails.PKIX_ED25519) {
    throw new Refusal("unsupported", "internal server error", { status: 500, number: 13 });
  }
  const isP256 = details === PublicKeyDetails.PKIX_ECDSA_P256_SHA_256;
  if (key === undefined || !isP256 || !verifiesP256Digest(key, digest, content)) throw bad(INVALID);
  const hashedRekordV002 = {
    data: { algorithm: "SHA2_256", digest: digest.toString("base64") },
    signature: {
      content: content.toString("base64"),
      verifier: {
        keyDetails: PublicKeyDetails[details],
        [form]: { rawBytes: rawBytes.toString("base64") },
      },
    },
  };
  const body = json.canonicalize({ apiVersion: "0.0.2", kind: "hashedrekord", spec: { hashedRekordV002 } });
  if (Buffer.byteLength(body) > MAX_ENTRY_BYTES) {
    throw new Refusal("unsupported", "failed to integrate entry", { status: 500, number: 2 });
  }
  return Buffer.from(body);
}

function bad(why: string): Refusal {
  return new Refusal("rejected", why, { status: 400, number: 3 });
}

function parse(bytes: Buffer): unknown {
  // No body is a message in which nothing is set.
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw bad("unexpected EOF");
  }
}

/** The fields that are set, under these names; a field may be written in snake case too. */
function message(value: unknown, names: readonly string[]): Fields {
  if (!isFields(value))
    throw bad(`proto: syntax error (line 1:1): unexpected token ${JSON.stringify(value)}`);
  const known = new Map(names.flatMap((name) => [name, snakeCase(name)].map((written) => [written, name])));
  const fields: [string, unknown][] = [];
  for (const [written, field] of Object.entries(value)) {
    const name = known.get(written);
    if (name === undefined) throw bad(`proto: unknown field "${written}"`);
    if (field === null) continue;
    if (fields.some(([other]) => other === name)) throw bad(`proto: duplicate field "${written}"`);
    fields.push([name, field]);
  }
  return Object.fromEntries(fields);
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function oneOf(fields: Fields, names: readonly string[]): void {
  const set = names.filter((name) => fields[name] !== undefined);
  if (set.length > 1) throw bad(`proto: error parsing "${set[1]}", oneof is already set`);
}

/** Bytes in base64 of either alphabet; empty when they are not set. */
function bytesOf(value: unknown, name: string): Buffer {
  if (value === undefined) return Buffer.alloc(0);
  const isBase64 = typeof value === "string" && /^[A-Za-z0-9+/_-]*={0,2}$/.test(value);
  if (!isBase64) throw bad(`proto: invalid value for bytes field ${name}: ${JSON.stringify(value)}`);
  return Buffer.from(value, "base64");
}

/** An algorithm, which may be given by name or by number. */
function keyDetails(value: unknown): PublicKeyDetails {
  if (value === undefined) return PublicKeyDetails.PUBLIC_KEY_DETAILS_UNSPECIFIED;
  if (typeof value === "number") return value;
  const known = Object.entries(PublicKeyDetails).find(([name]) => name === value && !/^\d/.test(name));
  if (known === undefined)
    throw bad(`proto: invalid value for enum field keyDetails: ${JSON.stringify(value)}`);
  return Number(known[1]);
}

function publicKeyOf(form: "publicKey" | "x509Certificate", der: Buffer): KeyObject | undefined {
  try {
    const key = form === "publicKey" ? der : X509Certificate.parse(Buffer.from(der)).publicKey;
    return createPublicKey({ key, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}
