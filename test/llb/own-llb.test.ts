// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { readDefinition } from "../../src/llb/definition.ts";
import { progressVertices } from "../../src/llb/progress-vertices.ts";

test("each progress line is a step with its text that waits for the one before, and solving the last one runs them all", () => {
  const lines = ["one", "two", "three"];
  const encoded = progressVertices(lines).definition;
  const { operations } = readDefinition(encoded);
  const names = Object.values(pb.Definition.decode(encoded).metadata ?? {}).map(
    ({ description }) => description?.["llb.customname"],
  );
  expect(names).toEqual(["[tlog] one", "[tlog] two", "[tlog] three"]);
  const [one, two, three, end] = operations;
  expect(two?.op.inputs?.map(({ digest }) => digest)).toEqual([one?.digest]);
  expect(three?.op.inputs?.map(({ digest }) => digest)).toEqual([two?.digest]);
  expect(end?.op.inputs?.map(({ digest }) => digest)).toEqual([three?.digest]);
  expect(operations).toHaveLength(4);
});

test("one progress line is one step", () => {
  const { operations } = readDefinition(progressVertices(["one"]).definition);
  expect(operations).toHaveLength(2);
  expect(operations[1]?.op.inputs).toMatchObject([{ digest: operations[0]?.digest }]);
});
