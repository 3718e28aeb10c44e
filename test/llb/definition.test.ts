// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../../src/image/digest.ts";
import { DefinitionError, readDefinition } from "../../src/llb/definition.ts";
import { AMD64, source } from "./sample-llb.ts";

/** Field 50 with the text "new", as a later BuildKit might add it. */
const UNKNOWN_FIELD = Buffer.from([0x92, 0x03, 0x03, ...Buffer.from("new")]);

function definition(...def: readonly Uint8Array[]): Uint8Array {
  return pb.Definition.encode({ def: [...def] }).finish();
}

function op(properties: pb.Op.$Properties): Uint8Array {
  return pb.Op.encode(properties).finish();
}

test("each operation is known by the digest of its bytes", () => {
  const bytes = op(source("local://context"));
  const { operations } = readDefinition(definition(bytes));
  expect(operations).toMatchObject([
    { digest: sha256(bytes), op: { source: { identifier: "local://context" } } },
  ]);
});

test("no bytes are no operations", () => {
  expect(readDefinition(new Uint8Array()).operations).toEqual([]);
});

test.for([
  { row: "a source", properties: source("local://context") },
  { row: "a step that runs", properties: { exec: new Uint8Array() } },
  { row: "a step of files", properties: { file: {} } },
  { row: "a merge", properties: { merge: new Uint8Array() } },
  { row: "a diff", properties: { diff: new Uint8Array() } },
  { row: "a pass-through", properties: { passthrough: new Uint8Array() } },
  { row: "constraints, which BuildKit always writes", properties: { constraints: new Uint8Array() } },
  { row: "the end, which has inputs alone", properties: { inputs: [{ digest: "x", index: 0 }] } },
])("$row is known", ({ properties }) => {
  const bytes = op({ ...properties, platform: AMD64 });
  expect(readDefinition(definition(bytes)).operations).toHaveLength(1);
});

describe("LLB that this version cannot read is refused, never read over", () => {
  const newSource = Buffer.concat([pb.SourceOp.encode({ identifier: "local://x" }).finish(), UNKNOWN_FIELD]);
  test.for([
    {
      row: "an operation of a new type",
      bytes: definition(UNKNOWN_FIELD),
      says: "its LLB has an operation of an unknown kind, which cannot be judged; update tlog-dockerfile",
    },
    {
      row: "a new part of a known operation",
      bytes: definition(Buffer.concat([op(source("local://x")), UNKNOWN_FIELD])),
      says: "its LLB has an operation of an unknown kind",
    },
    {
      row: "a new part of a source",
      bytes: definition(Buffer.concat([Buffer.from([0x1a, newSource.length]), newSource])),
      says: "its LLB has a source operation of an unknown kind",
    },
    {
      row: "a new part of the definition",
      bytes: Buffer.concat([definition(op(source("local://x"))), UNKNOWN_FIELD]),
      says: "its LLB has a definition of an unknown kind",
    },
    {
      row: "a nested build, also an empty one",
      bytes: definition(op({ build: new Uint8Array() })),
      says: "the LLB has a nested build operation, whose images cannot be judged",
    },
    { row: "garbage", bytes: Buffer.from("garbage"), says: "the LLB does not decode" },
    {
      row: "an operation that is garbage",
      bytes: definition(Buffer.from("garbage")),
      says: "does not decode",
    },
  ])("$row", ({ bytes, says }) => {
    expect(() => readDefinition(bytes)).toThrow(DefinitionError);
    expect(() => readDefinition(bytes)).toThrow(says);
  });
});
