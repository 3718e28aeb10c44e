// SPDX-License-Identifier: Apache-2.0
import { RFC3161Timestamp } from "@sigstore/core";
import { createHash } from "node:crypto";
import { excerpt } from "../../log/excerpt.ts";
import { failureByStatus, LogError, logUrl, type AskLog, type LogAnswer } from "../../log/json-api.ts";
import { Failure } from "./failure.ts";
import { shownUrl } from "./http.ts";

/** What is to be timestamped, and the authorities to ask. */
export interface TimestampRequest {
  /** URLs to POST to; of one without a path, the path of Sigstore's own authority. */
  readonly authorities: readonly string[];
  readonly signature: Uint8Array;
  readonly signal: AbortSignal;
}

/** The path of Sigstore's timestamp authority, for a URL that names the host alone. */
const DEFAULT_PATH = "/api/v1/timestamp";
const MAX_TIMESTAMP_BYTES = 64 * 1024;
/** How long one authority may take while there is another to ask, in milliseconds. */
const PATIENCE_MS = 8_000;
/** PKIStatus of RFC 3161: granted, and granted with modifications. */
const GRANTED = new Set([0n, 1n]);

/**
 * A timestamp (RFC 3161, the whole response in DER) over a signature, from the first authority that gives one. Its
 * signer is for the reader to verify. Throws Failure and LogError.
 */
export async function timestampOf(
  ask: AskLog,
  { authorities, signature, signal }: TimestampRequest,
): Promise<Buffer> {
  const failures: (Failure | LogError)[] = [];
  for (const [n, authority] of authorities.entries()) {
    const isLast = n === authorities.length - 1;
    const until = isLast ? signal : AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      return await askAuthority(ask, { url: authorityUrl(authority), signature, signal: until });
    } catch (error) {
      if (!(error instanceof Failure || error instanceof LogError)) throw error;
      failures.push(error);
    }
  }
  const [first, ...others] = failures;
  if (first === undefined) throw new Failure("refused", "no timestamp authority is named");
  if (others.length === 0) throw first;
  // Whether asking again may help: then it is no answer that counts.
  const code = (failures.find((failure) => failure.code === "unreachable") ?? first).code;
  const messages = failures.map(({ message }) => excerpt(message, 600)).join("; ");
  throw new Failure(code, `no timestamp authority gave a timestamp: ${messages}`);
}

function authorityUrl(text: string): URL {
  const url = logUrl(text);
  if (url.pathname === "/") url.pathname = DEFAULT_PATH;
  else if (!text.endsWith("/")) url.pathname = url.pathname.slice(0, -1);
  return url;
}

async function askAuthority(
  ask: AskLog,
  {
    url,
    signature,
    signal,
  }: { readonly url: URL; readonly signature: Uint8Array; readonly signal: AbortSignal },
): Promise<Buffer> {
  const hash = createHash("sha256").update(signature).digest();
  const answer = await ask({
    method: "POST",
    url,
    // Sigstore's authority takes these exact words and no parameters after them.
    headers: { "content-type": "application/json", accept: "application/timestamp-reply" },
    body: JSON.stringify({ artifactHash: hash.toString("base64"), hashAlgorithm: "sha256" }),
    maxBytes: MAX_TIMESTAMP_BYTES,
    signal,
    attempts: 2,
  });
  const what = `POST ${shownUrl(url)}`;
  const { status, bytes } = answer;
  if (status !== 200 && status !== 201) {
    throw new Failure(failureByStatus(status), `${what}: the timestamp authority answered ${shown(answer)}`);
  }
  const timestamp = Buffer.from(bytes);
  const hashed = hashedBy(timestamp);
  if (hashed === undefined) {
    throw new Failure("bad-answer", `${what}: the answer is not a timestamp (${shown(answer)})`);
  }
  if (!hashed.equals(hash)) {
    throw new Failure("bad-answer", `${what}: the answer is a timestamp of something else`);
  }
  return timestamp;
}

/** The hash that a granted timestamp is about; undefined when it is none. */
function hashedBy(der: Buffer): Buffer | undefined {
  try {
    const timestamp = RFC3161Timestamp.parse(Buffer.from(der));
    return GRANTED.has(timestamp.status) ? timestamp.tstInfo.messageImprintHashedMessage : undefined;
  } catch {
    // The parser throws whatever it stumbles over.
    return undefined;
  }
}

function shown({ status, bytes }: LogAnswer): string {
  return `status ${status}, ${bytes.length === 0 ? "no body" : `"${excerpt(bytes)}"`}`;
}
