// SPDX-License-Identifier: Apache-2.0
import { dsse } from "@sigstore/core";
import { createHash } from "node:crypto";
import { DSSEBundleBuilder, RekorWitness, type Signer } from "@sigstore/sign";
import { excerpt } from "../../log/excerpt.ts";
import { isIntotoBodyOf } from "../../log/intoto-body.ts";
import { failureByStatus, LogError, type AskLog } from "../../log/json-api.ts";
import { readEntryAt, sameLeaf } from "../../log/rekor-v1.ts";
import { HttpError, shownUrl } from "./http.ts";
import { PAYLOAD_TYPE } from "./signers.ts";

/** A statement to be recorded. */
export interface Recording {
  /** As `logUrl` gives it. */
  readonly log: URL;
  /** The exact bytes of the in-toto statement. */
  readonly statement: Uint8Array;
  readonly signer: Signer;
  readonly signal: AbortSignal;
  /** The same limit as `signal`'s, in milliseconds: @sigstore/sign takes no signal. */
  readonly deadlineMs: number;
}

/** Makes envelopes without key id: cosign and sigstore-go find no signature under an id that they do not know. */
class EnvelopeBuilder extends DSSEBundleBuilder {
  protected override async package(
    ...given: Parameters<DSSEBundleBuilder["package"]>
  ): ReturnType<DSSEBundleBuilder["package"]> {
    const bundle = await super.package(...given);
    for (const signature of bundle.content.dsseEnvelope.signatures) signature.keyid = "";
    return bundle;
  }
}

/**
 * Signs the statement (DSSE), appends it to the log as an `intoto` 0.0.2 entry, which keeps the statement too, and
 * gives the entry's UUID; of an entry that the log has already, that one's. Throws LogError, HttpError, and what the
 * signer throws.
 */
export async function recordStatement(ask: AskLog, recording: Recording): Promise<string> {
  const { log, statement, signer, signal, deadlineMs } = recording;
  const rekorBaseURL = log.href.replace(/\/$/, "");
  const witness = new RekorWitness({ rekorBaseURL, entryType: "intoto", timeout: deadlineMs });
  const signed = await signer.sign(dsse.preAuthEncoding(PAYLOAD_TYPE, Buffer.from(statement)));
  const builder = new EnvelopeBuilder({ signer: { sign: async () => signed }, witnesses: [witness] });
  const what = `POST ${shownUrl(new URL("api/v1/log/entries", log))}`;
  let bundle;
  try {
    bundle = await builder.create({ data: Buffer.from(statement), type: PAYLOAD_TYPE });
  } catch (error) {
    throw appendError(error, what);
  }
  const [entry] = bundle.verificationMaterial.tlogEntries;
  if (entry === undefined) throw new LogError("bad-answer", `${what}: the log gave no entry`);

  const { signature, key } = signed;
  const verifier = key.$case === "publicKey" ? key.publicKey : key.certificate;
  if (!isIntotoBodyOf(entry.canonicalizedBody, { payload: statement, signature, verifier })) {
    throw new LogError("bad-answer", `${what}: the log answered for another entry than the one it was sent`);
  }

  // @sigstore/sign drops the UUID of the answer, and the part of it that names the tree cannot be computed.
  const found = await readEntryAt(ask, { log, logIndex: entry.logIndex, signal });
  const leaf = createHash("sha256").update(Uint8Array.of(0)).update(entry.canonicalizedBody).digest("hex");
  if (found === undefined || !sameLeaf(found.uuid, leaf)) {
    const has = found === undefined ? "has none" : `has entry "${found.uuid}"`;
    throw new LogError(
      "bad-answer",
      `${what}: the log says that it wrote entry "${leaf}" at index ${excerpt(entry.logIndex)}, but ${has} there`,
    );
  }
  return found.uuid;
}

function appendError(error: unknown, what: string): LogError | HttpError {
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (cause instanceof HttpError) return cause;
  if (cause instanceof Error && "statusCode" in cause && typeof cause.statusCode === "number") {
    const status = cause.statusCode;
    return new LogError(
      failureByStatus(status),
      `${what}: the log answered "${excerpt(cause.message, 300)}"`,
      {
        cause,
        status,
      },
    );
  }
  return new LogError(
    "bad-answer",
    `${what}: the answer is not a log entry (${excerpt(cause instanceof Error ? cause.name : typeof cause)})`,
    { cause },
  );
}
