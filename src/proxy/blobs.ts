// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Digest } from "../image/digest.ts";
import { formatReference } from "../image/reference.ts";
import type { OpenedBlob } from "../registry/client.ts";
import type { Asked } from "./asked.ts";
import { ProxyError } from "./error.ts";
import type { Upstreams } from "./upstreams.ts";

/** A blob that was cut off. The client has not got all of it. */
export class CutOffError extends Error {
  override readonly name = "CutOffError";
}

/** How slow a blob may come or be taken. */
export interface Pace {
  /** In each of these times, in milliseconds, … */
  readonly everyMs: number;
  /** … so many bytes have to pass. */
  readonly minBytes: number;
}

/** The largest blob that is passed on without a length. */
const MAX_UNMEASURED_BYTES = 32 * 1024 * 1024 * 1024;
/** Of what the registry says of a blob, what a client needs. */
const PASSED_ON = ["content-length", "content-range", "accept-ranges"] as const;
/** A range of bytes; a client that wants several gets the whole, as HTTP allows. */
const RANGE = /^bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})$/;

/**
 * Answers with a blob: with the place where it is when the registry leads to one; else with its bytes as they come. Those are hashed,
 * and the connection is cut before the last of them when they are not the blob. A part of a blob is passed on unhashed, because its
 * reader alone has the rest. Throws ProxyError while nothing is sent, and CutOffError later.
 */
export async function sendBlob(
  asked: Extract<Asked, { readonly kind: "blob" }>,
  {
    method,
    range,
    upstreams,
    outgoing,
    pace,
    headers,
    signal,
  }: {
    readonly method: "GET" | "HEAD";
    readonly range: string | undefined;
    readonly upstreams: Upstreams;
    readonly outgoing: ServerResponse;
    readonly pace: Pace;
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const blob = await upstreams.blob(asked, {
    method,
    range: range !== undefined && RANGE.test(range) ? range : undefined,
    signal,
  });
  if (blob === undefined)
    throw new ProxyError("BLOB_UNKNOWN", `the registry has no blob "${formatReference(asked)}"`);
  const said = { ...headers, "docker-content-digest": asked.digest };
  if (blob.kind === "elsewhere") {
    outgoing.writeHead(307, { ...said, location: blob.url.href, "content-length": "0" }).end();
    return;
  }
  try {
    outgoing.writeHead(blob.status, {
      ...said,
      "content-type": "application/octet-stream",
      ...Object.fromEntries(
        PASSED_ON.flatMap((name) => {
          const value = blob.headers[name];
          return value === undefined ? [] : [[name, value]];
        }),
      ),
    });
    if (method === "HEAD") {
      blob.body.resume();
      outgoing.end();
      return;
    }
    await pump(blob, { digest: asked.digest, outgoing, pace });
  } catch (error) {
    // A client that has all its bytes would take them for the blob.
    outgoing.destroy();
    if (error instanceof CutOffError) throw error;
    const why = error instanceof Error ? error.message : "it ended";
    throw new CutOffError(`"${formatReference(asked)}" was cut off: ${why}`, { cause: error });
  }
}

async function pump(
  { body, status }: Extract<OpenedBlob, { readonly kind: "here" }>,
  {
    digest,
    outgoing,
    pace,
  }: { readonly digest: Digest; readonly outgoing: ServerResponse; readonly pace: Pace },
): Promise<void> {
  const [algorithm = "", hex] = digest.split(":");
  const hash = status === 200 ? createHash(algorithm) : undefined;
  const { promise: slow, reject } = Promise.withResolvers<never>();
  slow.catch(() => undefined);
  let moved = 0;
  const timer = setInterval(() => {
    if (moved < pace.minBytes)
      reject(new CutOffError(`the blob was cut off: ${moved} bytes in ${pace.everyMs} ms are too few`));
    moved = 0;
  }, pace.everyMs);
  const gone = once(outgoing, "close").then(() => {
    if (!outgoing.writableFinished) throw new CutOffError("the client is gone");
  });
  gone.catch(() => undefined);
  const send = async (chunk: Buffer): Promise<void> => {
    if (!outgoing.write(chunk)) await once(outgoing, "drain");
    moved += chunk.length;
  };
  const work = async (): Promise<void> => {
    let total = 0;
    // Held back until more comes, or it is known that it was the last one of the right blob.
    let last: Buffer | undefined;
    for await (const chunk of chunksOf(body)) {
      hash?.update(chunk);
      total += chunk.length;
      if (total > MAX_UNMEASURED_BYTES) throw new CutOffError(`the registry sends more than ${total} bytes`);
      if (last !== undefined) await send(last);
      last = chunk;
    }
    const got = hash?.digest("hex");
    if (hash !== undefined && got !== hex)
      throw new CutOffError(`the registry's ${total} bytes of "${digest}" are "${algorithm}:${got}"`);
    outgoing.end(last);
    await once(outgoing, "finish");
  };
  const working = work();
  working.catch(() => undefined);
  try {
    await Promise.race([working, slow, gone]);
  } finally {
    clearInterval(timer);
    body.destroy();
  }
}

function chunksOf(body: Readable): AsyncIterable<Buffer> {
  return body as AsyncIterable<Buffer>;
}
