// SPDX-License-Identifier: Apache-2.0
import { isFields, type Fields } from "./json-fields.ts";
import { invalid, Refusal } from "./refusal.ts";
import type { RekorV1Log } from "./rekor-v1-log.ts";
import { keyDigest, parseVerifyingKey } from "./verifying-key.ts";

const HASH = /^(sha512:)?[0-9a-fA-F]{128}$|^(sha256:)?[0-9a-fA-F]{64}$|^(sha1:)?[0-9a-fA-F]{40}$/;
const HASH_BY_LENGTH: Readonly<Record<number, string>> = { 40: "sha1:", 64: "sha256:", 128: "sha512:" };
const PKI_FORMATS = ["pgp", "x509", "minisign", "ssh", "tuf"];
const MAX_SUBJECT = 512;

/**
 * The body of POST /api/v1/index/retrieve ({hash, publicKey, email, subject, operator}) answered with UUIDs, unordered
 * and unpaged. As on the real server a public key finds no intoto or dsse entry, because those are indexed under
 * `sha256:HEX` and the query is looked up as HEX. Throws Refusal 400 or 422.
 */
export function searchIndex(query: Fields, log: RekorV1Log): readonly string[] {
  const operator = text(query, "operator") ?? "or";
  if (operator !== "or" && operator !== "and")
    throw invalid(606, "operator in body should be one of [and or]");
  const keys = [hashKey(query), publicKeyKey(query), emailKey(query), subjectKey(query)].filter(
    (key) => key !== undefined,
  );
  if (operator === "or") return [...log.search(keys)];
  const sets = keys.map((key) => log.search([key]));
  const [first, ...others] = sets;
  return [...(first ?? [])].filter((uuid) => others.every((set) => set.has(uuid)));
}

function hashKey(query: Fields): string | undefined {
  const hash = text(query, "hash");
  if (hash === undefined) return undefined;
  if (!HASH.test(hash)) throw invalid(605, `hash in body should match '${HASH.source}'`);
  return hash.includes(":") ? hash : `${HASH_BY_LENGTH[hash.length] ?? ""}${hash}`;
}

function publicKeyKey(query: Fields): string | undefined {
  const publicKey = query["publicKey"];
  if (publicKey === undefined || publicKey === null) return undefined;
  const fields = isFields(publicKey) ? publicKey : {};
  const format = text(fields, "format");
  if (format === undefined) throw invalid(602, "publicKey.format in body is required");
  if (!PKI_FORMATS.includes(format)) {
    throw invalid(606, `publicKey.format in body should be one of [${PKI_FORMATS.join(" ")}]`);
  }
  if (format !== "x509") {
    throw new Refusal("rejected", "the PKI format requested is not supported by this server", {
      status: 400,
    });
  }
  try {
    return keyDigest(parseVerifyingKey(Buffer.from(text(fields, "content") ?? "", "base64")));
  } catch {
    throw new Refusal("rejected", "public key provided could not be parsed", { status: 400 });
  }
}

function emailKey(query: Fields): string | undefined {
  const email = text(query, "email");
  if (email !== undefined && !/^[^@\s]+@[^@\s]+$/.test(email)) {
    throw invalid(601, `email in body must be of type email: ${JSON.stringify(email.slice(0, 100))}`);
  }
  return email;
}

function subjectKey(query: Fields): string | undefined {
  const subject = text(query, "subject");
  if (subject !== undefined && subject.length > MAX_SUBJECT) {
    throw invalid(603, `subject in body should be at most ${MAX_SUBJECT} chars long`);
  }
  return subject;
}

/** A string that was sent and is not empty: Go cannot tell an empty one from none. */
function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") {
    const message = `parsing query body from "" failed, because ${name} is not a string`;
    throw new Refusal("rejected", message, { status: 400 });
  }
  return value;
}
