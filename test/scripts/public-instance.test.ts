// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { publicInstanceFiles } from "../../scripts/public-instance.ts";
import { readSigningConfig } from "../../src/log/signing-config.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";
import { updateTrustedRoot } from "../../src/trust/trusted-root-update.ts";

// When the seeds were made. The files that ship do not end by themselves, so that later is as good.
const NOW = new Date("2026-06-01T12:00:00Z");
const files = publicInstanceFiles();
const file = (name: string): string => files[name] ?? "";

test("what ships names the public log that can be searched first, then its newer shard, and the authorities", () => {
  expect(readSigningConfig(file("signing_config.json"), "signing_config.json", NOW)).toEqual({
    logs: [
      { url: "https://rekor.sigstore.dev", api: 1 },
      { url: "https://log2025-1.rekor.sigstore.dev", api: 2 },
    ],
    fulcio: "https://fulcio.sigstore.dev",
    timestamps: ["https://timestamp.sigstore.dev/api/v1/timestamp"],
  });
});

test("every log that is written to is one that the shipped trusted root knows", () => {
  const { logs } = readSigningConfig(file("signing_config.json"), "signing_config.json", NOW);
  const { material } = parseTrustedRoot(file("trusted_root.json"), "trusted_root.json");
  expect(material.tlogs.map(({ baseURL }) => baseURL)).toEqual(
    expect.arrayContaining(logs.map(({ url }) => url)),
  );
});

test("the shipped TUF root is one that updates start from, at the shipped mirror", async () => {
  const { mirror } = JSON.parse(file("tuf_mirror.json")) as { mirror: string };
  const asked: string[] = [];
  const updated = updateTrustedRoot({
    seed: Buffer.from(file("tuf_root.json")),
    mirror,
    async fetchFile(what) {
      asked.push(`${what.mirror}/${what.path}`);
      return undefined;
    },
    now: NOW,
    signal: AbortSignal.timeout(20_000),
  });
  await expect(updated).rejects.toThrow('it has no "timestamp.json"');
  expect(asked).toEqual([
    expect.stringMatching(/^https:\/\/tuf-repo-cdn\.sigstore\.dev\/\d+\.root\.json$/),
    "https://tuf-repo-cdn.sigstore.dev/timestamp.json",
  ]);
});
