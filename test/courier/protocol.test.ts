// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { splitLines } from "../../src/courier/protocol.ts";

async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  // One buffer for all chunks: who reads must not keep what it was given.
  const memory = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(memory, 0, at, at + size);
    yield memory.subarray(0, length);
  }
}

async function lines(text: string | Buffer, { size = 3, max = 10 } = {}): Promise<string[]> {
  const read: string[] = [];
  for await (const line of splitLines(chunked(Buffer.from(text), size), max)) read.push(line);
  return read;
}

test.for([1, 2, 3, 7, 100])("lines come whole from chunks of %i bytes", async (size) => {
  expect(await lines("one\n\nøre €\n\uFEFFx\r\n", { size })).toEqual(["one", "", "øre €", "\uFEFFx\r"]);
});

test("no bytes are no lines", async () => {
  expect(await lines("")).toEqual([]);
});

test("a line of exactly the limit is a line", async () => {
  expect(await lines(`${"a".repeat(10)}\n`)).toEqual(["a".repeat(10)]);
});

test.for([
  { row: "a line over the limit", text: `${"a".repeat(11)}\n`, says: "a line is longer than 10 bytes" },
  { row: "an endless line", text: "a".repeat(1000), says: "a line is longer than 10 bytes" },
  { row: "a line without its end", text: "one\ntwo", says: "the input ended after 3 bytes of a line" },
  { row: "what is not UTF-8", text: Buffer.from([0xff, 0x0a]), says: "a line is not UTF-8" },
])("$row is refused", async ({ text, says }) => {
  await expect(lines(text)).rejects.toMatchObject({ name: "ProtocolError", message: says });
});

test("an error of the chunks comes through", async () => {
  const failing = (async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("one\n");
    throw new Error("the process died");
  })();
  const seen: string[] = [];
  await expect(
    (async () => {
      for await (const line of splitLines(failing)) seen.push(line);
    })(),
  ).rejects.toThrow("the process died");
  expect(seen).toEqual(["one"]);
});
