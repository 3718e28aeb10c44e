// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { LogEntryError } from "../../src/log/entry.ts";
import { RecordError } from "../../src/record/error.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TagRecord, RecordContext } from "../../src/record/record.ts";
import { proveEntry } from "./prove.ts";
import {
  ALPINE,
  type AnsweredEntry,
  DIGEST,
  jointRoot,
  sampleKey,
  sampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "./sample-log.ts";

const key = sampleKey();
const stranger = sampleKey();
const sample = sampleLog();
const otherLog = sampleLog("log.example.net");

// Seven leaves with ours inside, so that the proof has hashes from both sides and from every level.
sample.record(sighting({ reference: `${ALPINE}-1` }), stranger);
sample.record(sighting({ reference: `${ALPINE}-2` }), stranger);
sample.record(sighting({ reference: `${ALPINE}-3` }), stranger);
const envelope = signEnvelope(sightingStatement(sighting()), key);
const logged = sample.append(envelope);
const neighbour = sample.record(sighting({ reference: "docker.io/library/busybox:1.36" }), key);
const copy = sample.append(envelope, "again");
sample.record(sighting({ reference: `${ALPINE}-4` }), stranger);
const elsewhere = otherLog.record(sighting(), key);
otherLog.record(sighting({ reference: `${ALPINE}-5` }), stranger);

const context: RecordContext = {
  subject: parseReference("alpine:3.16.0"),
  trust: trusting(stranger.signer, key.signer),
  trustedRoot: jointRoot(sample, otherLog),
};

type Found = { uuid: string; entry: AnsweredEntry };

function verify({ uuid, entry }: { uuid: string; entry: unknown }): TagRecord {
  return proveEntry({ uuid, entry }, context);
}

function proof({ entry }: Found): AnsweredEntry["verification"]["inclusionProof"] {
  return entry.verification.inclusionProof;
}

function attestationOf({ entry }: { entry: AnsweredEntry }): { data: string } {
  if (entry.attestation === undefined) throw new Error("the log stored no attestation");
  return entry.attestation;
}

function timestampOf({ entry }: Found): string {
  if (entry.verification.signedEntryTimestamp === undefined) throw new Error("the log signed no timestamp");
  return entry.verification.signedEntryTimestamp;
}

function flip(hex: string): string {
  return (hex.startsWith("0") ? "1" : "0") + hex.slice(1);
}

function edit(found: Found, from: string | RegExp, to: string): void {
  const text = proof(found).checkpoint;
  proof(found).checkpoint = text.replace(from, to);
  if (proof(found).checkpoint === text) throw new Error(`the checkpoint has no ${from}`);
}

function refusal(action: () => unknown): RecordError | LogEntryError {
  try {
    action();
  } catch (error) {
    if (error instanceof RecordError || error instanceof LogEntryError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("an entry that was tampered with on its way is refused", () => {
  test.for<{ row: string; change: (found: Found) => unknown; code: string; says: string }>([
    {
      row: "the statement of another record",
      change: ({ entry }) => (entry.attestation = attestationOf(sample.found(neighbour))),
      code: "wrong-payload",
      says: "not the one that was logged",
    },
    {
      row: "a statement with one more space",
      change: ({ entry }) =>
        (entry.attestation = {
          data: Buffer.from(`${atob(attestationOf({ entry }).data)} `).toString("base64"),
        }),
      code: "wrong-payload",
      says: "not the one that was logged",
    },
    {
      row: "no statement",
      change: ({ entry }) => delete entry.attestation,
      code: "no-payload",
      says: "did not bring",
    },
    {
      row: "an empty statement",
      change: ({ entry }) => (entry.attestation = { data: "" }),
      code: "malformed-entry",
      says: 'attestation.data": is empty',
    },
    {
      row: "another time",
      change: ({ entry }) => (entry.integratedTime += 1),
      code: "not-in-log",
      says: "inclusion promise could not be verified",
    },
    {
      row: "the beginning of time",
      change: ({ entry }) => (entry.integratedTime = 0),
      code: "malformed-entry",
      says: "integratedTime",
    },
    {
      row: "another index",
      change: ({ entry }) => (entry.logIndex -= 1),
      code: "not-in-log",
      says: "inclusion promise could not be verified",
    },
    {
      row: "another log that is trusted too",
      change: ({ entry }) => (entry.logID = otherLog.log.logId.toString("hex")),
      code: "not-in-log",
      says: "inclusion promise could not be verified",
    },
    {
      row: "a log that nobody knows",
      change: ({ entry }) => (entry.logID = flip(entry.logID)),
      code: "unknown-log",
      says: 'not in the trusted root "trusted_root.json"',
    },
    {
      row: "a log's id in upper case",
      change: ({ entry }) => (entry.logID = entry.logID.toUpperCase()),
      code: "malformed-entry",
      says: 'logID": is not 64 lower-case hex digits',
    },
    ...Array.from(proof(sample.found(logged)).hashes.keys(), (index) => ({
      row: `another hash ${index} in the proof`,
      change: (found: Found) => (proof(found).hashes[index] = flip(proof(found).hashes[index] ?? "")),
      code: "not-in-log",
      says: "calculated root hash does not match",
    })),
    {
      row: "a proof with one hash missing",
      change: (found) => proof(found).hashes.pop(),
      code: "not-in-log",
      says: "invalid hash count",
    },
    {
      row: "a proof with one hash more",
      change: (found) => proof(found).hashes.push("00".repeat(32)),
      code: "not-in-log",
      says: "invalid hash count",
    },
    {
      row: "a proof in the wrong order",
      change: (found) => proof(found).hashes.push(proof(found).hashes.shift() ?? ""),
      code: "not-in-log",
      says: "calculated root hash does not match",
    },
    {
      row: "a proof with a hundred hashes",
      change: (found) => (proof(found).hashes = Array.from({ length: 100 }, () => "00".repeat(32))),
      code: "malformed-entry",
      says: "more than 64 hashes",
    },
    {
      row: "a proof for another leaf",
      change: ({ entry }) =>
        (entry.verification.inclusionProof = sample.found(neighbour).entry.verification.inclusionProof),
      code: "not-in-log",
      says: "calculated root hash does not match",
    },
    {
      row: "another index in the proof",
      change: (found) => (proof(found).logIndex ^= 1),
      code: "not-in-log",
      says: "calculated root hash does not match",
    },
    {
      row: "an index beyond the tree",
      change: (found) => (proof(found).logIndex = 7),
      code: "not-in-log",
      says: "invalid index: 7",
    },
    {
      row: "another root beside the checkpoint",
      change: (found) => (proof(found).rootHash = flip(proof(found).rootHash)),
      code: "not-in-log",
      says: "another tree than its checkpoint",
    },
    {
      row: "another size beside the checkpoint",
      change: (found) => (proof(found).treeSize += 1),
      code: "not-in-log",
      says: "another tree than its checkpoint",
    },
    {
      row: "no signed entry timestamp",
      change: ({ entry }) => delete entry.verification.signedEntryTimestamp,
      code: "malformed-entry",
      says: "verification.signedEntryTimestamp",
    },
    {
      row: "the signed entry timestamp of another entry",
      change: ({ entry }) => (entry.verification.signedEntryTimestamp = timestampOf(sample.found(neighbour))),
      code: "not-in-log",
      says: "inclusion promise could not be verified",
    },
    {
      row: "no checkpoint",
      change: (found) => (proof(found).checkpoint = ""),
      code: "wrong-uuid",
      says: "a UUID that is not its own",
    },
    {
      row: "a checkpoint without its signatures",
      change: (found) => edit(found, /\n\n.*/s, "\n\n"),
      code: "not-in-log",
      says: "no signatures found in checkpoint",
    },
    {
      row: "a larger tree in the checkpoint",
      change: (found) => (edit(found, "\n7\n", "\n8\n"), (proof(found).treeSize = 8)),
      code: "not-in-log",
      says: "invalid checkpoint signature",
    },
    {
      row: "another root in the checkpoint",
      change: (found) => {
        proof(found).rootHash = "11".repeat(32);
        edit(found, /(?<=\n7\n).*/, Buffer.alloc(32, 0x11).toString("base64"));
      },
      code: "not-in-log",
      says: "invalid checkpoint signature",
    },
    {
      row: "another size in the checkpoint alone",
      change: (found) => edit(found, "\n7\n", "\n8\n"),
      code: "not-in-log",
      says: "another tree than its checkpoint",
    },
    {
      row: "another tree in the checkpoint's origin",
      change: (found) => edit(found, ` - ${sample.log.treeId}\n`, " - 4711\n"),
      code: "wrong-uuid",
      says: "a UUID that is not its own",
    },
    {
      row: "another host in the checkpoint's origin",
      change: (found) => edit(found, "rekor.example.org -", "rekor.example.com -"),
      code: "not-in-log",
      says: "invalid checkpoint signature",
    },
    {
      row: "the checkpoint of another log",
      change: (found) => {
        const { inclusionProof } = otherLog.found(elsewhere).entry.verification;
        const { checkpoint, rootHash, treeSize } = inclusionProof;
        Object.assign(proof(found), { checkpoint, rootHash, treeSize });
        found.uuid = found.uuid.slice(-64);
      },
      code: "not-in-log",
      says: "invalid checkpoint signature",
    },
    {
      row: "another log's proof of the same body",
      change: (found) => {
        found.entry.verification.inclusionProof = otherLog.found(elsewhere).entry.verification.inclusionProof;
        found.uuid = found.uuid.slice(-64);
      },
      code: "not-in-log",
      says: "invalid checkpoint signature",
    },
    {
      row: "a huge checkpoint",
      change: (found) => (proof(found).checkpoint += "x".repeat(20_000)),
      code: "malformed-entry",
      says: 'checkpoint": is longer than',
    },
    {
      row: "the body of another record",
      change: ({ entry }) => (entry.body = neighbour.body.toString("base64")),
      code: "wrong-uuid",
      says: "a UUID that is not its own",
    },
    {
      row: "the body of a copy of it",
      change: (found) => (found.entry.body = copy.body.toString("base64")),
      code: "wrong-uuid",
      says: "a UUID that is not its own",
    },
    {
      row: "the body of a copy of it, under that one's UUID",
      change: (found) =>
        Object.assign(found, {
          uuid: copy.uuid,
          entry: { ...found.entry, body: sample.found(copy).entry.body },
        }),
      code: "not-in-log",
      says: "inclusion promise could not be verified",
    },
    {
      row: "the body of a copy of it, with that one's UUID and proof",
      change: (found) => {
        const { uuid, entry } = sample.found(copy);
        proof(found).hashes = entry.verification.inclusionProof.hashes;
        proof(found).logIndex = entry.verification.inclusionProof.logIndex;
        Object.assign(found, { uuid, entry: { ...found.entry, body: entry.body } });
      },
      code: "not-in-log",
      says: "inclusion promise could not be verified",
    },
    {
      row: "the signed entry timestamp's half of a copy of it",
      change: (found) => {
        const { logIndex, verification } = sample.found(copy).entry;
        found.entry.logIndex = logIndex;
        found.entry.verification.signedEntryTimestamp = verification.signedEntryTimestamp ?? "";
      },
      code: "not-in-log",
      says: "inclusion promise could not be verified",
    },
    {
      row: "the UUID of another leaf",
      change: (found) => (found.uuid = neighbour.uuid),
      code: "wrong-uuid",
      says: "a UUID that is not its own",
    },
    {
      row: "the UUID of another tree",
      change: (found) => (found.uuid = "00".repeat(8) + found.uuid.slice(16)),
      code: "wrong-uuid",
      says: "a UUID that is not its own",
    },
    {
      row: "a UUID that is none",
      change: (found) => (found.uuid = `${found.uuid}0`),
      code: "malformed-entry",
      says: "not 64 or 80 hex digits",
    },
    {
      row: "a body that is not base64",
      change: ({ entry }) => (entry.body = `${entry.body}!`),
      code: "malformed-entry",
      says: 'body": is not canonical base64',
    },
    {
      row: "a body that is too long",
      change: ({ entry }) => (entry.body = "AAAA".repeat(100_000)),
      code: "malformed-entry",
      says: 'body": is longer than 262144',
    },
    {
      row: "a body that is not JSON",
      change: ({ entry }) => (entry.body = "AAAA"),
      code: "malformed",
      says: "it is not JSON",
    },
  ])("$row", ({ change, code, says }) => {
    const found = sample.found(logged);
    change(found);
    const error = refusal(() => verify(found));
    expect(error.code).toBe(code);
    expect(`${error.message} ${error.cause instanceof Error ? error.cause.message : ""}`).toContain(says);
  });

  test("and the very same answer, unchanged, is not", () => {
    expect(proof(sample.found(logged)).hashes).toHaveLength(3);
    expect(verify(sample.found(logged)).digest).toBe(DIGEST);
  });
});
