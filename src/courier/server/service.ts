// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { logUrl } from "../../log/json-api.ts";
import { type RawEntry, sameLeaf, TOO_LARGE } from "../../log/rekor-v1.ts";
import {
  MAX_FOUND,
  MAX_LINE_BYTES,
  ProtocolError,
  Request,
  type Answer,
  type DropReason,
} from "../protocol.ts";
import { Budget } from "./budget.ts";
import { openCollector } from "./collector.ts";
import { failureOf } from "./failure.ts";
import { findEntries } from "./find-entries.ts";
import { type HttpRequest, sendHttp } from "./http.ts";
import { fetchMirrorFile } from "./mirror-file.ts";
import { fetchBlob, fetchIfNamed, fetchManifest } from "./registry.ts";
import { fieldsOf } from "./json-fields.ts";
import { sieveOf } from "./sieve.ts";
import type { SignerFor } from "./signers.ts";
import type { SigningSecret } from "./signing-secret.ts";
import { Turns } from "../turns.ts";

/** What serving needs. */
export interface Service {
  /** Requests, a line each, without LF. */
  readonly lines: AsyncIterable<string>;
  /** Takes each line of answers, LF included; resolves when it takes more. */
  readonly say: (line: string) => void | Promise<void>;
  /** Requests are answered once it is there; the end of the lines does not wait for it. */
  readonly secret: Promise<SigningSecret>;
  /** The time one request has, its repetitions included; from when it is begun. */
  readonly deadlineMs: number;
}

const AT_ONCE = 8;
const MAX_WAITING = 10_000;
/** How often the time of one request all searches of a tag, and those of a build, may take. */
const TAG_TIMES = 2;
const BUILD_TIMES = 5;

/**
 * Says `ready`, and answers requests until the lines end; what is not answered then is given up. Throws
 * ProtocolError, and what `lines` throws.
 */
export async function serve({ lines, say, secret, deadlineMs }: Service): Promise<void> {
  const send = (said: Answer) => void say(`${JSON.stringify(said)}\n`);
  const budget = new Budget({
    tag: { ...MAX_FOUND.tag, ms: TAG_TIMES * deadlineMs },
    build: { ...MAX_FOUND.build, ms: BUILD_TIMES * deadlineMs },
  });
  const turns = new Turns(AT_ONCE);
  const haveRead = openCollector();
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

  const finish = async (request: Request): Promise<void> => {
    const signal = AbortSignal.any([over.signal, AbortSignal.timeout(deadlineMs)]);
    const lastLine = await answer(request, { say, openSigners, budget, turns, haveRead, signal }).catch(
      (error: unknown): Answer => ({ say: "failed", id: request.id, ...failureOf(error) }),
    );
    open.delete(request.id);
    if (!over.signal.aborted) send(lastLine);
  };
  const work = async () => {
    busy++;
    await begun;
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift())
      await finish(request);
    busy--;
  };

  try {
    for await (const line of lines) {
      const request = readRequest(line);
      if (open.has(request.id)) throw new ProtocolError(`request ${request.id} is open already`);
      if (open.size >= MAX_WAITING) throw new ProtocolError(`more than ${MAX_WAITING} requests are open`);
      open.add(request.id);
      // Searches take turns with each question that they have for a log, so none keeps others waiting.
      if (request.ask === "find") {
        void begun.then(() => finish(request));
        continue;
      }
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

/** What answering takes. */
interface Answering extends Pick<Service, "say"> {
  readonly openSigners: () => Promise<SignerFor>;
  readonly budget: Budget;
  readonly turns: Turns;
  readonly haveRead: (bytes: number) => void;
  readonly signal: AbortSignal;
}

async function answer(request: Request, { openSigners, signal, ...searching }: Answering): Promise<Answer> {
  const { id } = request;
  switch (request.ask) {
    case "find":
      return { say: "found", id, dropped: await find(request, { ...searching, signal }) };
    case "manifest": {
      const { digest } = request;
      const served = await (digest === undefined
        ? fetchManifest(request, signal)
        : fetchIfNamed({ ...request, digest }, signal));
      if ("digest" in served) return { say: "names", id, digest: served.digest };
      return { say: "manifest", id, bytes: served.bytes.toString("base64"), mediaType: served.mediaType };
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
      if (log.api === 1) return { say: "recorded", id, uuid: (await recordStatement(sendHttp, what)).uuid };
      const bundle = await recordBundle(sendHttp, { ...what, timestamps });
      return { say: "bundle", id, bundle: JSON.stringify(bundle) };
    }
    case "file": {
      const bytes = await fetchMirrorFile(request, signal);
      return { say: "file", id, bytes: bytes?.toString("base64") ?? null };
    }
  }
}

/** How many strangers' entries are said all the same, the last ones of a tag: what somebody else saw is shown beside a verdict. */
const MAX_SHOWN = 4;
/** A sighting takes a fifth of it. */
const MAX_SHOWN_BYTES = 32 * 1024;
const STRANGER = "untrusted-signer" satisfies DropReason;

/**
 * Says the entries that may count as they come, within the budget, and a few others behind them; gives how many more there
 * were, and why they do not count.
 */
async function find(
  { id, log, hash, identity, including, tag = hash, counting }: Request & { readonly ask: "find" },
  { say, budget, turns, haveRead, signal: until }: Omit<Answering, "openSigners">,
): Promise<[DropReason, number][]> {
  const spending = budget.begin(tag);
  const signal = AbortSignal.any([until, AbortSignal.timeout(spending.leftMs)]);
  const dropped = new Map<DropReason, number>();
  const strangers: RawEntry[] = [];
  const reasonFor = counting === undefined ? () => undefined : sieveOf(counting);
  const ask = (request: HttpRequest) =>
    turns.take(tag, request.signal, async () => {
      const said = await sendHttp(request);
      haveRead(said.bytes.length);
      return said;
    });
  const drop = (reason: DropReason, count = 1) => dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  const isWanted = (one: RawEntry): boolean => {
    if (including !== undefined && sameLeaf(one.uuid, including)) return true;
    const reason = reasonFor(one);
    if (reason === undefined) return true;
    drop(reason);
    if (reason === STRANGER && sizeOf(one) <= MAX_SHOWN_BYTES) {
      strangers.push(one);
      if (strangers.length > MAX_SHOWN) strangers.shift();
    }
    return false;
  };
  try {
    const what = { log: logUrl(log), hash, identity, including, onListed: spending.list, signal };
    await findEntries(ask, what, async (entries) => {
      if (signal.aborted) return;
      const wanted = entries.filter(isWanted);
      const lines = entryLines(id, wanted);
      spending.spend(wanted.length, Buffer.byteLength(lines.join("")));
      for (const line of lines) await say(line);
    });
    const shown = entryLines(id, strangers);
    const bytes = Buffer.byteLength(shown.join(""));
    if (strangers.length > 0 && spending.hasRoom(strangers.length, bytes)) {
      spending.spend(strangers.length, bytes);
      // Whoever hears them counts them too.
      drop(STRANGER, -strangers.length);
      for (const line of shown) await say(line);
    }
  } finally {
    spending.end();
  }
  return [...dropped].filter(([, count]) => count > 0);
}

/** How large an entry is, by what makes it large, in characters. */
function sizeOf({ entry }: RawEntry): number {
  const { body, attestation } = fieldsOf(entry);
  return [body, fieldsOf(attestation)["data"]].reduce<number>(
    (sum, part) => sum + (typeof part === "string" ? part.length : 0),
    0,
  );
}

/**
 * The `entries` lines (with LF) that say these entries, each line within the protocol's limit. An entry that
 * cannot be said in one line is nobody's record and is said as `{}`: one piece of junk must not hide the others.
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
  return JSON.stringify({ uuid, entry: TOO_LARGE });
}
