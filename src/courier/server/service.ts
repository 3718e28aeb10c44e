// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { logUrl } from "../../log/json-api.ts";
import type { RawEntry } from "../../log/rekor-v1.ts";
import { MAX_LINE_BYTES, ProtocolError, Request, type Answer } from "../protocol.ts";
import { failureOf } from "./failure.ts";
import { findEntries } from "./find-entries.ts";
import { sendHttp } from "./http.ts";
import { fetchMirrorFile } from "./mirror-file.ts";
import { fetchBlob, fetchManifest } from "./registry.ts";
import type { SignerFor } from "./signers.ts";
import type { SigningSecret } from "./signing-secret.ts";

/** What serving needs. */
export interface Service {
  /** Requests, a line each, without LF. */
  readonly lines: AsyncIterable<string>;
  /** Takes each line of answers, LF included. */
  readonly say: (line: string) => void;
  /** Requests are answered once it is there; the end of the lines does not wait for it. */
  readonly secret: Promise<SigningSecret>;
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

  const begun = secret.then(({ key, identity, problem: signerProblem }) => {
    if (over.signal.aborted) return;
    send({ say: "ready", publicKey: key?.publicKey, identity: identity?.claims, signerProblem });
  });
  // Loaded only when there is something to sign, which most couriers never have.
  let signers: Promise<SignerFor> | undefined;
  const openSigners = () =>
    (signers ??= import("./signers.ts").then(async ({ signerOf }) =>
      signerOf(await secret, {
        now: () => new Date(),
        elapsedMs: () => performance.now(),
        deadlineMs,
      }),
    ));

  const work = async () => {
    busy++;
    await begun;
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      const signal = AbortSignal.any([over.signal, AbortSignal.timeout(deadlineMs)]);
      const lastLine = await answer(request, { say, openSigners, signal }).catch(
        (error: unknown): Answer => ({ say: "failed", id: request.id, ...failureOf(error) }),
      );
      open.delete(request.id);
      if (!over.signal.aborted) send(lastLine);
    }
    busy--;
  };

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
  {
    say,
    openSigners,
    signal,
  }: Pick<Service, "say"> & {
    readonly openSigners: () => Promise<SignerFor>;
    readonly signal: AbortSignal;
  },
): Promise<Answer> {
  const { id } = request;
  switch (request.ask) {
    case "find": {
      const { hash, identity, including } = request;
      const what = { log: logUrl(request.log), hash, identity, including, signal };
      await findEntries(sendHttp, what, (entries) => {
        if (!signal.aborted) entryLines(id, entries).forEach((line) => say(line));
      });
      return { say: "found", id };
    }
    case "manifest": {
      const { bytes, mediaType } = await fetchManifest(request, signal);
      return { say: "manifest", id, bytes: bytes.toString("base64"), mediaType };
    }
    case "blob": {
      const bytes = await fetchBlob(request, signal);
      return { say: "blob", id, bytes: bytes.toString("base64") };
    }
    case "record": {
      const { recordBundle, recordStatement } = await import("./recording.ts");
      const { log, fulcio, timestamps } = request;
      const signer = (await openSigners())({ log, fulcio, signal });
      const statement = Buffer.from(request.statement, "base64");
      const what = { log: logUrl(log.url), statement, signer, signal };
      if (log.api === 1) return { say: "recorded", id, uuid: await recordStatement(sendHttp, what) };
      const bundle = await recordBundle(sendHttp, { ...what, timestamps });
      return { say: "bundle", id, bundle: JSON.stringify(bundle) };
    }
    case "file": {
      const bytes = await fetchMirrorFile(request, signal);
      return { say: "file", id, bytes: bytes?.toString("base64") ?? null };
    }
  }
}

/**
 * The `entries` lines (with LF) that say these entries, each line within the protocol's limit. An entry that
 * cannot be said in one line is said as `null`: one piece of junk must not hide the others.
 */
export function entryLines(id: number, entries: readonly RawEntry[], maxBytes = MAX_LINE_BYTES): string[] {
  const frame = (said: readonly string[]) => `{"say":"entries","id":${id},"entries":[${said.join(",")}]}\n`;
  // The frame's LF does not count, and the first entry has no comma before it.
  const room = maxBytes - Buffer.byteLength(frame([])) + 2;
  const lines: string[] = [];
  let said: string[] = [];
  let size = 0;
  for (const entry of entries) {
    const one = textOf(entry, room);
    const bytes = Buffer.byteLength(one) + 1;
    if (said.length > 0 && size + bytes > room) {
      lines.push(frame(said));
      said = [];
      size = 0;
    }
    said.push(one);
    size += bytes;
  }
  if (said.length > 0) lines.push(frame(said));
  return lines;
}

function textOf({ uuid, entry }: RawEntry, room: number): string {
  try {
    const text = JSON.stringify({ uuid, entry });
    if (Buffer.byteLength(text) < room) return text;
  } catch (error) {
    // What JSON.parse reads can be nested deeper than JSON.stringify can write.
    if (!(error instanceof RangeError)) throw error;
  }
  return JSON.stringify({ uuid, entry: null });
}
