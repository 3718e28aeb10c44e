// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { createPublicKey, type KeyObject } from "node:crypto";
import { isFields, type Fields } from "./json-fields.ts";
import type { LineFile } from "./line-file.ts";
import { hashLeaf, merkleTree, type MerkleTree } from "./merkle-tree.ts";
import type { PreparedEntry } from "./prepared-entry.ts";
import { prepareEntry } from "./proposed-entry.ts";
import { Refusal } from "./refusal.ts";
import { ecdsaNoteSigner, signBytes, signCheckpoint } from "./signed-note.ts";

/**
 * The index of our first entry. The public log has retired shards, so an entry's index in the whole log (`logIndex`,
 * which the entry timestamp signs) is never its index in the tree (`inclusionProof.logIndex`); here neither.
 */
export const FIRST_LOG_INDEX = 1000;

/** An entry in the log. */
export interface LoggedEntry {
  /** 80 hex digits: tree ID, then leaf hash. */
  readonly uuid: string;
  /** The index in the whole log, earlier shards counted. */
  readonly logIndex: number;
  /** The canonical body: the leaf. */
  readonly body: Buffer;
  /** Seconds since 1970. */
  readonly integratedTime: number;
}

/** A Rekor v1 log: one shard, its search index and its attestation storage. */
export interface RekorV1Log {
  readonly entries: readonly LoggedEntry[];
  /** How many entries are in the tree. */
  readonly size: number;
  /** Decimal. */
  readonly treeId: string;
  /** sha256 of the key's SubjectPublicKeyInfo. */
  readonly logId: Buffer;
  readonly publicKeyPem: string;
  readonly tree: MerkleTree;
  /** Adds a proposed entry (parsed JSON) after the checks of the real server. Throws Refusal: 400, 409 or 422. */
  append(proposed: unknown): LoggedEntry;
  /** Adds whatever it is given, unchecked: what a log that lies would hold. Throws Refusal 409 for a body it has. */
  force(entry: PreparedEntry): LoggedEntry;
  /** By 64 or 80 hex digits; an 80-digit one must carry our tree ID. */
  byUuid(uuid: string): LoggedEntry | undefined;
  /** By the index in the whole log. */
  byLogIndex(logIndex: number): LoggedEntry | undefined;
  /** The UUIDs of all entries with one of these index keys, in no meaningful order. */
  search(keys: readonly string[]): ReadonlySet<string>;
  /** The payload in attestation storage, if it was stored. */
  attestation(entry: LoggedEntry): Buffer | undefined;
  /** An entry as the API answers it: a map from UUID to entry, proof against the present tree included. */
  present(entry: LoggedEntry, options: { readonly attestation: boolean }): Record<string, unknown>;
  /** The signed tree head of the present tree. */
  checkpoint(): string;
}

/**
 * Milliseconds, of every entry or of each by its index in the tree. The real server fills search and storage in the
 * background and in no order: 1 to 60 ms behind its answer, and under load an entry can show up 150 ms after one
 * that follows it in the log.
 */
export type Lag = number | ((index: number) => number);

interface RekorV1Options {
  /** The name on checkpoints; with the tree ID, their origin. */
  readonly hostname: string;
  /** P-256. */
  readonly privateKey: KeyObject;
  readonly file: LineFile;
  readonly clock: () => Date;
  /** How late search and attestation storage are. */
  readonly lag: Lag;
}

/** Opens a log with what its file holds. */
export function rekorV1Log(options: RekorV1Options): RekorV1Log {
  const signer = ecdsaNoteSigner(options.hostname, options.privateKey);
  const logId = signer.keyId;
  // Any positive 63-bit number will do; one that follows from the key stays the same between runs.
  const treeNumber = BigInt.asUintN(62, logId.readBigUInt64BE(8)) | 1n;
  const treeId = treeNumber.toString();
  const treePrefix = treeNumber.toString(16).padStart(16, "0");
  const publicKeyPem = createPublicKey(options.privateKey).export({ type: "spki", format: "pem" }).toString();

  const tree = merkleTree();
  const entries: LoggedEntry[] = [];
  const byLeafHash = new Map<string, LoggedEntry>();
  const index = new Map<string, { readonly uuid: string; readonly from: number }[]>();
  const attestations = new Map<string, { readonly data: Buffer; readonly from: number }>();
  const attestationKeys = new Map<string, string>();

  function add(prepared: PreparedEntry, integratedTime: number, from: number): LoggedEntry {
    const { body } = prepared;
    const leafHash = hashLeaf(body).toString("hex");
    const uuid = treePrefix + leafHash;
    const entry = { uuid, logIndex: FIRST_LOG_INDEX + tree.append(body), body, integratedTime };
    entries.push(entry);
    byLeafHash.set(leafHash, entry);
    for (const key of new Set(prepared.indexKeys.map((text) => text.toLowerCase()))) {
      const hits = index.get(key) ?? [];
      hits.push({ uuid, from });
      index.set(key, hits);
    }
    if (prepared.attestation !== undefined) {
      const { key, data } = prepared.attestation;
      attestationKeys.set(uuid, key);
      if (data !== undefined && !attestations.has(key)) attestations.set(key, { data, from });
    }
    return entry;
  }

  function log(prepared: PreparedEntry): LoggedEntry {
    const known = byLeafHash.get(hashLeaf(prepared.body).toString("hex"));
    if (known !== undefined) throw conflict(known.uuid);
    const integratedTime = Math.floor(options.clock().getTime() / 1000);
    options.file.append(toLine(prepared, integratedTime));
    const late = typeof options.lag === "number" ? options.lag : options.lag(tree.size);
    return add(prepared, integratedTime, performance.now() + late);
  }

  function checkpoint(): string {
    const origin = `${options.hostname} - ${treeId}`;
    return signCheckpoint({ origin, size: tree.size, root: tree.root() }, signer);
  }

  for (const line of options.file.lines) {
    const { prepared, integratedTime } = fromLine(line);
    add(prepared, integratedTime, 0);
  }

  const present: RekorV1Log["present"] = (entry, { attestation }) => {
    const signed = {
      body: entry.body.toString("base64"),
      integratedTime: entry.integratedTime,
      logID: logId.toString("hex"),
      logIndex: entry.logIndex,
    };
    const shardIndex = entry.logIndex - FIRST_LOG_INDEX;
    const stored = attestation ? find(entry) : undefined;
    return {
      [entry.uuid]: {
        ...signed,
        ...(stored === undefined ? {} : { attestation: { data: stored.toString("base64") } }),
        verification: {
          inclusionProof: {
            checkpoint: checkpoint(),
            hashes: tree.inclusionProof(shardIndex).map((hash) => hash.toString("hex")),
            logIndex: shardIndex,
            rootHash: tree.root().toString("hex"),
            treeSize: tree.size,
          },
          signedEntryTimestamp: signBytes(
            Buffer.from(json.canonicalize(signed)),
            options.privateKey,
          ).toString("base64"),
        },
      },
    };
  };

  function find(entry: LoggedEntry): Buffer | undefined {
    const stored = attestations.get(attestationKeys.get(entry.uuid) ?? "");
    return stored !== undefined && stored.from <= performance.now() ? stored.data : undefined;
  }

  return {
    entries,
    get size() {
      return tree.size;
    },
    treeId,
    logId,
    publicKeyPem,
    tree,
    append: (proposed) => log(prepareEntry(proposed)),
    force: log,
    byUuid(uuid) {
      const digits = uuid.toLowerCase();
      const entry = byLeafHash.get(digits.slice(-64));
      return digits.length === 64 || digits === entry?.uuid ? entry : undefined;
    },
    byLogIndex: (logIndex) => entries[logIndex - FIRST_LOG_INDEX],
    search(keys) {
      const now = performance.now();
      const hits = keys.flatMap((key) => index.get(key.toLowerCase()) ?? []);
      // Sorted by UUID: as little related to the order of the log as the real server's answer.
      return new Set(
        hits
          .filter(({ from }) => from <= now)
          .map(({ uuid }) => uuid)
          .toSorted(),
      );
    },
    attestation: find,
    present,
    checkpoint,
  };
}

function conflict(uuid: string): Refusal {
  return new Refusal(
    "conflict",
    `an equivalent entry already exists in the transparency log with UUID ${uuid}`,
    { status: 409, headers: { Location: `/api/v1/log/entries/${uuid}` } },
  );
}

function toLine({ body, indexKeys, attestation }: PreparedEntry, integratedTime: number): unknown {
  const stored = attestation && { key: attestation.key, data: attestation.data?.toString("base64") };
  return { integratedTime, body: body.toString("base64"), indexKeys, attestation: stored };
}

function fromLine(line: unknown): { readonly prepared: PreparedEntry; readonly integratedTime: number } {
  const fields = isFields(line) ? line : {};
  const indexKeys = Array.isArray(fields["indexKeys"]) ? fields["indexKeys"].map(String) : [];
  const body = Buffer.from(String(fields["body"]), "base64");
  const stored = fields["attestation"];
  const attestation = isFields(stored) ? { attestation: readAttestation(stored) } : {};
  return { prepared: { body, indexKeys, ...attestation }, integratedTime: Number(fields["integratedTime"]) };
}

function readAttestation({ key, data }: Fields): NonNullable<PreparedEntry["attestation"]> {
  return {
    key: String(key),
    ...(typeof data === "string" ? { data: Buffer.from(data, "base64") } : {}),
  };
}
