// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { PolicyError } from "../../src/policy/policy-error.ts";
import { checkLogsAreTrusted } from "../../src/policy/policy.ts";
import { policyOf, SERVICES, type Texts } from "./sample-policy.ts";

const KNOWN = ["https://rekor.example.org/", "https://log2.example.org"];
const FREE = "version: 1\nallow-looser: [logs]\n";
const BOTH = "logs:\n  - { url: https://rekor.example.org }\n";

async function refusal(texts: Texts, trusted: readonly string[]): Promise<PolicyError | undefined> {
  const policy = await policyOf(texts);
  try {
    checkLogsAreTrusted(policy, trusted);
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  return undefined;
}

test.for([
  { row: "the trusted root's logs", texts: { baked: `version: 1\n${BOTH}` } },
  {
    row: "a log written otherwise",
    texts: { baked: FREE, args: { TLOG_REKOR_URL: "https://REKOR.example.org:443/" } },
  },
])("takes $row", async ({ texts }) => {
  expect(await refusal(texts, KNOWN)).toBeUndefined();
});

test.for([
  {
    row: "the line of a baked file",
    texts: { baked: `version: 1\n${BOTH}  - { url: https://other.example.org, api: 2 }\n` },
    place: "policy.yaml:4",
  },
  {
    row: "the line of a repository's file",
    texts: { baked: FREE, repository: "version: 1\n\nlog: { url: https://other.example.org }\n" },
    place: "tlog.policy.yaml:3",
  },
  {
    row: "the build argument",
    texts: { baked: FREE, args: { TLOG_REKOR_URL: "https://other.example.org" } },
    place: "--build-arg TLOG_REKOR_URL",
  },
])("a log that nobody vouches for is refused with $row", async ({ texts, place }) => {
  const error = await refusal(texts, KNOWN);
  expect(error?.code).toBe("unknown-log");
  expect(error?.message).toBe(
    `${place}: the log "https://other.example.org" is not in the trusted root, so nothing that it says can be proven (it has "https://rekor.example.org", "https://log2.example.org"); name one of these, or use a trusted_root.json with this log`,
  );
});

test("so is a log of the signing configuration, and a trusted root without logs says so", async () => {
  const error = await refusal({}, []);
  expect(error?.message).toContain(`signing_config.json: the log "${SERVICES.logs[0]?.url}"`);
  expect(error?.message).toContain("(it has none)");
});
