// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { LEDGER_FAILURES } from "../../src/ledger/answer.ts";
import { headIn, MAX_PART_BYTES, MAX_SHARDS, parseConfiguration } from "../../src/ledger/layout.ts";
import { MAX_TAG_LINES } from "../../src/ledger/lines.ts";
import { parsePublicKey } from "../../src/record/signer.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";
import { ALPINE, DIGEST, OTHER_DIGEST, trusting } from "../record/sample-log.ts";
import { DAY_MS, MADE, readSample, REPOSITORY, TAGGED } from "./sample-ledger.ts";

const page = readFileSync("docs/ledger.md", "utf8");
const file = (name: string) => readFileSync(`docs/examples/ledger/${name}`);

describe("the example in docs/ledger.md", () => {
  const head = headIn(file("index.json"), Error);
  const shard = sha256(file("shard.manifest.json"));
  const configurations = new Map<string, Uint8Array>();
  // As a registry finds them: from the index to the manifest, from there to the configuration.
  for (const [reference, name, digest] of [
    [TAGGED, "head", head],
    [`${REPOSITORY}@${shard}`, "shard", shard],
  ] as const) {
    const manifest = file(`${name}.manifest.json`);
    const { config } = JSON.parse(manifest.toString()) as { config: { digest: string } };
    const configuration = file(`${name}.config.json`);
    if (sha256(manifest) === digest && sha256(configuration) === config.digest)
      configurations.set(reference, configuration);
  }

  test("is a ledger that says what the page says", async () => {
    const { signer } = { signer: parsePublicKey(file("observer.pub").toString()) };
    const { answers, asked } = await readSample({ configurations }, [ALPINE, "busybox:1.36"], {
      root: parseTrustedRoot(file("trusted_root.json").toString(), "trusted_root.json"),
      source: { repository: REPOSITORY, observer: signer, approvers: [], maxAgeMs: DAY_MS },
      trust: trusting(signer),
      now: MADE,
    });
    expect(answers).toMatchObject([
      {
        kind: "watched",
        history: {
          records: [
            { digest: DIGEST, sequence: 1 },
            { digest: OTHER_DIGEST, sequence: 2 },
          ],
        },
      },
      { kind: "not-watched" },
    ]);
    expect(asked).toEqual([TAGGED, `${REPOSITORY}@${shard}`]);
  });

  test.for([
    "index.json",
    "head.manifest.json",
    "head.config.json",
    "shard.manifest.json",
    "shard.config.json",
  ])("%s has the sha256 that the page says", (name) => {
    const [, hex = ""] = new RegExp(`^\\| \`${name}\` .* \`([0-9a-f]{64})\` \\|$`, "m").exec(page) ?? [];
    expect(sha256(file(name))).toBe(`sha256:${hex}`);
  });

  test.for(["head", "shard"])("the text of the %s is on the page", (name) => {
    const { text } = parseConfiguration(file(`${name}.config.json`), Error);
    expect(page).toContain(`\`\`\`\n${text.replaceAll(/\{.*$/gm, "{…")}\`\`\``);
  });
});

test("each answer of a ledger is in the page's table, and no other", () => {
  const [, section = ""] = page.split("## What it answers");
  const rows = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, answer]) => answer);
  expect(rows).toEqual(["watched", "not-watched", ...LEDGER_FAILURES]);
});

test("the limits on the page are those of the reader", () => {
  expect(page).toContain(`(${MAX_PART_BYTES.toLocaleString("en")} bytes)`);
  expect(page).toContain(`| shards | ${MAX_SHARDS.toLocaleString("en")} |`);
  expect(page).toContain(`| lines of one tag | ${MAX_TAG_LINES.toLocaleString("en")} |`);
});
