// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { dockerfileText } from "../../src/conversion/dockerfile-text.ts";
import { encodeResult, startFakeBuildkit } from "../gateway/fake-buildkit.ts";

/** The text that BuildKit gives for these bytes. */
async function textOf(dockerfile: Uint8Array): Promise<string> {
  const sources = [Buffer.from(dockerfile).toString("base64")];
  const metadata = { "result.json": Buffer.from(JSON.stringify({ targets: [], sources })) };
  const fake = await startFakeBuildkit({ solve: () => encodeResult({ metadata }) });
  onTestFinished(() => fake.close());
  return dockerfileText(fake.bridge, {
    request: { options: {}, inputs: {} },
    result: { refs: [], metadata: {}, bytes: new Uint8Array() },
    definitions: [],
    images: [],
  });
}

test("any UTF-8 is read as it is", async () => {
  const text = "# ä, 世界, \u{1f40b}, \ufffd\nFROM scratch\n";
  expect(await textOf(Buffer.from(text))).toBe(text);
});

test("a mebibyte is read", async () => {
  const text = `FROM scratch\n${"# a comment\n".repeat(90_000)}`;
  expect(await textOf(Buffer.from(text))).toBe(text);
});

// Two different wrong bytes would look the same to us and not to BuildKit, which could hide a FROM in a heredoc.
test("what is not UTF-8 is refused, with its line", async () => {
  const bytes = Buffer.concat([
    Buffer.from("FROM scratch\nRUN <<A\n"),
    Buffer.of(0xff),
    Buffer.from("\nA\n"),
  ]);
  await expect(textOf(bytes)).rejects.toMatchObject({
    name: "DockerfileError",
    message: "read the Dockerfile, line 3: it is not UTF-8, so its FROM lines cannot be told",
  });
});
