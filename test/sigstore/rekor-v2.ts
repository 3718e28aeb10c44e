// SPDX-License-Identifier: Apache-2.0
import { json, X509Certificate } from "@sigstore/core";
import { createPublicKey, type KeyObject } from "node:crypto";
import { jsonResponse, type ApiRequest, type ApiResponse } from "./api-exchange.ts";
import { isFields, type Fields } from "./json-fields.ts";
import type { LineFile } from "./line-file.ts";
import { hashLeaf, merkleTree } from "./merkle-tree.ts";
import { verifiesP256Digest } from "./prehashed-ecdsa.ts";
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

const MAX_ENTRY_BYTES = 65535; // An entry bundle (C2SP tlog-tiles) gives each entry's length in two bytes.
const TILE_WIDTH = 256;
const TILE = /^\/api\/v2\/tile\/(\d{1,2}|entries)\/((?:x\d{3}\/){0,3}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/**
 * Opens a log with what its file holds; `hostname` is the checkpoints' origin. The signature of every entry is verified,
 * for P-256 keys over sha256 digests; the other algorithms of the real server are refused. Unlike there, an answer does not wait
 * for the next checkpoint: each entry gets its own at once.
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
    const body = readEntry(request.body);
    if (typeof body === "string") return grpcError(400, 3, body);
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
      if (path === "/api/v2/log/entries") {
        return method === "POST" ? create(request) : grpcError(501, 12, "Method Not Allowed");
      }
      if (method !== "GET") return grpcError(404, 5, "Not Found");
      if (path === "/api/v2/checkpoint") {
        return { status: 200, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: checkpoint() };
      }
      return tile(path);
    },
  };
}

function grpcError(
  status: number,
  code: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return jsonResponse(status, { code, message, details: [] }, headers);
}

/** The canonical body for a request, or the reason it is refused; the real server tells its clients no more than these. */
function readEntry(bytes: Buffer): Buffer | string {
  let request: unknown;
  try {
    request = JSON.parse(bytes.toString("utf8"));
  } catch {
    return "proto: syntax error: the body is not JSON";
  }
  const record = at(request, "hashedRekordRequestV002");
  if (record === undefined) return "invalid type, must be hashedrekord";
  const signature = at(record, "signature");
  const verifier = at(signature, "verifier");
  const [digest, content] = [bytesAt(record, "digest"), bytesAt(signature, "content")];
  const form = at(verifier, "x509Certificate") === undefined ? "publicKey" : "x509Certificate";
  const rawBytes = bytesAt(at(verifier, form), "rawBytes");
  const key = rawBytes === undefined ? undefined : publicKeyOf(form, rawBytes);
  if (
    verifier?.["keyDetails"] !== "PKIX_ECDSA_P256_SHA_256" ||
    digest === undefined ||
    content === undefined ||
    rawBytes === undefined ||
    key === undefined ||
    !verifiesP256Digest(key, digest, content)
  ) {
    return "invalid hashedrekord request";
  }
  const hashedRekordV002 = {
    data: { algorithm: "SHA2_256", digest: digest.toString("base64") },
    signature: {
      content: content.toString("base64"),
      verifier: {
        keyDetails: "PKIX_ECDSA_P256_SHA_256",
        [form]: { rawBytes: rawBytes.toString("base64") },
      },
    },
  };
  const body = Buffer.from(
    json.canonicalize({ apiVersion: "0.0.2", kind: "hashedrekord", spec: { hashedRekordV002 } }),
  );
  return body.length > MAX_ENTRY_BYTES ? "invalid entry" : body;
}

function at(value: unknown, name: string): Fields | undefined {
  const member = isFields(value) ? value[name] : undefined;
  return isFields(member) ? member : undefined;
}

function bytesAt(value: Fields | undefined, name: string): Buffer | undefined {
  const text = value?.[name];
  return typeof text === "string" && text !== "" ? Buffer.from(text, "base64") : undefined;
}

function publicKeyOf(form: "publicKey" | "x509Certificate", der: Buffer): KeyObject | undefined {
  try {
    const key = form === "publicKey" ? der : X509Certificate.parse(Buffer.from(der)).publicKey;
    return createPublicKey({ key, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}
