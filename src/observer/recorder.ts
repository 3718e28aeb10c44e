// SPDX-License-Identifier: Apache-2.0
import { Failure } from "../courier/server/failure.ts";
import { sendHttp } from "../courier/server/http.ts";
import { recordBundle, recordStatement } from "../courier/server/recording.ts";
import { type Signer, type SignerFor, signerOf } from "../courier/server/signers.ts";
import type { SigningSecret } from "../courier/server/signing-secret.ts";
import { parseReference } from "../image/reference.ts";
import { type HeadContext, type ProvenHead, proveHead } from "../ledger/proven-head.ts";
import { type LedgerHead, headStatement } from "../ledger/head.ts";
import { parseLogEntry } from "../log/entry.ts";
import { LogError, logUrl } from "../log/json-api.ts";
import type { LogService } from "../log/signing-config.ts";
import { claimInEntry, readKind } from "../record/candidate.ts";
import { RecordError } from "../record/error.ts";
import { readKeptHistory } from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";
import { parseIdentity, parsePublicKey, type Permission, type TrustedSigner } from "../record/signer.ts";
import { parseSighting } from "../record/statement.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/** A statement that is in no log, or not proven to be. The message says why. */
export class NotRecordedError extends Error {
  override readonly name = "NotRecordedError";
  /** Whether a log gave no answer, so that it may have the statement, or take it later. */
  readonly mayPass: boolean;
  /** Whether the log has it: what it answered does not prove it. */
  readonly isLogged: boolean;
  constructor(
    message: string,
    options?: ErrorOptions & { readonly mayPass?: boolean; readonly isLogged?: boolean },
  ) {
    super(message, options);
    this.mayPass = options?.mayPass ?? false;
    this.isLogged = options?.isLogged ?? false;
  }
}

/** What signs, and where that is written down. */
export interface RecorderOptions {
  readonly log: LogService;
  readonly fulcio: string | undefined;
  readonly timestamps: readonly string[];
  readonly secret: SigningSecret;
  readonly trustedRoot: TrustedRoot;
  readonly now: () => Date;
  /** Waits so many milliseconds; rejects when the signal ends it. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Signs statements, logs them, and proves what the log answered as a build would. */
export interface Recorder {
  /** Who signs. */
  readonly signer: TrustedSigner;
  /**
   * The record of a sighting's statement. `keeping` wraps the signer, of a log that answers the same entry to the same
   * signature. Throws NotRecordedError.
   */
  sighting(
    statement: Uint8Array,
    options: { readonly signal: AbortSignal; readonly keeping?: (signer: Signer) => Signer },
  ): Promise<TagRecord>;
  /** A head, proven, and its bundle as JSON. Throws NotRecordedError. */
  head(
    head: LedgerHead,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly bundle: unknown; readonly proven: ProvenHead }>;
}

const DEADLINE_MS = 60_000;
/** How often a log that does not answer is asked, and the first pause between. */
const ATTEMPTS = 3;
const PAUSE_MS = 1_000;

/** Opens a recorder. Throws NotRecordedError when there is nothing to sign with. */
export function openRecorder({
  log,
  fulcio,
  timestamps,
  secret,
  trustedRoot,
  now,
  pause,
}: RecorderOptions): Recorder {
  if (secret.problem !== undefined) throw new NotRecordedError(secret.problem);
  const signer = signerIn(secret);
  const signerFor: SignerFor = signerOf(secret, {
    now,
    elapsedMs: () => performance.now(),
    deadlineMs: DEADLINE_MS,
  });
  const may: ReadonlySet<Permission> = new Set(["record", "approve"]);
  const trust = [{ signer, may }];

  /** The bundle of a statement that the log has. */
  const bundleOf = async (
    statement: Uint8Array,
    until: AbortSignal,
    keeping: (signer: Signer) => Signer,
  ): Promise<unknown> => {
    const signal = AbortSignal.any([until, AbortSignal.timeout(DEADLINE_MS)]);
    const signing = signerFor({ log, fulcio, signal });
    const what = { log: logUrl(log.url), statement, signer: signing, signal };
    // To a signature that it has already, a Rekor v2 log answers nothing of use.
    if (log.api === 2) return recordBundle(sendHttp, { ...what, timestamps });
    const { uuid, entry } = await recordStatement(sendHttp, { ...what, signer: keeping(signing) });
    // The log stores the statement a moment later; it is at hand here.
    const data = Buffer.from(statement).toString("base64");
    const logged = parseLogEntry(uuid, { ...Object(entry), attestation: { data } });
    return claimInEntry(logged, readKind(logged), { trust, trustedRoot }).claim.bundle;
  };

  const recorded = async <T>(
    statement: Uint8Array,
    { signal, keeping = keepingOnce() }: { signal: AbortSignal; keeping?: (signer: Signer) => Signer },
    prove: (bundle: unknown) => T,
  ): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      let isLogged = false;
      try {
        const bundle = await bundleOf(statement, signal, keeping);
        isLogged = true;
        return prove(bundle);
      } catch (error) {
        const isPassing =
          (error instanceof LogError || error instanceof Failure) && error.code === "unreachable";
        if (isPassing && attempt < ATTEMPTS && !signal.aborted) {
          await pause(PAUSE_MS * attempt, signal).catch(() => undefined);
          continue;
        }
        if (!(error instanceof Error)) throw error;
        const mayPass = isPassing || signal.aborted;
        throw new NotRecordedError(error.message, { cause: error, mayPass, isLogged });
      }
    }
  };

  return {
    signer,
    sighting: (statement, options) =>
      recorded(statement, options, (bundle) => {
        const subject = parseReference(parseSighting(statement).reference);
        const place = `the answer of ${log.url}`;
        const context = { subject, trust, trustedRoot };
        const { records } = readKeptHistory([{ kind: "bundle", bundle, place }], context, {
          refuse: (reason) => new RecordError(reason, `${place} proves no record (${reason})`),
        });
        const [record] = records;
        if (record === undefined) throw new Error(`${place} proves no record`);
        return record;
      }),
    head: (head, options) =>
      recorded(headStatement(head), options, (bundle) => {
        const context: HeadContext = {
          repository: head.ledger,
          observer: signer,
          trustedRoot,
          logs: undefined,
        };
        return { bundle, proven: proveHead(bundle, context) };
      }),
  };
}

/** Wraps signers so that all attempts at one statement have one signature, and an answer that was lost makes no second entry. */
function keepingOnce(): (signer: Signer) => Signer {
  let signed: ReturnType<Signer["sign"]> | undefined;
  return (signer) => ({
    sign: (bytes) => {
      const pending = (signed ??= signer.sign(bytes));
      pending.catch(() => (signed = undefined));
      return pending;
    },
  });
}

function signerIn({ key, identity }: SigningSecret): TrustedSigner {
  if (key !== undefined) return parsePublicKey(key.publicKey);
  if (identity !== undefined) return parseIdentity(identity.claims);
  throw new NotRecordedError("there is nothing to sign with");
}
