// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from "node:crypto";
import { jsonResponse, type ApiRequest, type ApiResponse } from "./api-exchange.ts";
import { readHashedrekordV2 } from "./hashedrekord-v2-entry.ts";
import { isFields } from "./json-fields.ts";
import type { LineFile } from "./line-file.ts";
import { hashLeaf, merkleTree } from "./merkle-tree.ts";
import { Refusal } from "./refusal.ts";
import { ed25519NoteSigner, signCheckpoint } from "./signed-note.ts";

/** A Rekor v2 log (rekor-tiles): appends hashedrekord 0.0.2 entries and serves checkpoint, tiles and entry bundles. */
export interface RekorV2Log {
  readonly size: number;
  /** The untruncated checkpoint key ID. */
  readonly logId: Buffer;
  readonly publicKey: KeyObject;
  /** Answers a request under /api/v2/. Never throws for what a client sends. */
  answer(request: ApiRequest): ApiResponse;
}

const TILE_WIDTH = 256;
const CHECKPOINT = "/api/v2/checkpoint";
/** Paths, and the one method that each is for. */
const METHODS: readonly (readonly [RegExp, string])[] = [
  [/^\/api\/v2\/log\/entries$/, "POST"],
  [/^\/api\/v2\/checkpoint$/, "GET"],
  [/^\/api\/v2\/tile\/./, "GET"],
];
const TILE = /^\/api\/v2\/tile\/(\d{1,2}|entries)\/((?:x\d{3}\/){0,3}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/**
 * Opens a log with what its file holds; `hostname` is the checkpoints' origin. Unlike the real server,
 * it does not make an answer wait for the next checkpoint: each entry gets its own at once.
 */
export function rekorV2Log(options: {
  readonly hostname: string;
  /** Ed25519. */
  readonly privateKey: KeyObject;
  readonly file: LineFile;
}): RekorV2Log {
  const signer = ed25519NoteSigner(options.hostname, options.privateKey);
  const tree = merkleTree();
  const bodies: Buffer[] = [];
  const indexOf = new Map<string, number>();

  function add(body: Buffer): number {
    bodies.push(body);
    const index = tree.append(body);
    indexOf.set(hashLeaf(body).toString("hex"), index);
    return index;
  }

  for (const line of options.file.lines)
    add(Buffer.from(isFields(line) ? String(line["body"]) : "", "base64"));

  function checkpoint(): string {
    return signCheckpoint({ origin: options.hostname, size: tree.size, root: tree.root() }, signer);
  }

  function create(request: ApiRequest): ApiResponse {
    const body = readHashedrekordV2(request.body);
    const known = indexOf.get(hashLeaf(body).toString("hex"));
    if (known !== undefined) {
      const message = `an equivalent entry already exists in the transparency log with index ${known}`;
      return grpcError(409, 6, message, { "x-log-index": known.toString() });
    }
    options.file.append({ body: body.toString("base64") });
    const index = add(body);
    return jsonResponse(201, {
      logIndex: index.toString(),
      logId: { keyId: signer.keyId.toString("base64") },
      kindVersion: { kind: "hashedrekord", version: "0.0.2" },
      integratedTime: "0", // v2 proves no time: that is the timestamp authority's part.
      inclusionPromise: null,
      inclusionProof: {
        logIndex: index.toString(),
        rootHash: tree.root().toString("base64"),
        treeSize: tree.size.toString(),
        hashes: tree.inclusionProof(index).map((hash) => hash.toString("base64")),
        checkpoint: { envelope: checkpoint() },
      },
      canonicalizedBody: body.toString("base64"),
    });
  }

  /** One element of a tile: a hash of its level, or an entry behind its length. */
  function element(level: string, index: number): Buffer | undefined {
    if (level !== "entries") return tree.subtree(8 * Number(level), index);
    const body = bodies[index];
    if (body === undefined) return undefined;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(body.length);
    return Buffer.concat([length, body]);
  }

  function tile(path: string): ApiResponse {
    const [, level, number, partial] = TILE.exec(path) ?? [];
    if (level === undefined || number === undefined) return grpcError(404, 5, "Not Found");
    const start = Number(number.replaceAll(/[x/]/g, "")) * TILE_WIDTH;
    const width = Number(partial ?? TILE_WIDTH);
    const elements = Array.from({ length: Math.min(width, TILE_WIDTH) }, (_, i) => element(level, start + i));
    const present = elements.filter((bytes) => bytes !== undefined);
    if (present.length < width) return grpcError(404, 5, "Not Found");
    return {
      status: 200,
      headers: { "Content-Type": "application/octet-stream" },
      body: Buffer.concat(present),
    };
  }

  return {
    get size() {
      return tree.size;
    },
    logId: signer.keyId,
    publicKey: createPublicKey(options.privateKey),
    answer(request) {
      const { method, path } = request;
      const right = METHODS.find(([known]) => known.test(path));
      if (right === undefined) return grpcError(404, 5, "Not Found");
      if (method !== right[1]) return grpcError(501, 12, "Method Not Allowed");
      if (method === "GET") return path === CHECKPOINT ? text(checkpoint()) : tile(path);
      try {
        return create(request);
      } catch (error) {
        if (error instanceof Refusal) return grpcError(error.status, error.number, error.message);
        throw error;
      }
    },
  };
}

function text(body: string): ApiResponse {
  return { status: 200, headers: { "Content-Type": "text/plain; charset=utf-8" }, body };
}

function grpcError(
  status: number,
  code: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return jsonResponse(status, { code, message, details: [] }, headers);
}
