// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readBakedPolicy } from "../../src/build/baked-policy.ts";

function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "baked-policy-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

describe("an organisation's policy", () => {
  test("is read beside its other files", async () => {
    const files = { "policy.yaml": "version: 1\n", "trusted_root.json": "{}", README: "" };
    expect(await readBakedPolicy(directoryOf(files))).toEqual({ text: "version: 1\n", name: "policy.yaml" });
  });

  test.for([
    ["the directory is not there", join(tmpdir(), "no-such-directory")],
    ["there are other files alone", undefined],
  ] as const)("is not there when %s", async ([, path]) => {
    expect(await readBakedPolicy(path ?? directoryOf({ "trusted_root.json": "{}" }))).toBeUndefined();
  });

  test.for(["policy.yml", "tlog.policy.yaml", "Policy.YAML", "trusted-root.json"])(
    "is not taken for missing when somebody wrote %s",
    async (name) => {
      await expect(readBakedPolicy(directoryOf({ [name]: "version: 1\n" }))).rejects.toMatchObject({
        name: "BuildFileError",
        code: "misnamed",
        message: expect.stringContaining(
          `${name}": a policy is read from a file with the name "policy.yaml"`,
        ) as string,
      });
    },
  );

  test("that cannot be read is an error", async () => {
    const notADirectory = join(directoryOf({ file: "" }), "file");
    await expect(readBakedPolicy(notADirectory)).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});
