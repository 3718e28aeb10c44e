// SPDX-License-Identifier: Apache-2.0
import type { AnsweredEntry } from "../record/sample-log.ts";
import type { SampleBundle } from "../record/sample-bundle.ts";
import type { Check, Row, Section } from "./conformance-row.ts";
import { bundleOf, cosignVerdict, recorded, verdict, verify, verifyBundled } from "./recorded-sample.ts";
import { newSample, recordV2 } from "./sample-sighting.ts";
import type { Target } from "./target.ts";
import { cosign } from "./tools.ts";

/** What we and cosign are expected to say of a changed answer. */
interface Expected {
  readonly ours: string;
  readonly cosign?: string;
}

/** A row about an answer of the v1 log in which one thing was changed; cosign judges the bundle made of it. */
function tampered(says: string, by: Expected, change: (entry: AnsweredEntry) => void): Row {
  const make = async (target: Target) => {
    const made = await recorded(target);
    change(made.entry);
    return made;
  };
  const ours: Check = {
    expected: by.ours,
    async look(target) {
      const made = await make(target);
      return verdict(() => verify(target, made, made.entry));
    },
  };
  if (by.cosign === undefined) return { says, ours };
  const withCosign: Check = {
    expected: by.cosign,
    async look(target) {
      const { sample, uuid, entry } = await make(target);
      return cosignVerdict(await cosign({ target, sample, bundle: bundleOf(uuid, entry) }));
    },
  };
  return { says, ours, cosign: withCosign };
}

/** The same of the bundle that a v2 log's answer makes; `other` is another record's. */
function bundleTampered(
  by: Expected,
  change: (bundle: SampleBundle, other: SampleBundle) => void,
): NonNullable<Row["v2"]> {
  const make = async (target: Target) => {
    const sample = newSample();
    // One after the other, so that there is something to prove.
    const other = (await recordV2(target, newSample())) as SampleBundle;
    const bundle = (await recordV2(target, sample)) as SampleBundle;
    change(bundle, other);
    return { target, sample, bundle, timed: true };
  };
  const ours: Check = {
    expected: by.ours,
    async look(target) {
      const { sample, bundle } = await make(target);
      return verdict(() => verifyBundled(target, sample, bundle));
    },
  };
  if (by.cosign === undefined) return { ours };
  const look = async (target: Target) => cosignVerdict(await cosign(await make(target)));
  return { ours, cosign: { expected: by.cosign, look } };
}

const notInLog = { ours: "refused: not-in-log", cosign: "refused" };
const refused = (code: string): Expected => ({ ours: `refused: ${code}`, cosign: "refused" });
/** What cosign does not read in bundles of v2: it goes by the checkpoint, and makes the body itself. */
const unread = (code: string): Expected => ({ ours: `refused: ${code}`, cosign: "verified" });

/** Base64 of the same bytes but for the last bit. */
function flipLastBit(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  return bytes.toString("base64");
}

const flipHex = (text: string) => (text.startsWith("0") ? "1" : "0") + text.slice(1);

/** A checkpoint with another size, and one with another signature. */
const resized = (checkpoint: string) => checkpoint.replace(/\n(\d+)\n/, "\n1$1\n");
const resigned = (checkpoint: string) => {
  const start = checkpoint.lastIndexOf(" ") + 1;
  return `${checkpoint.slice(0, start)}${flipLastBit(checkpoint.slice(start))}\n`;
};
const otherPlatform = (statement: string) => {
  const text = Buffer.from(statement, "base64").toString();
  return Buffer.from(text.replace("linux/amd64", "linux/amd65")).toString("base64");
};
const entryOf = ({ verificationMaterial }: SampleBundle) => verificationMaterial.tlogEntries[0];
const timestampsOf = ({ verificationMaterial }: SampleBundle) =>
  verificationMaterial.timestampVerificationData;

const tampering: Row[] = [
  {
    ...tampered("Another time", notInLog, (entry) => {
      entry.integratedTime += 1;
    }),
    v2: bundleTampered(refused("bad-timestamp"), (bundle, other) => {
      Object.assign(bundle.verificationMaterial, { timestampVerificationData: timestampsOf(other) });
    }),
  },
  {
    says: "No time",
    v2: bundleTampered(refused("bad-timestamp"), (bundle) => {
      delete bundle.verificationMaterial.timestampVerificationData;
    }),
  },
  {
    says: "A time by the log, which says none",
    v2: bundleTampered(refused("bad-timestamp"), (bundle) => {
      delete bundle.verificationMaterial.timestampVerificationData;
      entryOf(bundle).integratedTime = `${Math.floor(Date.now() / 1000)}`;
    }),
  },
  {
    ...tampered("Another index", notInLog, (entry) => {
      entry.logIndex += 1;
    }),
    v2: bundleTampered(notInLog, (bundle) => {
      entryOf(bundle).logIndex = `${Number(entryOf(bundle).logIndex) + 1}`;
    }),
  },
  {
    ...tampered("Another index in the tree", notInLog, ({ verification: { inclusionProof } }) => {
      inclusionProof.logIndex -= 1;
    }),
    v2: bundleTampered(unread("not-in-log"), (bundle) => {
      const { inclusionProof } = entryOf(bundle);
      inclusionProof.logIndex = `${Number(inclusionProof.logIndex) - 1}`;
    }),
  },
  {
    ...tampered("Another hash in the proof", notInLog, ({ verification: { inclusionProof } }) => {
      inclusionProof.hashes[0] = flipHex(inclusionProof.hashes[0] ?? "");
    }),
    v2: bundleTampered(notInLog, (bundle) => {
      const { hashes } = entryOf(bundle).inclusionProof;
      hashes[0] = flipLastBit(hashes[0] ?? "");
    }),
  },
  {
    ...tampered("A hash less in the proof", notInLog, ({ verification: { inclusionProof } }) => {
      inclusionProof.hashes.pop();
    }),
    v2: bundleTampered(notInLog, (bundle) => void entryOf(bundle).inclusionProof.hashes.pop()),
  },
  {
    ...tampered("A hash more in the proof", notInLog, ({ verification: { inclusionProof } }) => {
      inclusionProof.hashes.push("00".repeat(32));
    }),
    v2: bundleTampered(
      notInLog,
      (bundle) => void entryOf(bundle).inclusionProof.hashes.push(Buffer.alloc(32).toString("base64")),
    ),
  },
  {
    ...tampered(
      "Another tree size beside the checkpoint",
      notInLog,
      ({ verification: { inclusionProof } }) => {
        // Much larger, because cosign goes by this size, and some proofs hold for the next size too.
        inclusionProof.treeSize *= 1000;
      },
    ),
    v2: bundleTampered(unread("not-in-log"), (bundle) => {
      entryOf(bundle).inclusionProof.treeSize += "000";
    }),
  },
  {
    ...tampered("Another root beside the checkpoint", notInLog, ({ verification: { inclusionProof } }) => {
      inclusionProof.rootHash = flipHex(inclusionProof.rootHash);
    }),
    v2: bundleTampered(unread("not-in-log"), (bundle) => {
      const { inclusionProof } = entryOf(bundle);
      inclusionProof.rootHash = flipLastBit(inclusionProof.rootHash);
    }),
  },
  {
    ...tampered("Another size in the checkpoint", notInLog, ({ verification: { inclusionProof } }) => {
      inclusionProof.checkpoint = resized(inclusionProof.checkpoint);
    }),
    v2: bundleTampered(notInLog, (bundle) => {
      const { checkpoint } = entryOf(bundle).inclusionProof;
      checkpoint.envelope = resized(checkpoint.envelope);
    }),
  },
  {
    ...tampered(
      "Another signature below the checkpoint",
      notInLog,
      ({ verification: { inclusionProof } }) => {
        inclusionProof.checkpoint = resigned(inclusionProof.checkpoint);
      },
    ),
    v2: bundleTampered(notInLog, (bundle) => {
      const { checkpoint } = entryOf(bundle).inclusionProof;
      checkpoint.envelope = resigned(checkpoint.envelope);
    }),
  },
  {
    says: "The checkpoint of another entry's answer",
    v2: bundleTampered(notInLog, (bundle, other) => {
      entryOf(bundle).inclusionProof.checkpoint = entryOf(other).inclusionProof.checkpoint;
    }),
  },
  tampered("Another promise", notInLog, ({ verification }) => {
    verification.signedEntryTimestamp = flipLastBit(verification.signedEntryTimestamp ?? "");
  }),
  {
    ...tampered("Another log's identifier", refused("unknown-log"), (entry) => {
      entry.logID = flipHex(entry.logID);
    }),
    v2: bundleTampered(refused("unknown-log"), (bundle) => {
      const { logId } = entryOf(bundle);
      logId.keyId = flipLastBit(logId.keyId);
    }),
  },
  {
    ...tampered("Another statement", refused("wrong-payload"), (entry) => {
      entry.attestation = { data: otherPlatform(entry.attestation?.data ?? "") };
    }),
    v2: bundleTampered(refused("bad-signature"), ({ dsseEnvelope }) => {
      dsseEnvelope.payload = otherPlatform(dsseEnvelope.payload);
    }),
  },
  tampered("No statement", { ours: "refused: no-payload" }, (entry) => {
    delete entry.attestation;
  }),
  {
    ...tampered("Another body", refused("wrong-uuid"), (entry) => {
      const body = Buffer.from(entry.body, "base64").toString();
      const other = body.replace(/("hash":\{"algorithm":"sha256","value":")[0-9a-f]{4}/, "$10000");
      entry.body = Buffer.from(other).toString("base64");
    }),
    v2: bundleTampered(unread("wrong-entry"), (bundle) => {
      const body = Buffer.from(entryOf(bundle).canonicalizedBody, "base64").toString();
      const other = body.replace(/("digest":")[^"]{4}/, "$1AAAA");
      entryOf(bundle).canonicalizedBody = Buffer.from(other).toString("base64");
    }),
  },
  {
    says: "The entry of another record",
    v2: bundleTampered(refused("untrusted-signer"), (bundle, other) => {
      bundle.verificationMaterial.tlogEntries = other.verificationMaterial.tlogEntries;
    }),
  },
];

/** Whether what a log changes is noticed. */
export const refusingTampered: Section = { title: "Answers in which one thing was changed", rows: tampering };
