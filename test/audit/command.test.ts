// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { AUDIT_SCHEMA, type AuditResult, auditText } from "../../src/audit/finding.ts";
import { AuditState } from "../../src/audit/state.ts";
import { type Auditing, keyText, startAuditing, strangers } from "./auditing.ts";

let at: Auditing;
beforeEach(async () => {
  at = await startAuditing();
  onTestFinished(at.close);
});

/** An audit with one finding. */
async function found(args: readonly string[] = []) {
  at.registry.image("team/app", "1.0", "one");
  await at.run(at.v2);
  await at.sign({ digest: `sha256:${"a".repeat(64)}` });
  at.registry.image("team/app", "1.0", "two");
  await at.run(at.v2);
  return at.audit({}, ["--from-scratch", ...args]);
}

test("the result is of the published schema, and its text has a line for each finding and each thing read", async () => {
  const { result } = await found();
  expect(v.parse(AUDIT_SCHEMA, result)).toEqual(result);
  const text = auditText(result).split("\n");
  expect(text).toEqual([
    expect.stringMatching(
      /^error hidden-entry: key sha256:.{12}… has 2 entries \(1, 2\) in "http.*": nothing shows them; 1 of them may be/,
    ),
    `log ${at.sigstore.url}: 5 entries, all read and proven by the signed root; 5 read in this run`,
    `ledger ${at.registry.host}/team/ledger: head 2, 2 lines`,
    "5 entries by audited signers, 0 of them after the newest head; 1 findings",
    "",
  ]);
});

test("text of a stranger does not reach a terminal as it is", () => {
  const result: AuditResult = {
    version: 1,
    logs: [],
    ledgers: [],
    entries: 0,
    pending: 0,
    findings: [{ kind: "ledger-broken", level: "error", message: "a\u001b[2Jb\nc" }],
    notRead: [],
  };
  expect(auditText(result)).toContain("error ledger-broken: a?[2Jb c\n");
});

test("SARIF has each finding under its rule, at the configuration's file", async () => {
  await found(["--sarif", "audit.sarif"]);
  const sarif = JSON.parse(readFileSync(join(at.directory, "audit.sarif"), "utf8")) as {
    runs: [
      { tool: { driver: { rules: { id: string }[] } }; results: { ruleId: string; ruleIndex: number }[] },
    ];
  };
  expect(sarif).toMatchObject({
    version: "2.1.0",
    runs: [
      {
        invocations: [{ executionSuccessful: true }],
        results: [
          {
            ruleId: "hidden-entry",
            level: "error",
            locations: [{ physicalLocation: { artifactLocation: { uri: "tlog-audit.yaml" } } }],
          },
        ],
      },
    ],
  });
  const [{ tool, results }] = sarif.runs;
  for (const { ruleId, ruleIndex } of results) expect(tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
});

test("a SARIF file that cannot be written keeps no finding back, and is no clean audit", async () => {
  const { status, err, kinds } = await found(["--sarif", "nowhere/audit.sarif"]);
  expect({ status, kinds }).toEqual({ status: 1, kinds: ["hidden-entry"] });
  expect(err).toMatch(/^tlog-dockerfile audit: write "nowhere\/audit\.sarif": ENOENT[^\n]*\n$/);
  const signers = `[{ key: ${keyText(at.newKey("nobody.pem"))} }]`;
  const none = await at.audit({ signers, ledgers: "[]" }, [
    "--from-scratch",
    "--sarif",
    "nowhere/audit.sarif",
  ]);
  expect(none.status).toBe(3);
});

test("progress shows how many entries of how many, with rate and time left", async () => {
  at.replaceLog(at.lyingLog(strangers(1024)));
  let ms = 0;
  let shown = "";
  const stderr = { isTTY: true, columns: 100, write: (text: string) => void (shown += text) };
  const args = ["audit", "--from-scratch", "--json"];
  await at.audit({}, ["--from-scratch"]);
  const { main } = await import("../../src/main.ts");
  await main(args, {
    stdout: { write: () => undefined },
    stderr,
    environment: {},
    directory: at.directory,
    shipped: "",
    now: () => new Date(),
    clock: () => (ms += 1_000),
    pause: async () => undefined,
    signal: new AbortController().signal,
  });
  expect(shown).toMatch(/25% 256 of 1024 entries, \d+\.\d\/s, \d+ s left/);
});

test("a state is used by one audit at a time", async () => {
  await at.audit({}, ["--from-scratch"]);
  const state = AuditState.open(join(at.directory, "audit.sqlite"), {
    name: "audit.sqlite",
    fromScratch: false,
  });
  const { status, err } = await at.audit();
  state.close();
  expect({ status, err }).toEqual({ status: 2, err: expect.stringMatching(/another audit uses it/) });
  expect((await at.audit()).status).toBe(0);
});

test("an audit that is interrupted says so, and the next one goes on", async () => {
  at.replaceLog(at.lyingLog(strangers(1024)));
  const ending = new AbortController();
  const { answer } = at.sigstore.logV2;
  at.sigstore.logV2.answer = (request) => {
    if (request.path.endsWith("/001")) ending.abort();
    return answer(request);
  };
  const { status, err, out } = await at.audit({}, ["--from-scratch"], { signal: ending.signal });
  expect({ status, out }).toEqual({ status: 3, out: "" });
  expect(err).toMatch(/audit: interrupted; the next audit goes on from here\n$/);
  expect((await at.audit()).status).toBe(0);
});

test.for([
  [["--every", "1h"], /the option "--every" is not known/],
  [["now"], /"now" is not an option/],
] as const)("a command line that is not understood is refused (%#)", async ([args, why]) => {
  const { status, err } = await at.audit({}, args);
  expect({ status, err }).toEqual({ status: 2, err: expect.stringMatching(why) });
});
