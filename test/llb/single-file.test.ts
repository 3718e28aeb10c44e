// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { readDefinition } from "../../src/llb/definition.ts";
import { imageSources } from "../../src/llb/image-sources.ts";
import { MAX_SINGLE_FILE_BYTES, singleFile } from "../../src/llb/single-file.ts";

const data = Buffer.from("one line\n");

test("a result of one file is that file and nothing else, with nothing in it that another build would change", () => {
  const encoded = singleFile({ path: "tlog.lock", data }, "[tlog] write tlog.lock");
  const definition = readDefinition(encoded);
  expect(imageSources([definition])).toEqual([]);
  const [file, end] = definition.operations;
  expect(definition.operations).toHaveLength(2);
  expect(end?.op.inputs).toMatchObject([{ digest: file?.digest }]);
  expect(file?.op.file?.actions).toMatchObject([{ mkfile: { path: "/tlog.lock", mode: 0o644 } }]);
  expect(Number(file?.op.file?.actions?.[0]?.input)).toBe(-1);
  // Of 1970: BuildKit would take -1 for now.
  expect(Number(file?.op.file?.actions?.[0]?.mkfile?.timestamp ?? 0)).toBe(0);
  expect(Buffer.from(file?.op.file?.actions?.[0]?.mkfile?.data ?? [])).toEqual(data);
  const [metadata] = Object.values(pb.Definition.decode(encoded).metadata ?? {});
  expect(metadata?.description).toEqual({ "llb.customname": "[tlog] write tlog.lock" });
});

test("equal files are equal bytes, whatever the progress calls them", () => {
  const digestOf = (title: string) =>
    readDefinition(singleFile({ path: "tlog.lock", data }, title)).operations[0]?.digest;
  expect(digestOf("one")).toBe(digestOf("other"));
});

test("a file in a directory comes with the directory", () => {
  const { operations } = readDefinition(singleFile({ path: "ci/app/tlog.lock", data }, "title"));
  expect(operations[0]?.op.file?.actions).toMatchObject([
    { mkdir: { path: "/ci/app", mode: 0o755, makeParents: true } },
    { mkfile: { path: "/ci/app/tlog.lock" } },
  ]);
  // The file is put upon what the first action left, and that alone is the result.
  const order = operations[0]?.op.file?.actions?.map(({ input, output }) => [
    Number(input ?? 0),
    Number(output ?? 0),
  ]);
  expect(order).toEqual([
    [-1, -1],
    [0, 0],
  ]);
});

test("a file that fits no message of BuildKit's is refused", () => {
  const limit = { path: "tlog.lock", data: Buffer.alloc(MAX_SINGLE_FILE_BYTES) };
  expect(singleFile(limit, "title").length).toBeLessThan(16 * 1024 * 1024);
  expect(() =>
    singleFile({ path: "tlog.lock", data: Buffer.alloc(MAX_SINGLE_FILE_BYTES + 1) }, "title"),
  ).toThrow(
    'write "tlog.lock" with BuildKit: it has 15728641 bytes, and more than 15728640 do not fit into one message',
  );
});
