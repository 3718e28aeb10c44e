// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { auditSchemaFiles, withAuditTables } from "../../scripts/audit-docs.ts";
import { readConfiguration } from "../../src/audit/configuration.ts";
import { sampleKey } from "../record/sample-log.ts";
import { keyText } from "./auditing.ts";

const KEY = keyText(sampleKey().signer);
const read = (text: string) =>
  readConfiguration(text, { path: "/srv/tlog-audit.yaml", name: "tlog-audit.yaml" });
const refusal = (text: string) => {
  try {
    read(text);
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return "";
};

test("the least that is needed: somebody to audit, and a state beside the file", () => {
  expect(read(`signers: [{ key: ${KEY} }]\nstate: audit.sqlite\n`)).toMatchObject({
    signers: [{ signer: { kind: "key" } }],
    ledgers: [],
    state: { path: "/srv/audit.sqlite" },
  });
});

test("the observer of a ledger is audited, with the limits that signers give it", () => {
  const ledgers = `ledgers: [{ repository: ghcr.io/acme/tlog-ledger, observer: { key: ${KEY} } }]`;
  expect(read(`${ledgers}\nstate: s\n`).signers).toHaveLength(1);
  const signers = `signers: [{ key: ${KEY}, hours: "22:00-04:30", tags: ["docker.io/library/*"] }]`;
  expect(read(`${ledgers}\n${signers}\nstate: s\n`).signers).toMatchObject([
    { hours: { from: 22 * 60, to: 4 * 60 + 30 }, tags: ["docker.io/library/*"] },
  ]);
});

test("an entry counts for a ledger's observer, not for a pattern that fits it too", () => {
  const issuer = "https://accounts.example.org";
  const text = `
signers: [{ issuer: ${issuer}, identity-pattern: "**" }, { issuer: ${issuer}, identity: a@acme.example }]
ledgers: [{ repository: ghcr.io/acme/l, observer: { issuer: ${issuer}, identity: o@acme.example } }]
state: s
`;
  expect(read(text).signers.map(({ signer }) => signer)).toMatchObject([
    { identity: "o@acme.example" },
    { identity: "a@acme.example" },
    { pattern: "**" },
  ]);
});

test.for([
  ["state: s\n", /there is nobody to audit; name "signers", or "ledgers"/],
  [`signers: [{ key: ${KEY} }]\n`, /"state"/],
  [`signers: [{ key: ${KEY}, hours: "6-20" }]\nstate: s\n`, /"6-20" is not hours of the day in UTC/],
  [`signers: [{ key: ${KEY}, hours: "06:00-06:00" }]\nstate: s\n`, /is not hours of the day/],
  [`signers: [{ key: ${KEY} }, { key: ${KEY} }]\nstate: s\n`, /this signer is there twice/],
  [
    `signers: [{ key: ${KEY} }]\nstate: s\nlogs: [{ url: http://rekor.example }]\n`,
    /plain http is for loopback/,
  ],
  [`signers: [{ key: ${KEY} }]\nstate: s\nlog: x\n`, /the key "log" is not known \(did you mean "logs"\?\)/],
  [
    `signers: [{ key: ${KEY} }]\nstate: s\nlogs: [{ url: https://r.example, api: 2, by: search }]\n`,
    /"by" is for a log of API 1/,
  ],
] as const)("a file that cannot be used says why (%#)", ([text, why]) => {
  expect(refusal(text)).toMatch(why);
});

describe("what is published is what the program reads; `node scripts/audit-docs.ts` makes it anew", () => {
  test.for(Object.entries(auditSchemaFiles()))("docs/%s", ([name, text]) => {
    expect(readFileSync(`docs/${name}`, "utf8")).toBe(text);
  });

  test("the tables of the page", () => {
    const page = readFileSync("docs/audit.md", "utf8");
    expect(page).toBe(withAuditTables(page));
  });
});
