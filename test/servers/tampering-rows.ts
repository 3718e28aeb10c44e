// SPDX-License-Identifier: Apache-2.0
import type { AnsweredEntry } from "../record/sample-log.ts";
import type { Check, Row, Section } from "./conformance-row.ts";
import { bundleOf, cosignVerdict, recorded, verdict, verify } from "./recorded-sample.ts";
import type { Target } from "./target.ts";
import { cosign } from "./tools.ts";

/** A row about an answer in which one thing was changed; cosign judges the bundle made of it. */
function tampered(
  says: string,
  by: { readonly ours: string; readonly cosign?: string },
  change: (entry: AnsweredEntry) => void,
): Row {
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

const notInLog = { ours: "refused: not-in-log", cosign: "refused" };
/** Base64 of the same bytes but for the last bit. */
function flipLastBit(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  return bytes.toString("base64");
}

const flipHex = (text: string) => (text.startsWith("0") ? "1" : "0") + text.slice(1);

const tampering: Row[] = [
  tampered("Another time", notInLog, (entry) => {
    entry.integratedTime += 1;
  }),
  tampered("Another index", notInLog, (entry) => {
    entry.logIndex += 1;
  }),
  tampered("Another index in the tree", notInLog, ({ verification: { inclusionProof } }) => {
    inclusionProof.logIndex -= 1;
  }),
  tampered("Another hash in the proof", notInLog, ({ verification: { inclusionProof } }) => {
    inclusionProof.hashes[0] = flipHex(inclusionProof.hashes[0] ?? "");
  }),
  tampered("A hash less in the proof", notInLog, ({ verification: { inclusionProof } }) => {
    inclusionProof.hashes.pop();
  }),
  tampered("A hash more in the proof", notInLog, ({ verification: { inclusionProof } }) => {
    inclusionProof.hashes.push("00".repeat(32));
  }),
  tampered("Another tree size beside the checkpoint", notInLog, ({ verification: { inclusionProof } }) => {
    // Much larger, because cosign goes by this size, and some proofs hold for the next size too.
    inclusionProof.treeSize *= 1000;
  }),
  tampered("Another root beside the checkpoint", notInLog, ({ verification: { inclusionProof } }) => {
    inclusionProof.rootHash = flipHex(inclusionProof.rootHash);
  }),
  tampered("Another size in the checkpoint", notInLog, ({ verification: { inclusionProof } }) => {
    inclusionProof.checkpoint = inclusionProof.checkpoint.replace(/\n(\d+)\n/, "\n1$1\n");
  }),
  tampered("Another signature below the checkpoint", notInLog, ({ verification: { inclusionProof } }) => {
    const { checkpoint } = inclusionProof;
    const start = checkpoint.lastIndexOf(" ") + 1;
    inclusionProof.checkpoint = `${checkpoint.slice(0, start)}${flipLastBit(checkpoint.slice(start))}\n`;
  }),
  tampered("Another promise", notInLog, ({ verification }) => {
    verification.signedEntryTimestamp = flipLastBit(verification.signedEntryTimestamp ?? "");
  }),
  tampered("Another log's identifier", { ours: "refused: unknown-log", cosign: "refused" }, (entry) => {
    entry.logID = flipHex(entry.logID);
  }),
  tampered("Another statement", { ours: "refused: wrong-payload", cosign: "refused" }, (entry) => {
    const text = Buffer.from(entry.attestation?.data ?? "", "base64").toString();
    const other = text.replace("linux/amd64", "linux/amd65");
    entry.attestation = { data: Buffer.from(other).toString("base64") };
  }),
  tampered("No statement", { ours: "refused: no-payload" }, (entry) => {
    delete entry.attestation;
  }),
  tampered("Another body", { ours: "refused: wrong-uuid", cosign: "refused" }, (entry) => {
    const body = Buffer.from(entry.body, "base64").toString();
    const other = body.replace(/("hash":\{"algorithm":"sha256","value":")[0-9a-f]{4}/, "$10000");
    entry.body = Buffer.from(other).toString("base64");
  }),
];

/** Whether what a log changes is noticed. */
export const refusingTampered: Section = { title: "Answers in which one thing was changed", rows: tampering };
