// SPDX-License-Identifier: Apache-2.0
import { RFC3161Timestamp } from "@sigstore/core";
import { createHash, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSigstore, type Sigstore } from "./sigstore.ts";

const SIGNED = Buffer.from("signed");
const HASH = createHash("sha256").update(SIGNED).digest();
const JSON_TYPE = "application/json";
const DER_TYPE = "application/timestamp-query";
let sigstore: Sigstore;

beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());

function ask(body: string | Buffer<ArrayBuffer>, type: string): Promise<Response> {
  const headers = { "content-type": type };
  return fetch(`${sigstore.url}/api/v1/timestamp`, { method: "POST", headers, body });
}

const json = (fields: object = {}) =>
  JSON.stringify({ artifactHash: HASH.toString("base64"), hashAlgorithm: "sha256", ...fields });
/** `TimeStampReq`: version, hash, and these fields. */
const der = (algorithm = "0609608648016503040201", more = "") => {
  const imprint = `${sized(`${algorithm}0500`)}0420${HASH.toString("hex")}`;
  const fields = `020101${sized(imprint)}${more}`;
  return Buffer.from(sized(fields), "hex");
};
const sized = (hex: string) => `30${(hex.length / 2).toString(16).padStart(2, "0")}${hex}`;

test.for<{ row: string; body: string | Buffer<ArrayBuffer>; type: string }>([
  { row: "Sigstore's JSON", body: json(), type: JSON_TYPE },
  { row: "DER", body: der(), type: DER_TYPE },
  { row: "DER with a nonce", body: der(undefined, "02047fffffff0101ff"), type: DER_TYPE },
])("a request in $row gives a timestamp by the authority of the trusted root", async ({ body, type }) => {
  const response = await ask(body, type);
  expect(response.status).toBe(200);
  const { timestampAuthorities } = sigstore.trustedRoot as {
    timestampAuthorities: { certChain: { certificates: { rawBytes: string }[] } }[];
  };
  const [signer] = timestampAuthorities[0]?.certChain.certificates ?? [];
  const { publicKey } = new X509Certificate(Buffer.from(signer?.rawBytes ?? "", "base64"));
  const timestamp = RFC3161Timestamp.parse(Buffer.from(await response.arrayBuffer()));
  expect(() => timestamp.verify(SIGNED, publicKey)).not.toThrow();
});

test.for<{ row: string; body: string | Buffer<ArrayBuffer>; type: string; status: number; says: string }>([
  {
    row: "a hash of another length",
    body: json({ artifactHash: "AAAA" }),
    type: JSON_TYPE,
    status: 400,
    says: "length",
  },
  {
    row: "a weak algorithm",
    body: json({ hashAlgorithm: "sha1" }),
    type: JSON_TYPE,
    status: 400,
    says: "Weak",
  },
  {
    row: "an unknown algorithm",
    body: json({ hashAlgorithm: "md5" }),
    type: JSON_TYPE,
    status: 400,
    says: "Error",
  },
  { row: "a weak algorithm in DER", body: der("06052b0e03021a"), type: DER_TYPE, status: 400, says: "Weak" },
  {
    row: "a nonce that is too large",
    body: der(undefined, "02087fffffffffffffff"),
    type: DER_TYPE,
    status: 400,
    says: "Error",
  },
  { row: "half of a request", body: der().subarray(0, 20), type: DER_TYPE, status: 400, says: "Error" },
  { row: "JSON that is called DER", body: json(), type: DER_TYPE, status: 400, says: "Error" },
  { row: "parameters behind the type", body: json(), type: `${JSON_TYPE}; a=b`, status: 400, says: "Error" },
  { row: "another type", body: json(), type: "text/plain", status: 415, says: "unsupported media type" },
])("refuses $row", async ({ body, type, status, says }) => {
  const response = await ask(body, type);
  expect(response.status).toBe(status);
  expect(await response.text()).toContain(says);
});
