// SPDX-License-Identifier: Apache-2.0
import { AUDIENCE, MAX_TOKEN_BYTES } from "./identity-token.ts";
import { HttpError, sendHttp } from "./http.ts";

/** Where a job of GitHub Actions gets its identity tokens, and what proves there that it is this job. */
export interface TokenRequest {
  readonly url: string;
  readonly bearer: string;
}

/** GitHub gave no token. The message shows nothing of the request's secrets, nor of what was answered. */
export class TokenRequestError extends Error {
  override readonly name = "TokenRequestError";
  readonly code: "bad-url" | "unreachable" | "refused" | "bad-answer";
  constructor(code: TokenRequestError["code"], wrong: string, options?: ErrorOptions) {
    super(wrong, options);
    this.code = code;
  }
}

const MAX_ANSWER_BYTES = 2 * MAX_TOKEN_BYTES;

/** Fetches an identity token for the certificate authority. Throws TokenRequestError. */
export async function requestGithubToken(
  { url, bearer }: TokenRequest,
  signal: AbortSignal,
): Promise<string> {
  const address = readUrl(url);
  if (!/^[\x21-\x7e]+$/.test(bearer)) {
    throw new TokenRequestError(
      "refused",
      "the request's token has blanks in it, or letters that no token has",
    );
  }
  address.searchParams.set("audience", AUDIENCE);
  const where = `GET ${address.origin}/…`;
  const answer = await sendHttp({
    method: "GET",
    url: address,
    headers: { authorization: `Bearer ${bearer}`, accept: "application/json" },
    maxBytes: MAX_ANSWER_BYTES,
    signal,
  }).catch((cause: unknown) => {
    // The path of the address names the job, and comes from a secret.
    const why = cause instanceof HttpError ? WORDS[cause.code] : "the request failed";
    throw new TokenRequestError("unreachable", `${where}: ${why}`, { cause });
  });
  if (answer.status !== 200) {
    const code = answer.status === 429 || answer.status >= 500 ? "unreachable" : "refused";
    throw new TokenRequestError(
      code,
      `${where}: status ${answer.status}; a job gets tokens while it runs, and with "permissions: id-token: write"`,
    );
  }
  const token = tokenOf(answer.bytes);
  if (token === undefined) {
    throw new TokenRequestError("bad-answer", `${where}: the answer has no identity token`);
  }
  return token;
}

const WORDS: Readonly<Record<HttpError["code"], string>> = {
  unreachable: "no connection",
  timeout: "no answer in time",
  "too-large": "the answer is larger than any token",
  truncated: "the answer ended too early",
};

function readUrl(text: string): URL {
  const url = URL.parse(text.trim());
  const isLocal = url?.protocol === "http:" && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (url === null || (url.protocol !== "https:" && !isLocal) || url.username !== "" || url.password !== "") {
    throw new TokenRequestError("bad-url", 'it is not a URL that begins with "https://"');
  }
  return url;
}

function tokenOf(bytes: Buffer): string | undefined {
  try {
    const answer: unknown = JSON.parse(bytes.toString("utf8"));
    const token =
      typeof answer === "object" && answer !== null && "value" in answer ? answer.value : undefined;
    return typeof token === "string" ? token : undefined;
  } catch {
    return undefined;
  }
}
