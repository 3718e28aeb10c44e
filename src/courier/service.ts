// SPDX-License-Identifier: Apache-2.0
import type { Signer } from "@sigstore/sign";
import * as v from "valibot";
import { logUrl } from "../log/json-api.ts";
import { entryLines } from "./entry-lines.ts";
import { failureOf, NoSignerError } from "./failure.ts";
import { findEntries } from "./finding.ts";
import { sendHttp } from "./http.ts";
import { Request, type Answer } from "./protocol.ts";
import { fetchManifest } from "./registry.ts";
import { SIGNING_SECRET, TOKEN_SECRET, type SigningSecret } from "./signing-secret.ts";

/** The other side does not speak the protocol. The message quotes nothing of what it said. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** What serving needs. */
export interface Service {
  /** Requests, a line each, without LF. */
  readonly lines: AsyncIterable<string>;
  /** Takes each line of answers, LF included. */
  readonly say: (line: string) => void;
  readonly secret: SigningSecret;
  /** The time one request has, its repetitions included; from when it is begun. */
  readonly deadlineMs: number;
}

const AT_ONCE = 8;
const MAX_WAITING = 10_000;

/**
 * Says `ready`, and answers requests until the lines end; what is not answered then is given up. Throws
 * ProtocolError, and what `lines` throws.
 */
export async function serve({ lines, say, secret, deadlineMs }: Service): Promise<void> {
  const send = (said: Answer) => say(`${JSON.stringify(said)}\n`);
  const over = new AbortController();
  const open = new Set<number>();
  const waiting: Request[] = [];
  let busy = 0;

  const work = async () => {
    busy++;
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      const signal = AbortSignal.any([over.signal, AbortSignal.timeout(deadlineMs)]);
      const lastLine = await answer(request, { say, secret, signal, deadlineMs }).catch(
        (error: unknown): Answer => ({ say: "failed", id: request.id, ...failureOf(error) }),
      );
      open.delete(request.id);
      if (!over.signal.aborted) send(lastLine);
    }
    busy--;
  };

  send({
    say: "ready",
    publicKey: secret.key?.publicKey,
    identity: secret.identity?.claims,
    signerProblem: secret.problem,
  });
  try {
    for await (const line of lines) {
      const request = readRequest(line);
      if (open.has(request.id)) throw new ProtocolError(`request ${request.id} is open already`);
      if (waiting.length >= MAX_WAITING) throw new ProtocolError(`more than ${MAX_WAITING} requests wait`);
      open.add(request.id);
      waiting.push(request);
      if (busy < AT_ONCE) void work();
    }
  } finally {
    waiting.length = 0;
    over.abort();
  }
}

function readRequest(line: string): Request {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ProtocolError("a line is not JSON");
  }
  const request = v.safeParse(Request, value);
  if (request.success) return request.output;
  throw new ProtocolError(`a line is no request: ${v.getDotPath(request.issues[0]) ?? "not an object"}`);
}

async function answer(
  request: Request,
  { say, secret, signal, deadlineMs }: Omit<Service, "lines"> & { readonly signal: AbortSignal },
): Promise<Answer> {
  const { id } = request;
  switch (request.ask) {
    case "find": {
      const { hash, including } = request;
      await findEntries(sendHttp, { log: logUrl(request.log), hash, including, signal }, (entries) => {
        if (!signal.aborted) entryLines(id, entries).forEach((line) => say(line));
      });
      return { say: "found", id };
    }
    case "manifest": {
      const { bytes, mediaType } = await fetchManifest(request, signal);
      return { say: "manifest", id, bytes: bytes.toString("base64"), mediaType };
    }
    case "record": {
      const signing = { fulcio: request.fulcio, signal, deadlineMs };
      const signer = await signerOf(secret, signing);
      // Who only looks does not wait for what signs to load.
      const { recordStatement } = await import("./recording.ts");
      const statement = Buffer.from(request.statement, "base64");
      const log = logUrl(request.log);
      const uuid = await recordStatement(sendHttp, { log, statement, signer, signal, deadlineMs });
      return { say: "recorded", id, uuid };
    }
  }
}

/** Who signs: the key, or a certificate for a token that is good now. Throws NoSignerError. */
async function signerOf(
  { key, identity, problem }: SigningSecret,
  {
    fulcio,
    signal,
    deadlineMs,
  }: { readonly fulcio: string; readonly signal: AbortSignal; readonly deadlineMs: number },
): Promise<Signer> {
  if (key !== undefined) return (await import("./recording.ts")).keySigner(key);
  if (identity !== undefined) {
    const { token } = await identity.token(signal);
    const { certificateSigner } = await import("./certificate-signer.ts");
    return certificateSigner({ fulcio: logUrl(fulcio), token, deadlineMs });
  }
  throw new NoSignerError(
    problem ??
      `there is no secret "${SIGNING_SECRET}" and no "${TOKEN_SECRET}"; build with --secret id=${SIGNING_SECRET},src=FILE`,
  );
}
