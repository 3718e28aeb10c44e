// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { frameOf, FrameReader } from "../../src/gateway/grpc-frame.ts";

const MESSAGES = ["", "one", "x".repeat(1000), "", "last"].map((text) => Buffer.from(text));
const STREAM = Buffer.concat(MESSAGES.map(frameOf));

test.for([1, 2, 3, 5, 7, 100, STREAM.length])("messages come out whole from pieces of %i bytes", (size) => {
  const reader = new FrameReader();
  const messages: Uint8Array[] = [];
  for (let at = 0; at < STREAM.length; at += size)
    messages.push(...reader.push(STREAM.subarray(at, at + size)));
  expect(messages.map((message) => Buffer.from(message))).toEqual(MESSAGES);
});

test("a message keeps its bytes when others follow", () => {
  const reader = new FrameReader();
  const frames = ["first", "second"].map((text) => frameOf(Buffer.from(text)));
  reader.push(frames[0]?.subarray(0, 6) ?? Buffer.alloc(0));
  const [first] = reader.push(frames[0]?.subarray(6) ?? Buffer.alloc(0));
  reader.push(frames[1]?.subarray(0, 8) ?? Buffer.alloc(0));
  expect(String(Buffer.from(first ?? []))).toBe("first");
});

test.for([
  { row: "compressed", head: [1, 0, 0, 0, 0], says: "compressed" },
  { row: "larger than 16 MiB", head: [0, 1, 0, 0, 1], says: "16777217 bytes, and the limit is 16777216" },
])("a message that is $row is refused as soon as it says so", ({ head, says }) => {
  const reader = new FrameReader();
  reader.push(Buffer.from(head.slice(0, 2)));
  expect(() => reader.push(Buffer.from(head.slice(2)))).toThrow(says);
});
