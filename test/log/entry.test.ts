// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  leafHash,
  LogEntryError,
  MAX_ATTESTATION_LENGTH,
  MAX_BODY_LENGTH,
  parseLogEntry,
  treeHead,
  verifyUuid,
} from "../../src/log/entry.ts";

const BODY = Buffer.from('{"kind":"intoto"}');
const LEAF = createHash("sha256").update("\0").update(BODY).digest("hex");
const ROOT = "5e".repeat(32);
const CHECKPOINT = `rekor.example.org - 2605736670972794746\n4163431\n${Buffer.from(ROOT, "hex").toString("base64")}\n\n— rekor.example.org AAAAAAA=\n`;
/** The tree of the origin above. */
const TREE = "24296fb24b8ad77a";
const UUID = TREE + LEAF;

type Json = { [field: string]: unknown };

function answer() {
  return {
    body: BODY.toString("base64"),
    integratedTime: 1656423002,
    logIndex: 2787137,
    logID: "c0".repeat(32),
    attestation: { data: "e30=" } as Json,
    verification: {
      inclusionProof: {
        hashes: ["ab".repeat(32), "cd".repeat(32)],
        logIndex: 12,
        rootHash: ROOT,
        treeSize: 4163431,
        checkpoint: CHECKPOINT,
      } as Json,
      signedEntryTimestamp: "MEUC",
    } as Json,
  };
}

describe("an entry is read as the log answers it", () => {
  test("with what we use of it", () => {
    const value = Object.assign(answer(), { unknown: "field" });
    expect(parseLogEntry(UUID, value)).toEqual({ uuid: UUID, ...answer() });
  });

  test("without an attestation, which a log need not store", () => {
    const { attestation: _, ...value } = answer();
    expect(parseLogEntry(UUID, value)).toEqual({ uuid: UUID, ...value });
  });

  test("in a tree of one leaf, whose proof is empty", () => {
    const value = answer();
    value.verification["inclusionProof"] = {
      ...(value.verification["inclusionProof"] as Json),
      hashes: [],
      treeSize: 1,
    };
    expect(parseLogEntry(UUID, value).verification.inclusionProof.hashes).toEqual([]);
  });
});

describe("what is not an entry, or too large, is refused by name", () => {
  const proofWith = (change: Json): unknown => {
    const value = answer();
    Object.assign(value.verification["inclusionProof"] as Json, change);
    return value;
  };

  test.for<{ row: string; value: unknown; uuid?: string; says: string }>([
    { row: "nothing", value: undefined, says: "the entry" },
    { row: "null", value: null, says: "the entry" },
    { row: "a text", value: "<html>", says: "the entry" },
    { row: "an empty object", value: {}, says: "body" },
    { row: "an empty body", value: { ...answer(), body: "" }, says: 'body": is empty' },
    {
      row: "a body in base64url",
      value: { ...answer(), body: "-_-_" },
      says: 'body": is not canonical base64',
    },
    {
      row: "a body without padding",
      value: { ...answer(), body: "e30" },
      says: 'body": is not canonical base64',
    },
    {
      row: "a body with spare bits set",
      value: { ...answer(), body: "e31=" },
      says: 'body": is not canonical base64',
    },
    {
      row: "a body with a line break",
      value: { ...answer(), body: "e30=\n" },
      says: 'body": is not canonical base64',
    },
    {
      row: "a huge body",
      value: { ...answer(), body: "A".repeat(MAX_BODY_LENGTH + 4) },
      says: 'body": is longer',
    },
    {
      row: "a huge attestation",
      value: { ...answer(), attestation: { data: "A".repeat(MAX_ATTESTATION_LENGTH + 4) } },
      says: 'attestation.data": is longer',
    },
    { row: "a time as text", value: { ...answer(), integratedTime: "1656423002" }, says: "integratedTime" },
    {
      row: "a time before 1970",
      value: { ...answer(), integratedTime: -1 },
      says: 'integratedTime": is not positive',
    },
    {
      row: "a part of a second",
      value: { ...answer(), integratedTime: 1.5 },
      says: 'integratedTime": is not a whole',
    },
    {
      row: "an index that no number can hold",
      value: { ...answer(), logIndex: 2 ** 53 },
      says: 'logIndex": is not a whole',
    },
    { row: "a negative index", value: { ...answer(), logIndex: -1 }, says: 'logIndex": is negative' },
    { row: "a short log id", value: { ...answer(), logID: "c0" }, says: 'logID": is not 64' },
    { row: "no verification", value: { ...answer(), verification: undefined }, says: "verification" },
    {
      row: "no proof",
      value: { ...answer(), verification: { signedEntryTimestamp: "MEUC" } },
      says: "inclusionProof",
    },
    {
      row: "no signed entry timestamp",
      value: { ...answer(), verification: { ...answer().verification, signedEntryTimestamp: undefined } },
      says: "verification.signedEntryTimestamp",
    },
    {
      row: "65 hashes",
      value: proofWith({ hashes: Array.from({ length: 65 }, () => ROOT) }),
      says: "more than 64 hashes",
    },
    {
      row: "a hash in upper case",
      value: proofWith({ hashes: [ROOT.toUpperCase()] }),
      says: 'hashes.0": is not 64',
    },
    { row: "a tree of no leaves", value: proofWith({ treeSize: 0 }), says: 'treeSize": is not positive' },
    {
      row: "a huge checkpoint",
      value: proofWith({ checkpoint: "x".repeat(20_000) }),
      says: 'checkpoint": is longer',
    },
    { row: "a short UUID", value: answer(), uuid: LEAF.slice(1), says: "not 64 or 80 hex digits" },
    { row: "a UUID that is a path", value: answer(), uuid: "../../x", says: '"../../x": its UUID' },
    { row: "a UUID that moves the cursor", value: answer(), uuid: "\u001b[2J", says: '"?[2J": its UUID' },
  ])("$row", ({ value, uuid = UUID, says }) => {
    const read = () => parseLogEntry(uuid, value);
    expect(read).toThrow(LogEntryError);
    expect(read).toThrow(
      expect.objectContaining({ code: "malformed-entry", message: expect.stringContaining(says) }),
    );
    expect(read).toThrow(expect.objectContaining({ message: expect.stringMatching(/^.{1,400}$/) }));
  });
});

describe("an entry's UUID leads to it", () => {
  test("the hash of its leaf is that of a zero byte and its body", () => {
    expect(leafHash(parseLogEntry(UUID, answer()).body)).toBe(LEAF);
  });

  test.for([
    { row: "with the tree's ID", uuid: UUID },
    { row: "without", uuid: LEAF },
  ])("$row", ({ uuid }) => {
    expect(() => verifyUuid(parseLogEntry(uuid, answer()))).not.toThrow();
  });

  test.for([
    { row: "the hash of another leaf", uuid: TREE + "00".repeat(32), says: "not the hash of its body" },
    { row: "the ID of another tree", uuid: "00".repeat(8) + LEAF, says: "another tree than its checkpoint" },
  ])("and not one with $row", ({ uuid, says }) => {
    expect(() => verifyUuid(parseLogEntry(uuid, answer()))).toThrow(
      expect.objectContaining({ name: "LogEntryError", message: expect.stringContaining(says) }),
    );
  });
});

function headOf(checkpoint: string) {
  return treeHead(checkpoint, "the log");
}

describe("a checkpoint's head", () => {
  test("says tree, size and root", () => {
    expect(headOf(CHECKPOINT)).toEqual({ treeId: TREE, treeSize: "4163431", rootHash: ROOT });
  });

  test("says no tree when the origin has none", () => {
    expect(headOf(CHECKPOINT.replace(/ - \d+/, ""))).toEqual({ treeSize: "4163431", rootHash: ROOT });
  });

  test.for([
    { row: "nothing", checkpoint: "" },
    { row: "no signature part", checkpoint: CHECKPOINT.replace("\n\n", "\n") },
    { row: "a size that is no number", checkpoint: CHECKPOINT.replace("4163431", "0x3f") },
    { row: "a root that is not base64", checkpoint: CHECKPOINT.replace("=\n\n", "\n\n") },
  ])("is not read from $row", ({ checkpoint }) => {
    expect(() => headOf(checkpoint)).toThrow(
      expect.objectContaining({ message: expect.stringContaining("not a signed tree head") }),
    );
  });
});
