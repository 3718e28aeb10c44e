// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import type { Fields } from "./json-fields.ts";

/** What a Rekor v1 log keeps of an accepted entry. */
export interface PreparedEntry {
  /** The canonical body: the leaf of the tree. */
  readonly body: Buffer;
  /** Under which keys the search finds it; compared without regard to case. */
  readonly indexKeys: readonly string[];
  /** The payload's key in attestation storage, for kinds that store it, and the payload unless it is too large. */
  readonly attestation?: { readonly key: string; readonly data?: Buffer };
}

/** The canonical JSON (RFC 8785) of an entry: the bytes that become the leaf. */
export function canonicalBody(kind: string, apiVersion: string, spec: Fields): Buffer {
  return Buffer.from(json.canonicalize({ kind, apiVersion, spec }));
}
