// SPDX-License-Identifier: Apache-2.0
import { createHash, type KeyObject } from "node:crypto";
import { signBytes, spki } from "../sigstore/signed-note.ts";
import type { Row } from "./conformance-row.ts";
import { fieldsOf, newName, refusal, signer } from "./log-requests.ts";
import { askV2, type LogAnswer, type Target } from "./target.ts";

/** The API's path that takes bodies. */
export const ENTRIES = "/api/v2/log/entries";

/** A request for an entry as rows change it. */
export interface ProposedRecord {
  digest: string;
  signature: {
    content: string;
    verifier: {
      publicKey?: { rawBytes: string };
      x509Certificate?: { rawBytes: string };
      keyDetails?: string | number;
    };
  };
}

/** A good request about these bytes, or something new. */
export function proposeRecord(
  privateKey: KeyObject = signer,
  { signed = Buffer.from(newName()), keyDetails = "PKIX_ECDSA_P256_SHA_256" } = {},
): { hashedRekordRequestV002: ProposedRecord } {
  return {
    hashedRekordRequestV002: {
      digest: createHash("sha256").update(signed).digest("base64"),
      signature: {
        content: signBytes(signed, privateKey).toString("base64"),
        verifier: { publicKey: { rawBytes: spki(privateKey).toString("base64") }, keyDetails },
      },
    },
  };
}

/** Asks the log to append this. */
export function postV2(target: Target, body: unknown): Promise<LogAnswer> {
  return askV2(target, "POST", ENTRIES, { body });
}

/** Appends; gives the entry as the log answers it. */
export async function appendV2(target: Target, body: unknown): Promise<LoggedRecord> {
  const answer = await postV2(target, body);
  if (answer.status !== 201) throw new Error(`not appended: ${JSON.stringify(answer.body)}`);
  return answer.body as LoggedRecord;
}

/** What rows look at in an entry of the log. */
export interface LoggedRecord {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly canonicalizedBody: string;
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly treeSize: string;
    readonly checkpoint: { readonly envelope: string };
  };
}

/** A request that is refused, or answered in a way that programs must know. */
export function requestV2(
  says: string,
  expected: string,
  how: { readonly path: string; readonly body?: unknown; readonly type?: string },
): Row {
  const { path, ...rest } = how;
  const look = async (target: Target) =>
    refusal(await askV2(target, "body" in how ? "POST" : "GET", path, rest));
  return { says, v2: { ours: { expected, look } } };
}

/** An entry for which something is expected: a good one in which one thing was changed. */
export function changedRecord(
  says: string,
  expected: string,
  change: (record: ProposedRecord, request: Record<string, unknown>) => void,
): Row {
  const look = async (target: Target) => {
    const request = proposeRecord();
    change(request.hashedRekordRequestV002, fieldsOf(request) as Record<string, unknown>);
    return refusal(await postV2(target, request));
  };
  return { says, v2: { ours: { expected, look } } };
}
