// SPDX-License-Identifier: Apache-2.0
import { jsonResponse, type ApiRequest, type ApiResponse } from "./api-exchange.ts";
import { isFields } from "./json-fields.ts";

/** The path of the one request there is. */
export const TIMESTAMP_PATH = "/api/v1/timestamp";

const REPLY = "application/timestamp-reply";
const HASH_BYTES = new Map([
  ["sha256", 32],
  ["sha384", 48],
  ["sha512", 64],
]);
const FAILED = "Error generating timestamp response";

/**
 * Answers a request for a timestamp in Sigstore's JSON form as the real authority does. Requests in the form of RFC
 * 3161 (DER) are refused, which the real one takes. `timestamp` makes it from the JSON.
 */
export async function answerTimestamp(
  { method, body, mediaType, contentType }: ApiRequest,
  timestamp: (request: string) => Promise<Buffer>,
): Promise<ApiResponse> {
  if (method !== "POST") {
    return jsonResponse(405, { code: 405, message: `method ${method} is not allowed, but [POST] are` });
  }
  if (body.length === 0) return jsonResponse(422, { code: 602, message: "request in body is required" });
  if (mediaType !== "application/json") {
    const message = `unsupported media type "${mediaType}", only [application/timestamp-query application/json] are allowed`;
    return jsonResponse(415, { code: 415, message });
  }
  // It looks for exactly this text, so parameters behind it are too much.
  if (contentType !== "application/json") return refusal(FAILED);
  const text = body.toString("utf8");
  const wrong = problemOf(text);
  if (wrong !== undefined) return refusal(wrong);
  return { status: 200, headers: { "Content-Type": REPLY }, body: await timestamp(text) };
}

function refusal(message: string): ApiResponse {
  return {
    status: 400,
    headers: { "Content-Type": REPLY },
    body: JSON.stringify({ code: 400, message }),
  };
}

function problemOf(text: string): string | undefined {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch {
    return FAILED;
  }
  if (!isFields(request)) return FAILED;
  const { hashAlgorithm = "", artifactHash = "" } = request;
  if (hashAlgorithm === "sha1") return "Weak hash algorithm in timestamp request";
  const bytes = HASH_BYTES.get(String(hashAlgorithm));
  const isBase64 =
    typeof artifactHash === "string" && /^([\w+/]{4})*([\w+/]{2}==|[\w+/]{3}=)?$/.test(artifactHash);
  if (bytes === undefined || !isBase64) return FAILED;
  const isWhole = Buffer.from(artifactHash, "base64").length === bytes;
  return isWhole ? undefined : "Message digest has incorrect length for specified algorithm";
}
