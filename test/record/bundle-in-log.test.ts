// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, test } from "vitest";
import { jointRoot, signEnvelope } from "./sample-log.ts";
import {
  DSSE,
  HASHEDREKORD,
  INTOTO,
  KINDS,
  base64,
  edit,
  entryOf,
  flip,
  inTheirKinds,
  judge,
  key,
  proofOf,
  refusalOf,
  sampleEvidence,
  type Kind,
  type SampleEvidence,
} from "../attestation/sample-evidence.ts";

let evidence: SampleEvidence;
beforeAll(async () => {
  evidence = await sampleEvidence();
});

describe("a bundle is refused that is not proven to be in its log, with", () => {
  test.for(
    inTheirKinds([
      {
        row: "a log that nobody knows",
        change: (bundle) => (entryOf(bundle).logId.keyId = flip(entryOf(bundle).logId.keyId)),
        code: "unknown-log",
        says: 'not in the trusted root "trusted_root.json"',
      },
      {
        row: "another log that is trusted too",
        change: (bundle) => (entryOf(bundle).logId.keyId = base64(evidence.other.log.logId)),
        code: "not-in-log",
      },
      {
        row: "another index",
        change: (bundle) => (entryOf(bundle).logIndex = String(Number(entryOf(bundle).logIndex) + 1)),
        code: "not-in-log",
      },
      {
        row: "another index in the proof",
        change: (bundle) => (proofOf(bundle).logIndex = String(Number(proofOf(bundle).logIndex) ^ 1)),
        code: "not-in-log",
      },
      {
        row: "an index that the tree does not have",
        change: (bundle, of) => {
          proofOf(bundle).logIndex = proofOf(bundle).treeSize;
          if (of === HASHEDREKORD) entryOf(bundle).logIndex = proofOf(bundle).treeSize;
        },
        code: "not-in-log",
        says: "invalid index",
      },
      {
        row: "a proof with one hash missing",
        change: (bundle) => proofOf(bundle).hashes.pop(),
        code: "not-in-log",
        says: "invalid hash count",
      },
      {
        row: "a proof with one hash more",
        change: (bundle) => proofOf(bundle).hashes.push(base64(Buffer.alloc(32))),
        code: "not-in-log",
        says: "invalid hash count",
      },
      {
        row: "another hash in the proof",
        change: (bundle) => (proofOf(bundle).hashes[0] = flip(proofOf(bundle).hashes[0] ?? "")),
        code: "not-in-log",
        says: "calculated root hash does not match",
      },
      {
        row: "a short hash in the proof",
        change: (bundle) => (proofOf(bundle).hashes[0] = base64(Buffer.alloc(31))),
        code: "not-in-log",
      },
      {
        row: "another root beside the checkpoint",
        change: (bundle) => (proofOf(bundle).rootHash = flip(proofOf(bundle).rootHash)),
        code: "not-in-log",
        says: "another tree than its checkpoint",
      },
      {
        row: "another size beside the checkpoint",
        change: (bundle) => (proofOf(bundle).treeSize += "0"),
        code: "not-in-log",
        says: "another tree than its checkpoint",
      },
      {
        row: "another size in both",
        change: (bundle) => {
          const { treeSize } = proofOf(bundle);
          edit(bundle, `\n${treeSize}\n`, `\n${treeSize}0\n`);
          proofOf(bundle).treeSize += "0";
        },
        code: "not-in-log",
        says: "invalid checkpoint signature",
      },
      {
        row: "no checkpoint",
        change: (bundle) => (proofOf(bundle).checkpoint.envelope = ""),
        code: "not-in-log",
        says: "not a signed tree head",
      },
      {
        row: "a checkpoint without its signatures",
        change: (bundle) => edit(bundle, /\n\n.*/s, "\n\n"),
        code: "not-in-log",
        says: "no signatures found in checkpoint",
      },
      {
        row: "a checkpoint of another log",
        change: (bundle, of) => {
          const { checkpoint, rootHash, treeSize } = proofOf(evidence.elsewhere[of]);
          Object.assign(proofOf(bundle), { checkpoint, rootHash, treeSize });
        },
        code: "not-in-log",
        says: "invalid checkpoint signature",
      },
      {
        row: "a checkpoint of a tree that was smaller",
        kinds: [INTOTO, DSSE],
        change: (bundle) => {
          const { checkpoint, rootHash, treeSize } = proofOf(evidence.certified[INTOTO]);
          Object.assign(proofOf(bundle), { checkpoint, rootHash, treeSize });
        },
        code: "not-in-log",
        says: "invalid hash count",
      },
      {
        row: "a checkpoint from before it was there",
        kinds: [HASHEDREKORD],
        change: async (bundle) => {
          const later = await evidence.v2.bundle(signEnvelope(evidence.statement({ platforms: [] }), key));
          const { checkpoint, rootHash, treeSize } = proofOf(evidence.good[HASHEDREKORD]);
          Object.assign(bundle, later);
          Object.assign(proofOf(bundle), { checkpoint, rootHash, treeSize });
        },
        code: "not-in-log",
        says: "invalid index",
      },
      {
        row: "the same entry proven by another log",
        kinds: [HASHEDREKORD],
        change: (bundle) => {
          const theirs = structuredClone(evidence.elsewhere[HASHEDREKORD]);
          entryOf(bundle).inclusionProof = proofOf(theirs);
          entryOf(bundle).logIndex = entryOf(theirs).logIndex;
        },
        code: "not-in-log",
        says: "invalid checkpoint signature",
      },
      {
        row: "no time that the log signed",
        kinds: [INTOTO, DSSE],
        change: (bundle) => delete entryOf(bundle).inclusionPromise,
        code: "not-in-log",
        says: "no signed entry timestamp",
      },
      {
        row: "the beginning of time",
        kinds: [INTOTO, DSSE],
        change: (bundle) => (entryOf(bundle).integratedTime = "0"),
        code: "not-in-log",
        says: "no signed entry timestamp",
      },
      {
        row: "a second more",
        kinds: [INTOTO, DSSE],
        change: (bundle) =>
          (entryOf(bundle).integratedTime = String(Number(entryOf(bundle).integratedTime) + 1)),
        code: "not-in-log",
        says: "inclusion promise could not be verified",
      },
      {
        row: "the signed time of another entry",
        kinds: [INTOTO, DSSE],
        change: (bundle, of) =>
          (entryOf(bundle).inclusionPromise = entryOf(evidence.neighbour[of]).inclusionPromise ?? null),
        code: "not-in-log",
        says: "inclusion promise could not be verified",
      },
    ]),
  )("$row ($kind)", (row) => judge(row, evidence));
});

describe("what the trusted root and the policy do not have is refused", () => {
  test.for(KINDS)("a log that the policy does not name (%s)", (kind) => {
    const error = refusalOf(evidence.good[kind], { ...evidence.context, logs: ["https://log.example.net"] });
    expect(error.code).toBe("unnamed-log");
    expect(error.message).toContain("the policy does not name its log");
    expect(refusalOf(evidence.good[kind], { ...evidence.context, logs: [] }).code).toBe("unnamed-log");
  });

  test.for<{ row: string; kind: Kind; part: string; validFor: object; code: string }>([
    {
      row: "a log's key that was not valid yet",
      kind: HASHEDREKORD,
      part: "tlogs",
      validFor: { start: "2090-01-01T00:00:00Z" },
      code: "not-in-log",
    },
    {
      row: "a log's key that was not valid any more",
      kind: HASHEDREKORD,
      part: "tlogs",
      validFor: { start: "2020-01-01T00:00:00Z", end: "2021-01-01T00:00:00Z" },
      code: "not-in-log",
    },
    {
      row: "a timestamp authority that was not valid any more",
      kind: HASHEDREKORD,
      part: "timestampAuthorities",
      validFor: { start: "2020-01-01T00:00:00Z", end: "2021-01-01T00:00:00Z" },
      code: "bad-timestamp",
    },
  ])("$row", ({ kind, part, validFor, code }) => {
    const root = structuredClone(evidence.v2.root) as { [part: string]: { [field: string]: unknown }[] };
    for (const each of root[part] ?? []) {
      Object.assign((part === "tlogs" ? each["publicKey"] : each) as object, { validFor });
    }
    expect(
      refusalOf(evidence.good[kind], { ...evidence.context, trustedRoot: jointRoot({ root }) }).code,
    ).toBe(code);
  });

  test("every timestamp authority", () => {
    const { timestampAuthorities: _, ...root } = evidence.v2.root as { timestampAuthorities: unknown };
    expect(
      refusalOf(evidence.good[HASHEDREKORD], { ...evidence.context, trustedRoot: jointRoot({ root }) }).code,
    ).toBe("bad-timestamp");
  });
});
