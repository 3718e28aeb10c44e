// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { CheckpointText } from "./entry.ts";
import { excerpt } from "./excerpt.ts";
import {
  failureByStatus,
  getRequest,
  LogError,
  type AskLog,
  type LogCall,
  type LogRequest,
} from "./json-api.ts";
import * as v from "valibot";

// What a Rekor v2 log lets everybody read: C2SP's tlog-tiles, below /api/v2/.

/** Entries in a whole bundle. */
export const TILE_WIDTH = 256;
/** Two bytes say how long an entry is. */
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + 0xffff);
const MAX_CHECKPOINT_BYTES = 64 * 1024;

/** The newest checkpoint, a signed note. Nothing of it is verified. Throws LogError, and what `ask` throws. */
export async function readCheckpoint(ask: AskLog, call: LogCall): Promise<string> {
  const request = getRequest(call, "api/v2/checkpoint", MAX_CHECKPOINT_BYTES);
  const text = Buffer.from(await bytesOf(ask, request)).toString("utf8");
  if (!v.is(CheckpointText, text)) throw wrong(request, "the checkpoint is too long");
  return text;
}

/**
 * The bundle of entries number `tile`, of which the first `width` are there. A log may drop a part of a bundle once it has the
 * whole, so the whole is asked for then. Throws LogError, and what `ask` throws.
 */
export async function readEntryBundle(
  ask: AskLog,
  { tile, width, ...call }: LogCall & { readonly tile: number; readonly width: number },
): Promise<EntryBundle> {
  const whole = getRequest(call, `api/v2/tile/entries/${tilePath(tile)}`, MAX_BUNDLE_BYTES);
  if (width === TILE_WIDTH) return splitBundle(whole, await bytesOf(ask, whole), width);
  const part = { ...whole, url: new URL(`${whole.url.href}.p/${width}`) };
  try {
    return splitBundle(part, await bytesOf(ask, part), width);
  } catch (error) {
    if (!(error instanceof LogError) || error.status !== 404) throw error;
    return splitBundle(whole, await bytesOf(ask, whole), width);
  }
}

/** Some entries in a row. */
export interface EntryBundle {
  /** As they came. */
  readonly bytes: Buffer;
  /** Where each entry begins and ends in them. */
  readonly places: readonly { readonly start: number; readonly end: number }[];
}

/** `x001/x234/067` for 1234067. */
export function tilePath(tile: number): string {
  const groups = String(tile)
    .padStart(Math.ceil(String(tile).length / 3) * 3, "0")
    .match(/\d{3}/g);
  return (groups ?? []).map((group, n, { length }) => (n < length - 1 ? `x${group}` : group)).join("/");
}

function splitBundle(request: LogRequest, given: Uint8Array, width: number): EntryBundle {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.length);
  const places: { start: number; end: number }[] = [];
  let at = 0;
  while (at < bytes.length && places.length < width) {
    const start = at + 2;
    const end = start > bytes.length ? Infinity : start + bytes.readUInt16BE(at);
    if (end > bytes.length) throw wrong(request, "an entry in it ends behind its end");
    places.push({ start, end });
    at = end;
  }
  if (places.length < width)
    throw wrong(request, `it has ${places.length} entries, and the log's tree has ${width} there`);
  return { bytes, places };
}

/**
 * The hash of the leaf that is this entry (RFC 6962, 2.1). The byte before the entry, which belongs to its length, is
 * overwritten: a copy of each entry would take longer than its hash.
 */
export function leafIn({ bytes }: EntryBundle, { start, end }: EntryBundle["places"][0]): Buffer {
  bytes[start - 1] = 0;
  return hash("sha256", bytes.subarray(start - 1, end), "buffer");
}

async function bytesOf(ask: AskLog, request: LogRequest): Promise<Uint8Array> {
  const { status, bytes } = await ask(request);
  if (status === 200) return bytes;
  throw new LogError(failureByStatus(status), `${shown(request)}: the log answered status ${status}`, {
    status,
  });
}

function wrong(request: LogRequest, why: string): LogError {
  return new LogError("bad-answer", `${shown(request)}: ${why}`, { status: 200 });
}

function shown({ method, url }: LogRequest): string {
  return `${method} ${excerpt(`${url.protocol}//${url.host}${url.pathname}`, 300)}`;
}
