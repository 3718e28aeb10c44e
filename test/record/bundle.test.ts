// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { describe, expect, test } from "vitest";
import { parseLogEntry, type LogEntry } from "../../src/log/entry.ts";
import { placeOf, readKind } from "../../src/record/candidate.ts";
import { RecordError } from "../../src/record/error.ts";
import { type IntotoBody, readIntotoBody } from "../../src/record/logged-body.ts";
import { rebuildBundle } from "../../src/record/bundle.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { sampleKey, sampleLog, sighting, signEnvelope } from "./sample-log.ts";

type Json = { [field: string]: unknown };

const key = sampleKey();
const sample = sampleLog();
const envelope = signEnvelope(sightingStatement(sighting()), key);
const logged = sample.append(envelope);
sample.record(sighting({ reference: "docker.io/library/busybox:1.36" }), key);
const found = sample.found(logged);

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64");

function entry(change: Json = {}): LogEntry {
  return parseLogEntry(found.uuid, { ...found.entry, ...change });
}

function bodyOf(of: LogEntry): IntotoBody {
  return readIntotoBody(readKind(of), placeOf(of));
}

function fields(value: unknown, ...path: readonly (string | number)[]): Json {
  const inner = path.reduce((outer, name) => (outer as Json)[name] as Json, value as Json);
  if (typeof inner !== "object") throw new Error(`no object at ${path.join(".")}`);
  return inner;
}

/** The entry with one thing changed in its body. */
function withBody(change: (body: Json) => unknown): LogEntry {
  const body = fields(JSON.parse(logged.body.toString("utf8")));
  change(body);
  return entry({ body: base64(json.canonicalize(body)) });
}

function signature(body: Json): Json {
  return fields(body, "spec", "content", "envelope", "signatures", 0);
}

test("the bundle has every part where Sigstore's format wants it", () => {
  const { inclusionProof, signedEntryTimestamp } = found.entry.verification;
  const bundle = rebuildBundle(entry(), bodyOf(entry()), {
    payload: base64(envelope.payload),
    signer: { publicKey: { hint: "aGludA==" } },
  });
  expect(bundle).toEqual({
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: {
      publicKey: { hint: "aGludA==" },
      tlogEntries: [
        {
          logIndex: String(logged.logIndex),
          logId: { keyId: base64(sample.log.logId) },
          kindVersion: { kind: "intoto", version: "0.0.2" },
          integratedTime: String(logged.integratedTime),
          inclusionPromise: { signedEntryTimestamp },
          inclusionProof: {
            logIndex: "0",
            rootHash: base64(sample.log.tree.root()),
            treeSize: "2",
            hashes: sample.log.tree.inclusionProof(0).map(base64),
            checkpoint: { envelope: inclusionProof.checkpoint },
          },
          canonicalizedBody: base64(logged.body),
        },
      ],
    },
    dsseEnvelope: {
      payload: base64(envelope.payload),
      payloadType: "application/vnd.in-toto+json",
      signatures: [{ sig: envelope.signatures[0]?.sig.toString("base64"), keyid: "" }],
    },
  });
});

describe("a body of another shape is refused by the field that is wrong", () => {
  test.for<{ row: string; entry: () => LogEntry; code?: string; says: string }>([
    { row: "no JSON", entry: () => entry({ body: base64("<html>") }), says: "it is not JSON" },
    { row: "a list", entry: () => entry({ body: base64("[]") }), says: "no kind and version" },
    { row: "no kind", entry: () => withBody((body) => delete body["kind"]), says: "no kind and version" },
    {
      row: "an older version of the kind",
      entry: () => withBody((body) => (body["apiVersion"] = "0.0.1")),
      code: "not-a-sighting",
      says: 'of kind "intoto 0.0.1"',
    },
    {
      row: "another kind",
      entry: () => withBody((body) => (body["kind"] = "dsse\u001b[2J")),
      code: "not-a-sighting",
      says: 'of kind "dsse?[2J 0.0.2"',
    },
    { row: "no envelope", entry: () => withBody((body) => (body["spec"] = {})), says: '"spec.content"' },
    {
      row: "another hash of the payload",
      entry: () => withBody((body) => (fields(body, "spec", "content", "payloadHash")["algorithm"] = "sha1")),
      says: '"spec.content.payloadHash.algorithm"',
    },
    {
      row: "a short hash of the payload",
      entry: () => withBody((body) => (fields(body, "spec", "content", "payloadHash")["value"] = "ab")),
      says: '"spec.content.payloadHash.value"',
    },
    {
      row: "no key",
      entry: () => withBody((body) => delete signature(body)["publicKey"]),
      says: '"spec.content.envelope.signatures.0.publicKey"',
    },
    {
      row: "a key that is not base64",
      entry: () => withBody((body) => (signature(body)["publicKey"] = key.pem)),
      says: "publicKey",
    },
    {
      row: "a key that is not PEM",
      entry: () => withBody((body) => (signature(body)["publicKey"] = base64("ssh-ed25519 AAAA"))),
      says: "the signer's key is not one PEM block",
    },
    {
      row: "a signature in base64 only once",
      entry: () => withBody((body) => (signature(body)["sig"] = base64(Uint8Array.of(0xff, 0xfe)))),
      says: "the signature is not canonical base64 in base64",
    },
    {
      row: "a key id that is a number",
      entry: () => withBody((body) => (signature(body)["keyid"] = 1)),
      says: '"spec.content.envelope.signatures.0.keyid"',
    },
  ])("$row", ({ entry: changed, code = "malformed", says }) => {
    const read = () => bodyOf(changed());
    expect(read).toThrow(RecordError);
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringContaining(says) }));
  });
});
