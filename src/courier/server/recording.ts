// SPDX-License-Identifier: Apache-2.0
import { dsse, json } from "@sigstore/core";
import { createHash } from "node:crypto";
import { isIntotoBodyOf, type SignedPayload } from "../../log/intoto-body.ts";
import { LogError, type AskLog, type LogCall } from "../../log/json-api.ts";
import { appendEntry, sameLeaf } from "../../log/rekor-v1.ts";
import { shownUrl } from "./http.ts";
import { fieldsOf } from "./json-fields.ts";
import { PAYLOAD_TYPE, type Signer } from "./signers.ts";

/** A statement to be recorded. */
export interface Recording extends LogCall {
  /** The exact bytes of the in-toto statement. */
  readonly statement: Uint8Array;
  readonly signer: Signer;
}

/**
 * Signs the statement (DSSE), appends it to the log as an `intoto` 0.0.2 entry, which keeps the statement too, and
 * gives the entry's UUID; of an entry that the log has already, that one's. Throws LogError, Failure, and what the
 * signer throws.
 */
export async function recordStatement(
  ask: AskLog,
  { log, statement, signer, signal }: Recording,
): Promise<string> {
  const { signature, verifier } = await signer.sign(
    dsse.preAuthEncoding(PAYLOAD_TYPE, Buffer.from(statement)),
  );
  const signed = {
    payload: statement,
    signature,
    verifier: "publicKey" in verifier ? verifier.publicKey : verifier.certificate,
  };
  const { uuid, entry } = await appendEntry(ask, { log, signal, proposal: intotoEntry(signed) });

  const wrong = (why: string) =>
    new LogError(
      "bad-answer",
      `POST ${shownUrl(new URL("api/v1/log/entries", log))}: the log answered ${why}`,
    );
  const { body: text } = fieldsOf(entry);
  const body = Buffer.from(typeof text === "string" ? text : "", "base64");
  if (!isIntotoBodyOf(body, signed)) throw wrong("for another entry than the one it was sent");
  const leaf = createHash("sha256").update(Uint8Array.of(0)).update(body).digest("hex");
  if (!sameLeaf(uuid, leaf)) throw wrong(`UUID "${uuid}" for the entry whose leaf hash is "${leaf}"`);
  return uuid;
}

/** What the log's API takes: base64 twice, and hashes of the payload and of the canonical envelope. */
function intotoEntry({ payload, signature, verifier }: SignedPayload): object {
  const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64");
  const hashOf = (bytes: Uint8Array | string) => ({
    algorithm: "sha256",
    value: createHash("sha256").update(bytes).digest("hex"),
  });
  // Without key id: cosign and sigstore-go find no signature under an id that they do not know.
  const once = {
    payloadType: PAYLOAD_TYPE,
    payload: base64(payload),
    signatures: [{ sig: base64(signature), publicKey: verifier }],
  };
  const envelope = {
    payloadType: PAYLOAD_TYPE,
    payload: base64(once.payload),
    signatures: once.signatures.map(({ sig }) => ({ sig: base64(sig), publicKey: base64(verifier) })),
  };
  return {
    apiVersion: "0.0.2",
    kind: "intoto",
    spec: { content: { envelope, hash: hashOf(json.canonicalize(once)), payloadHash: hashOf(payload) } },
  };
}
