// SPDX-License-Identifier: Apache-2.0
import { jsonResponse, type ApiRequest, type ApiResponse } from "./api-exchange.ts";
import { isFields, type Fields } from "./json-fields.ts";
import { prepareEntry } from "./proposed-entry.ts";
import { invalid, Refusal } from "./refusal.ts";
import { hashLeaf } from "./merkle-tree.ts";
import type { RekorV1Log } from "./rekor-v1-log.ts";
import { searchIndex } from "./rekor-v1-search.ts";

const MAX_QUERIES = 10;
/** Trees are numbered in 63 bits. */
const MAX_TREE_ID = 2n ** 63n - 1n;
const UUID = /^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$/;

type Handler = (request: ApiRequest, log: RekorV1Log) => ApiResponse;

const ROUTES: readonly { readonly path: RegExp; readonly methods: Readonly<Record<string, Handler>> }[] = [
  { path: /^\/api\/v1\/index\/retrieve$/, methods: { POST: search } },
  { path: /^\/api\/v1\/log$/, methods: { GET: logInfo } },
  { path: /^\/api\/v1\/log\/proof$/, methods: { GET: logProof } },
  { path: /^\/api\/v1\/log\/publicKey$/, methods: { GET: publicKey } },
  { path: /^\/api\/v1\/log\/entries$/, methods: { GET: entryByIndex, POST: createEntry } },
  { path: /^\/api\/v1\/log\/entries\/retrieve$/, methods: { POST: retrieve } },
  { path: /^\/api\/v1\/log\/entries\/[^/]+$/, methods: { GET: entryByUuid } },
];

/** Answers one request as Rekor 1.5 does: same statuses, headers and error bodies. Never throws for what a client sends. */
export function answerRekorV1(request: ApiRequest, log: RekorV1Log): ApiResponse {
  try {
    const methods = ROUTES.find(({ path }) => path.test(request.path))?.methods;
    if (methods === undefined) {
      throw new Refusal("not-found", `path ${request.path} was not found`, { status: 404 });
    }
    const handler = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
    if (handler === undefined) {
      const allowed = Object.keys(methods).join(",");
      const message = `method ${request.method} is not allowed, but [${allowed}] are`;
      throw new Refusal("unsupported", message, { status: 405, headers: { Allow: allowed } });
    }
    return handler(request, log);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return jsonResponse(error.status, { code: error.number, message: error.message }, error.headers);
  }
}

function search(request: ApiRequest, log: RekorV1Log): ApiResponse {
  return jsonResponse(200, searchIndex(readJson(request, "query"), log));
}

function logInfo(_request: ApiRequest, log: RekorV1Log): ApiResponse {
  return jsonResponse(200, {
    inactiveShards: null,
    rootHash: log.tree.root().toString("hex"),
    signedTreeHead: log.checkpoint(),
    treeID: log.treeId,
    treeSize: log.size,
  });
}

function logProof({ query }: ApiRequest, log: RekorV1Log): ApiResponse {
  const first = integer(query, "firstSize", 1, 1);
  const last = integer(query, "lastSize", 1);
  checkTreeId(query, log);
  if (first > last) throw badRequest(`firstSize(${first}) must be less than lastSize(${last})`);
  if (last > log.size) {
    throw badRequest(
      `the tree size requested(${last}) was greater than what is currently observable(${log.size})`,
    );
  }
  const hashes = log.tree.consistencyProof(first, last).map((hash) => hash.toString("hex"));
  return jsonResponse(200, { hashes, rootHash: log.tree.root().toString("hex") });
}

function publicKey({ query }: ApiRequest, log: RekorV1Log): ApiResponse {
  checkTreeId(query, log);
  return { status: 200, headers: { "Content-Type": "application/x-pem-file" }, body: log.publicKeyPem };
}

function createEntry(request: ApiRequest, log: RekorV1Log): ApiResponse {
  const entry = log.append(readJson(request, "proposedEntry"));
  const location = `/api/v1/log/entries/${entry.uuid}`;
  // The real server adds the attestation only to answers that read the log.
  return jsonResponse(201, log.present(entry, { attestation: false }), {
    ETag: entry.uuid,
    Location: location,
  });
}

function entryByIndex({ query }: ApiRequest, log: RekorV1Log): ApiResponse {
  const entry = log.byLogIndex(integer(query, "logIndex", 0));
  return entry === undefined ? notThere() : jsonResponse(200, log.present(entry, { attestation: true }));
}

function entryByUuid({ path }: ApiRequest, log: RekorV1Log): ApiResponse {
  const uuid = path.slice(path.lastIndexOf("/") + 1);
  if (!UUID.test(uuid)) throw invalid(605, `entryUUID in path should match '${UUID.source}'`);
  if (uuid.length === 80) {
    const treeId = BigInt(`0x${uuid.slice(0, 16)}`);
    if (treeId > MAX_TREE_ID) {
      throw badRequest(`validation error: ${uuid.slice(0, 16)} is not a valid TreeID`);
    }
    if (treeId === 0n) {
      const message = "unexpected error communicating with transparency log";
      throw new Refusal("rejected", message, { status: 500 });
    }
  }
  const entry = log.byUuid(uuid);
  return entry === undefined ? notThere() : jsonResponse(200, log.present(entry, { attestation: true }));
}

function retrieve(request: ApiRequest, log: RekorV1Log): ApiResponse {
  const query = readJson(request, "entry");
  const uuids = list(query, "entryUUIDs").map(String);
  const indexes = list(query, "logIndexes").map((index, i) => {
    if (typeof index !== "number") throw unreadable("entry", `logIndexes.${i} is not a number`);
    if (index < 0) throw invalid(609, `logIndexes.${i} in body should be greater than or equal to 0`);
    return index;
  });
  const proposed = list(query, "entries");
  uuids.forEach((uuid, i) => {
    if (!UUID.test(uuid)) throw invalid(605, `entryUUIDs.${i} in body should match '${UUID.source}'`);
  });
  if (uuids.length + indexes.length + proposed.length > MAX_QUERIES) {
    throw invalid(422, `more than max allowed ${MAX_QUERIES} entries in request`);
  }
  for (const uuid of uuids) {
    const treeId = uuid.length === 80 ? BigInt(`0x${uuid.slice(0, 16)}`) : 1n;
    if (treeId === 0n || treeId > MAX_TREE_ID) throw badRequest(`invalid entryID ${uuid}`);
  }
  const found = [
    ...uuids.map((uuid) => log.byUuid(uuid)),
    ...proposed.map((entry) => log.byUuid(hashLeaf(prepareEntry(entry).body).toString("hex"))),
    ...indexes.map((index) => log.byLogIndex(index)),
  ];
  // What is unknown, or in another tree, is left out without a word.
  return jsonResponse(
    200,
    found.flatMap((entry) => (entry === undefined ? [] : [log.present(entry, { attestation: true })])),
  );
}

function list(query: Fields, name: string): readonly unknown[] {
  const value = query[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw unreadable("entry", `${name} is not a list`);
  if (value.length === 0) throw invalid(612, `${name} in body should have at least 1 items`);
  if (value.length > MAX_QUERIES) {
    throw invalid(611, `${name} in body should have at most ${MAX_QUERIES} items`);
  }
  return value;
}

function readJson({ mediaType, body }: ApiRequest, name: string): Fields {
  if (mediaType !== "application/json") {
    const message = `unsupported media type ${JSON.stringify(mediaType)}, only [application/json] are allowed`;
    throw new Refusal("unsupported", message, { status: 415 });
  }
  if (body.length === 0) throw invalid(602, `${name} in body is required`);
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw unreadable(name, "the body is not JSON");
  }
  // Go reads null into a structure without changing it.
  if (value === null) return {};
  if (!isFields(value)) throw unreadable(name, "the body is not an object");
  return value;
}

function integer(query: URLSearchParams, name: string, least: number, standard?: number): number {
  const text = query.get(name) ?? standard?.toString();
  if (text === undefined || text === "") throw invalid(602, `${name} in query is required`);
  if (!/^-?\d{1,15}$/.test(text)) {
    throw invalid(601, `${name} in query must be of type int64: ${JSON.stringify(text.slice(0, 40))}`);
  }
  if (Number(text) < least) {
    throw invalid(609, `${name} in query should be greater than or equal to ${least}`);
  }
  return Number(text);
}

function checkTreeId(query: URLSearchParams, log: RekorV1Log): void {
  const treeId = query.get("treeID");
  if (treeId === null || treeId === "" || treeId === log.treeId) return;
  if (!/^[0-9]+$/.test(treeId)) throw invalid(605, "treeID in query should match '^[0-9]+$'");
  throw badRequest(`no log range found for tree ID ${treeId.slice(0, 20)}`);
}

function notThere(): ApiResponse {
  return { status: 404, headers: {}, body: "" };
}

function badRequest(message: string): Refusal {
  return new Refusal("rejected", message, { status: 400 });
}

function unreadable(name: string, reason: string): Refusal {
  // Proposed entries are of several kinds and read by other code, whose errors nobody gave a status.
  if (name === "proposedEntry") return new Refusal("rejected", reason, { status: 500 });
  return badRequest(`parsing ${name} body from "" failed, because ${reason}`);
}
