// SPDX-License-Identifier: Apache-2.0
import { sha256 } from "../image/digest.ts";
import { familiarName, parseReference } from "../image/reference.ts";

/** The longest readable part of a directory's name. */
const MAX_READABLE = 80;

/**
 * The directory of a tag's page, by the tag's canonical name: `tags/06/alpine-3.16.0-06c2…`. Lower case, and ended by the name's
 * sha256, so that no two tags share one on a file system that does not tell case apart; what is readable in it is for people.
 */
export function tagDirectory(name: string): string {
  const hex = sha256(name).slice("sha256:".length);
  const readable = familiarName(parseReference(name))
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/\.{2,}/g, ".")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, MAX_READABLE);
  return `tags/${hex.slice(0, 2)}/${readable}-${hex.slice(0, 32)}`;
}

/** The name of the file with a record's proof, within the directory of its tag. */
export function proofFile(logIndex: bigint, proof: string): string {
  return `record-${logIndex}-${sha256(proof).slice("sha256:".length, "sha256:".length + 12)}.sigstore.json`;
}

/** The file with a signer's public key, by the key's fingerprint. */
export function keyFile(fingerprint: string): string {
  return `keys/${fingerprint.slice("sha256:".length)}.pub`;
}

/** The file of a page of all tags, from 1 on. */
export function listFile(page: number): string {
  return `all/${page}.html`;
}

/** A name that feeds have for the same thing for ever: a UUID (version 8, RFC 9562) of these texts. */
export function stableId(...parts: readonly string[]): string {
  const hex = sha256(JSON.stringify(parts)).slice("sha256:".length);
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
