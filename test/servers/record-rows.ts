// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { parseLogEntry } from "../../src/log/entry.ts";
import { type RawEntry, sameLeaf } from "../../src/log/rekor-v1.ts";
import { readEnvelope, rebuildBundle } from "../../src/record/bundle.ts";
import { RecordError } from "../../src/record/error.ts";
import { type Record as Proven, verifyRecord } from "../../src/record/verification.ts";
import type { AnsweredEntry } from "../record/sample-log.ts";
import { sampleKey } from "../record/sample-log.ts";
import { newSigningKey, proposeDsse, proposeIntoto, statementAbout } from "../sigstore/signed-statement.ts";
import type { Check, Row, Section } from "./conformance-row.ts";
import { find, historyOf, newSample, record, type Sample, type SignatureKept } from "./sample-sighting.ts";
import { ask, type Target } from "./target.ts";
import { cosign, rekorCli, rekorCliJson } from "./tools.ts";

/** A sample that was recorded, and the entry as the log brought it back. */
interface Recorded {
  readonly sample: Sample;
  readonly uuid: string;
  readonly entry: AnsweredEntry;
}

async function recorded(target: Target): Promise<Recorded> {
  const sample = newSample();
  // Before and after it others log too, so that there is something to prove.
  await record(target, newSample());
  const uuid = await record(target, sample);
  await record(target, newSample());
  const [found] = await find(target, sample, uuid);
  if (found === undefined || found.entry === null) throw new Error(`"${uuid}" is not brought`);
  return { sample, uuid, entry: found.entry as AnsweredEntry };
}

/** As another client records it: our courier signs with P-256 alone. */
async function recordedWithEd25519(target: Target): Promise<Recorded> {
  const sample = newSample(sampleKey("ed25519"));
  const uuid = await post(target, proposeIntoto(Buffer.from(sample.statement), sample.key.privateKey));
  await record(target, newSample());
  const [found] = await find(target, sample, uuid);
  if (found === undefined || found.entry === null) throw new Error(`"${uuid}" is not brought`);
  return { sample, uuid, entry: found.entry as AnsweredEntry };
}

function verify(target: Target, { sample, uuid }: Recorded, entry: unknown): Proven {
  const { trustedRoot } = target;
  const context = { subject: sample.reference, signers: [sample.key.signer], trustedRoot };
  return verifyRecord(parseLogEntry(uuid, entry), context);
}

/** The bundle out of an entry, whether the entry is any good or not. */
function bundleOf(uuid: string, entry: unknown): unknown {
  const parsed = parseLogEntry(uuid, entry);
  return rebuildBundle(parsed, readEnvelope(parsed), "aGludA==");
}

/** Does what other tools check too: says `verified`, or why not. */
function verdict(look: () => unknown): string {
  try {
    look();
    return "verified";
  } catch (error) {
    if (error instanceof RecordError) return `refused: ${error.code}`;
    throw error;
  }
}

function cosignVerdict({ code, output }: { readonly code: number; readonly output: string }): string {
  if (code === 0) return output.includes("Verified OK") ? "verified" : output;
  return "refused";
}

const proving: Row[] = [
  {
    says: "A sighting recorded with a P-256 key",
    ours: {
      expected: "verified",
      async look(target) {
        const made = await recorded(target);
        return verdict(() => verify(target, made, made.entry));
      },
    },
    cosign: {
      expected: "verified",
      async look(target) {
        const { sample, uuid, entry } = await recorded(target);
        return cosignVerdict(await cosign({ target, sample, bundle: bundleOf(uuid, entry) }));
      },
    },
    rekorCli: {
      expected: "verified",
      async look(target) {
        const { uuid } = await recorded(target);
        const { code, output } = await rekorCli(target, ["verify", "--uuid", uuid]);
        return code === 0 ? "verified" : output;
      },
    },
  },
  {
    says: "… with an Ed25519 key",
    ours: {
      expected: "verified",
      async look(target) {
        const made = await recordedWithEd25519(target);
        return verdict(() => verify(target, made, made.entry));
      },
    },
    cosign: {
      expected: "verified",
      async look(target) {
        const { sample, uuid, entry } = await recordedWithEd25519(target);
        return cosignVerdict(await cosign({ target, sample, bundle: bundleOf(uuid, entry) }));
      },
    },
    rekorCli: {
      expected: "verified",
      async look(target) {
        const { uuid } = await recordedWithEd25519(target);
        const { code, output } = await rekorCli(target, ["verify", "--uuid", uuid]);
        return code === 0 ? "verified" : output;
      },
    },
  },
  {
    says: "The first, by the digest of the tag's name",
    cosign: cosignAbout("verified", ({ subject: [tag] }) => tag.digest.sha256),
  },
  {
    says: "… by the image's digest",
    cosign: cosignAbout("verified", ({ subject: [, image] }) => image.digest.sha256),
  },
  {
    says: "… by another digest",
    cosign: cosignAbout("refused", () => "00".repeat(32)),
  },
  {
    says: "… read back",
    ours: {
      expected: "the statement, byte for byte",
      async look(target) {
        const { sample, entry } = await recorded(target);
        const same = entry.attestation?.data === Buffer.from(sample.statement).toString("base64");
        return same ? "the statement, byte for byte" : "something else";
      },
    },
    rekorCli: {
      expected: "the statement, byte for byte",
      async look(target) {
        const { sample, uuid } = await recorded(target);
        const got = await rekorCliJson(target, ["get", "--uuid", uuid]);
        const text = typeof got === "object" && got !== null && "Attestation" in got ? got.Attestation : "";
        const same = text === Buffer.from(sample.statement).toString();
        return same ? "the statement, byte for byte" : "something else";
      },
    },
  },
  {
    says: "… by a key that is not trusted",
    ours: {
      expected: "refused: untrusted-signer",
      async look(target) {
        const made = await recorded(target);
        const sample = { ...made.sample, key: sampleKey() };
        return verdict(() => verify(target, { ...made, sample }, made.entry));
      },
    },
    cosign: {
      expected: "refused",
      async look(target) {
        const { sample, uuid, entry } = await recorded(target);
        const other = { ...sample, key: sampleKey() };
        return cosignVerdict(await cosign({ target, sample: other, bundle: bundleOf(uuid, entry) }));
      },
    },
  },
];

interface StatementText {
  readonly subject: readonly [
    { readonly digest: { readonly sha256: string } },
    { readonly digest: { readonly sha256: string } },
  ];
}

function cosignAbout(expected: string, digestOf: (statement: StatementText) => string): Check {
  return {
    expected,
    async look(target) {
      const { sample, uuid, entry } = await recorded(target);
      const statement = JSON.parse(Buffer.from(sample.statement).toString()) as StatementText;
      const question = { target, sample, bundle: bundleOf(uuid, entry), digest: digestOf(statement) };
      return cosignVerdict(await cosign(question));
    },
  };
}

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

/** Reads the history of the sample out of what the log has: how many records, and what was refused. */
async function history(target: Target, sample: Sample, atLeast: number): Promise<string> {
  const entries = await settledEntries(target, sample, atLeast);
  const { records, rejected } = historyOf(target, sample, entries);
  const reasons = [...rejected].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const refused = reasons.map(([code, count]) => `${count} ${code}`).join(", ");
  return `${records.length} recorded${refused === "" ? "" : `; refused: ${refused}`}`;
}

/** Waits until the index names so many entries. */
async function settledEntries(target: Target, sample: Sample, atLeast: number): Promise<RawEntry[]> {
  const end = performance.now() + 5_000;
  for (;;) {
    const entries = await find(target, sample);
    if (entries.length >= atLeast || performance.now() > end) return entries;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function post(target: Target, body: unknown): Promise<string> {
  const answer = await ask(target, "POST", "/api/v1/log/entries", { body });
  const [uuid] = Object.keys(answer.body as object);
  if (answer.status !== 201 || uuid === undefined) throw new Error(JSON.stringify(answer.body));
  return uuid;
}

/** Our own envelope as anybody can log it again: under another content hash. */
async function logCopy(target: Target, { sample, entry }: Recorded, salt: string): Promise<string> {
  const body = JSON.parse(Buffer.from(entry.body, "base64").toString()) as {
    spec: { content: { envelope: Record<string, unknown>; hash: { value: string } } };
  };
  const payload = Buffer.from(sample.statement).toString("base64");
  body.spec.content.envelope["payload"] = Buffer.from(payload).toString("base64");
  body.spec.content.hash.value = salt.repeat(64);
  return post(target, body);
}

const histories: Row[] = [
  {
    says: "Twelve records of one tag, more than a log gives at once",
    ours: {
      expected: "12 recorded",
      async look(target) {
        const key = sampleKey();
        const sample = newSample(key);
        for (let second = 0; second < 12; second += 1) {
          const statement = JSON.parse(Buffer.from(sample.statement).toString()) as {
            predicate: { observedAt: string };
          };
          const observed = new Date(new Date(statement.predicate.observedAt).getTime() + second * 1000);
          statement.predicate.observedAt = `${observed.toISOString().slice(0, 19)}Z`;
          await record(target, { ...sample, statement: Buffer.from(json.canonicalize(statement)) });
        }
        return history(target, sample, 12);
      },
    },
  },
  {
    says: "An entry just written is brought with its statement",
    ours: {
      expected: "brought",
      async look(target) {
        const sample = newSample();
        const uuid = await record(target, sample);
        const entries = await find(target, sample, uuid);
        const { records } = historyOf(target, sample, entries);
        return records.length === 1 && records[0]?.uuid === uuid ? "brought" : "not brought";
      },
    },
  },
  {
    says: "An entry that the log does not have is told from one that it has",
    ours: {
      expected: "not there",
      async look(target) {
        const [one] = await find(target, newSample(), "ab".repeat(32));
        return one?.entry === null ? "not there" : "something";
      },
    },
  },
  {
    says: "The same signed statement recorded again",
    ours: {
      expected: "the UUID there is; 1 recorded",
      async look(target) {
        const sample = newSample();
        const kept: SignatureKept = {};
        const first = await record(target, sample, kept);
        const second = await record(target, sample, kept);
        const uuid = first === second ? "the UUID there is" : "another UUID";
        return `${uuid}; ${await history(target, sample, 1)}`;
      },
    },
  },
  {
    says: "Our envelope logged again by somebody",
    ours: {
      expected: "1 recorded, the earliest",
      async look(target) {
        const made = await recorded(target);
        const copies = [await logCopy(target, made, "1"), await logCopy(target, made, "2")];
        const entries = await settledEntries(target, made.sample, 1 + copies.length);
        const { records } = historyOf(target, made.sample, entries.toReversed());
        const [first] = records;
        const which = first !== undefined && sameLeaf(first.uuid, made.uuid) ? "the earliest" : "a copy";
        return `${records.length} recorded of ${entries.length}, ${which}`.replace(" of 3", "");
      },
    },
  },
  {
    says: "Junk under the same tag",
    ours: {
      expected: "1 recorded; refused: 1 malformed, 1 no-payload, 2 not-a-sighting, 1 untrusted-signer",
      async look(target) {
        const { sample } = await recorded(target);
        const stranger = newSigningKey();
        // A stranger's sighting, another predicate, an entry of another kind, no canonical JSON, too large to be stored.
        await record(target, { ...sample, key: sampleKey() });
        const about = { statement: statementAbout(sample.name), by: sample.key.privateKey };
        await post(target, proposeIntoto(about.statement, about.by));
        await post(target, proposeDsse(about.statement, stranger));
        const statement = Buffer.from(sample.statement).toString();
        await post(target, proposeIntoto(Buffer.from(`${statement}\n`), about.by));
        const large = statement.replace('"predicate":{', `"predicate":{"a":"${"x".repeat(105_000)}",`);
        await post(target, proposeIntoto(Buffer.from(large), about.by));
        return history(target, sample, 6);
      },
    },
  },
];

export const provingRecords: Section = { title: "Proving a record", rows: proving };
export const refusingTampered: Section = { title: "Answers in which one thing was changed", rows: tampering };
export const readingHistories: Section = { title: "Histories", rows: histories };
