// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory, standing } from "../../src/record/history.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { Evidence, RecordContext } from "../../src/record/record.ts";
import {
  ALPINE,
  asEvidence,
  DIGEST,
  foundEntries,
  jointRoot,
  OBSERVED,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "./sample-log.ts";

const key = sampleKey();
const colleague = sampleKey();
const stranger = sampleKey();

function contextOf(...logs: readonly SampleLog[]): RecordContext {
  return {
    subject: parseReference("alpine:3.16.0"),
    trust: trusting(key.signer, colleague.signer),
    trustedRoot: jointRoot(...logs),
  };
}

function secondsLater(seconds: number): Date {
  return new Date(OBSERVED.getTime() + seconds * 1000);
}

test("the history of a tag that nobody recorded is empty", () => {
  const history = readHistory([], contextOf(sampleLog()));
  expect(history).toMatchObject({ records: [], rejected: new Map() });
  expect(standing(history)).toBeUndefined();
});

test("the earliest record stands, in whatever order the log brings them", () => {
  const log = sampleLog();
  const first = log.record(sighting(), key);
  const second = log.record(sighting({ digest: OTHER_DIGEST }), colleague);
  const third = log.record(sighting({ observedAt: secondsLater(1) }), key);
  const history = readHistory(foundEntries(log, [third, first, second]), contextOf(log));
  expect(history.records.map(({ uuid }) => uuid)).toEqual([first.uuid, second.uuid, third.uuid]);
  expect(history.rejected).toEqual(new Map());
  expect(standing(history)?.record).toMatchObject({ uuid: first.uuid, digest: DIGEST, signer: key.signer });
});

describe("copies of an envelope are one record, the earliest of them", () => {
  const log = sampleLog();
  const envelope = signEnvelope(sightingStatement(sighting()), key);
  const first = log.append(envelope);
  const copy = log.append(envelope, "again");
  log.now = secondsLater(24 * 60 * 60);
  const late = log.append(envelope, "and again");
  const context = contextOf(log);

  test("logged again at once", () => {
    const history = readHistory(foundEntries(log, [copy, first]), context);
    expect(history.records.map(({ uuid }) => uuid)).toEqual([first.uuid]);
    expect(history.rejected).toEqual(new Map());
  });

  test("logged again a day later", () => {
    const history = readHistory(foundEntries(log, [late, copy, first]), context);
    expect(history.records.map(({ uuid }) => uuid)).toEqual([first.uuid]);
    expect(history.rejected).toEqual(new Map([["replayed", 1]]));
  });

  test("brought twice", () => {
    const history = readHistory(foundEntries(log, [first, first]), context);
    expect(history.records).toHaveLength(1);
  });

  test("logged again with the other signature that holds as well", () => {
    // For every ECDSA signature (r, s) there is (r, n - s).
    const [signature] = envelope.signatures;
    if (signature === undefined) throw new Error("the envelope is not signed");
    const twin = log.append({ ...envelope, signatures: [{ ...signature, sig: twinOf(signature.sig) }] });
    expect(readHistory(foundEntries(log, [twin]), context).rejected).toEqual(new Map([["replayed", 1]]));
    log.now = secondsLater(10);
    const early = log.append(
      { ...envelope, signatures: [{ ...signature, sig: twinOf(signature.sig) }] },
      "early",
    );
    expect(readHistory(foundEntries(log, [early]), context).records).toHaveLength(1);
    const history = readHistory(foundEntries(log, [early, first]), context);
    expect(history.records.map(({ uuid }) => uuid)).toEqual([first.uuid]);
  });

  test("a false answer that claims a lower index does not hide the true one", () => {
    const { uuid, entry } = log.found(copy);
    const history = readHistory(
      [asEvidence({ uuid, entry: { ...entry, logIndex: 0 } }), asEvidence(log.found(first))],
      context,
    );
    expect(history.records.map((record) => record.uuid)).toEqual([first.uuid]);
    expect(history.rejected).toEqual(new Map([["not-in-log", 1]]));
  });
});

test("records of two logs are in the order of the logs' times", () => {
  const [log, other] = [sampleLog(), sampleLog("log.example.net")];
  for (const tag of ["1", "2", "3"]) other.record(sighting({ reference: `${ALPINE}-${tag}` }), key);
  other.now = secondsLater(10);
  const early = other.record(sighting(), colleague);
  log.now = secondsLater(20);
  const late = log.record(sighting({ digest: OTHER_DIGEST }), key);
  expect(early.logIndex).toBeGreaterThan(late.logIndex);
  const history = readHistory(
    [asEvidence(log.found(late)), asEvidence(other.found(early))],
    contextOf(log, other),
  );
  expect(history.records.map(({ uuid }) => uuid)).toEqual([early.uuid, late.uuid]);
});

test("a log's clock that was set back does not turn the log's order round", () => {
  const log = sampleLog();
  log.now = secondsLater(100);
  const first = log.record(sighting(), key);
  log.now = secondsLater(50);
  const second = log.record(sighting({ digest: OTHER_DIGEST }), key);
  const history = readHistory(foundEntries(log, [second, first]), contextOf(log));
  expect(history.records.map(({ uuid }) => uuid)).toEqual([first.uuid, second.uuid]);
});

describe("what is no record is counted and harms nobody", () => {
  const log = sampleLog();
  const good = log.record(sighting(), key);
  const foreign = log.record(sighting({ digest: OTHER_DIGEST }), stranger);
  const otherTag = log.record(sighting({ reference: `${ALPINE}-1` }), key);
  const statement = sightingStatement(sighting({ digest: OTHER_DIGEST }));
  const [forged] = signEnvelope(statement, stranger).signatures;
  if (forged === undefined) throw new Error("the envelope is not signed");
  const forgery = log.force({ ...signEnvelope(statement, key), signatures: [{ ...forged, pem: key.pem }] });
  const other = log.record(sighting({ digest: OTHER_DIGEST }), key);
  const { attestation: _, ...withoutPayload } = log.found(other).entry;

  test.for<{ row: string; found: { uuid: string; entry: unknown }; code: string }>([
    { row: "a stranger's record", found: log.found(foreign), code: "untrusted-signer" },
    { row: "a record of another tag", found: log.found(otherTag), code: "wrong-subject" },
    { row: "a forgery", found: log.found(forgery), code: "bad-signature" },
    { row: "an entry that the log cannot show", found: { uuid: other.uuid, entry: null }, code: "unread" },
    { row: "a UUID that is none", found: { uuid: "x", entry: log.found(good).entry }, code: "malformed" },
    {
      row: "an entry under another's UUID",
      found: { ...log.found(good), uuid: otherTag.uuid },
      code: "wrong-uuid",
    },
    {
      row: "an entry without its statement",
      found: { uuid: other.uuid, entry: withoutPayload },
      code: "no-payload",
    },
  ])("$row", ({ found, code }) => {
    const history = readHistory([asEvidence(found), asEvidence(log.found(good))], contextOf(log));
    expect(history.records.map(({ uuid }) => uuid)).toEqual([good.uuid]);
    expect(history.rejected).toEqual(new Map([[code, 1]]));
  });

  test("a thousand entries by strangers, within a second", () => {
    const signed = log.found(foreign);
    const otherKind = Buffer.from('{"apiVersion":"0.0.1","kind":"rpm"}').toString("base64");
    const strangers = [
      ...repeat(700, signed),
      ...repeat(100, { uuid: signed.uuid, entry: { ...signed.entry, body: otherKind } }),
      ...repeat(100, { uuid: signed.uuid, entry: { junk: "x".repeat(1000) } }),
      ...repeat(100, { uuid: signed.uuid, entry: { ...signed.entry, body: "A".repeat(4 * 60_000) } }),
    ];
    const start = performance.now();
    const history = readHistory([...strangers, asEvidence(log.found(good))], contextOf(log));
    expect(performance.now() - start).toBeLessThan(1000);
    expect(history.records.map(({ uuid }) => uuid)).toEqual([good.uuid]);
    expect(history.rejected).toEqual(
      new Map([
        ["untrusted-signer", 700],
        ["not-a-sighting", 100],
        ["malformed", 200],
      ]),
    );
  });
});

function repeat(times: number, found: { uuid: string; entry: unknown }): readonly Evidence[] {
  return Array.from({ length: times }, () => asEvidence(found));
}

/** The other valid signature for a P-256 signature in DER: the same r, and s taken from the order of the curve. */
function twinOf(signature: Buffer): Buffer {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const rLength = signature[3] ?? 0;
  const r = signature.subarray(2, 4 + rLength);
  const s = BigInt(`0x${signature.subarray(6 + rLength).toString("hex")}`);
  const hex = (order - s).toString(16).padStart(64, "0");
  const magnitude = Buffer.from(hex.replace(/^(?:00)+(?=..)/, ""), "hex");
  const value = (magnitude[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), magnitude]) : magnitude;
  const body = Buffer.concat([r, Buffer.of(2, value.length), value]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}
