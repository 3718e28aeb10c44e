// SPDX-License-Identifier: Apache-2.0
import { ASN1Obj } from "@sigstore/core";
import { jsonResponse, type ApiRequest, type ApiResponse } from "./api-exchange.ts";
import { isFields } from "./json-fields.ts";

/** The path of the one request there is. */
export const TIMESTAMP_PATH = "/api/v1/timestamp";

/** What is to be timestamped, as `@sigstore/mock` takes it. */
export interface TimestampRequest {
  readonly artifactHash: Buffer;
  readonly hashAlgorithmOID: string;
  readonly nonce: number;
  readonly policyOID: string;
  /** Whether the signer's certificate is to be in the answer. */
  readonly certReq: boolean;
}

const REPLY = "application/timestamp-reply";
const POLICY = "1.3.6.1.4.1.57264.2";
/** Answers have one, also to who wants none. */
const NONCE = 1234567890;
const ALGORITHMS = [
  { name: "sha256", oid: "2.16.840.1.101.3.4.2.1", bytes: 32 },
  { name: "sha384", oid: "2.16.840.1.101.3.4.2.2", bytes: 48 },
  { name: "sha512", oid: "2.16.840.1.101.3.4.2.3", bytes: 64 },
];
const WEAK = { name: "sha1", oid: "1.3.14.3.2.26" };
const FAILED = "Error generating timestamp response";

/**
 * Answers a request for a timestamp, in Sigstore's JSON or in the form of RFC 3161 (DER), as the real authority does.
 * `timestamp` makes it. Nonces of more than 53 bits are refused, which the real one takes.
 */
export async function answerTimestamp(
  { method, body, mediaType, headers }: ApiRequest,
  timestamp: (request: TimestampRequest) => Promise<Buffer>,
): Promise<ApiResponse> {
  if (method !== "POST") {
    return jsonResponse(405, { code: 405, message: `method ${method} is not allowed, but [POST] are` });
  }
  if (body.length === 0) return jsonResponse(422, { code: 602, message: "request in body is required" });
  const read = READERS.get(mediaType);
  if (read === undefined) {
    const message = `unsupported media type "${mediaType}", only [application/timestamp-query application/json] are allowed`;
    return jsonResponse(415, { code: 415, message });
  }
  // It looks for exactly this text, so parameters behind it are too much.
  const request = headers["content-type"] === mediaType ? read(body) : FAILED;
  if (typeof request !== "string") {
    return { status: 200, headers: { "Content-Type": REPLY }, body: await timestamp(request) };
  }
  return {
    status: 400,
    headers: { "Content-Type": REPLY },
    body: JSON.stringify({ code: 400, message: request }),
  };
}

/** How each form is read: the request, or why there is none. */
const READERS = new Map([
  ["application/json", readJson],
  ["application/timestamp-query", readDer],
]);

function readJson(body: Buffer): TimestampRequest | string {
  let request: unknown;
  try {
    request = JSON.parse(body.toString("utf8"));
  } catch {
    return FAILED;
  }
  if (!isFields(request)) return FAILED;
  const { hashAlgorithm = "", artifactHash = "", nonce = NONCE, certificates = false } = request;
  if (hashAlgorithm === WEAK.name) return "Weak hash algorithm in timestamp request";
  const isBase64 =
    typeof artifactHash === "string" && /^([\w+/]{4})*([\w+/]{2}==|[\w+/]{3}=)?$/.test(artifactHash);
  const algorithm = ALGORITHMS.find(({ name }) => name === hashAlgorithm);
  if (!isBase64 || algorithm === undefined) return FAILED;
  return checked(algorithm, {
    artifactHash: Buffer.from(artifactHash, "base64"),
    nonce: Number(nonce),
    certReq: certificates === true,
  });
}

/** `TimeStampReq` of RFC 3161, section 2.4.1. */
function readDer(body: Buffer): TimestampRequest | string {
  try {
    const [, imprint, ...options] = ASN1Obj.parseBuffer(Buffer.from(body)).subs;
    const [identifier, hash] = imprint?.subs ?? [];
    const oid = identifier?.subs[0]?.toOID();
    if (oid === WEAK.oid) return "Weak hash algorithm in timestamp request";
    const algorithm = ALGORITHMS.find((known) => known.oid === oid);
    const nonce = Number(options.find(({ tag }) => tag.isInteger())?.toInteger() ?? NONCE);
    const certReq = options.find(({ tag }) => tag.isBoolean())?.toBoolean() ?? false;
    if (algorithm === undefined || hash === undefined) return FAILED;
    return checked(algorithm, { artifactHash: hash.value, nonce, certReq });
  } catch {
    // The parser throws whatever it stumbles over.
    return FAILED;
  }
}

function checked(
  { oid, bytes }: (typeof ALGORITHMS)[number],
  request: Pick<TimestampRequest, "artifactHash" | "nonce" | "certReq">,
): TimestampRequest | string {
  if (request.artifactHash.length !== bytes)
    return "Message digest has incorrect length for specified algorithm";
  if (!Number.isSafeInteger(request.nonce)) return FAILED;
  return { ...request, hashAlgorithmOID: oid, policyOID: POLICY };
}
