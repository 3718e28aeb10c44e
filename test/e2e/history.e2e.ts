// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HistoryDiffShape, HistoryShape } from "../../src/history/format.ts";
import { type LabObserver, openObserver } from "./cases/observer.ts";
import { expectBuilt } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";
import type { PushedImage } from "./lab/images.ts";

let site: Site;
let directory: string;
/** A frontend that trusts the site's key, and asks its log. */
let frontend: string;
/** Two images of one tag: the first was recorded by a build, the second approved. */
let one: PushedImage;
let two: PushedImage;

const TAG = "told:1.0";

beforeAll(async () => {
  site = await startSite();
  directory = mkdtempSync(join(tmpdir(), "tlog-history-"));
  const key = site.publicKey.trim().replaceAll(/^/gm, "      ");
  frontend = await site.derive({
    policy: `${site.policy}trust:\n  - key: |\n${key}\n    may: [record, approve]\n`,
  });
  one = await site.pushSystem(TAG, "one");
  const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
  expectBuilt(await site.build({ syntax: frontend, dockerfile }));
  two = await site.pushSystem(TAG, "two");
  const approve = [`TLOG_APPROVE=${one.reference}@${two.digest}`, "TLOG_REASON=two is fixed"];
  const args = ["--call", "tlog", ...approve.flatMap((each) => ["--build-arg", each])];
  const approved = await site.build({ syntax: frontend, dockerfile, args });
  expect(approved.code, approved.output).toBe(0);
});
afterAll(async () => {
  await site?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Asks for a history as people do; the Dockerfile is of no matter, and no key is given. */
const history = (args: Readonly<Record<string, string>>, { call = "tlog.history", syntax = frontend } = {}) =>
  site.build({
    syntax,
    sign: false,
    dockerfile: "FROM scratch\n",
    args: [
      "--call",
      call,
      ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ],
  });
const JSON_CALL = { call: "tlog.history,format=json" };

describe("docker buildx build --call tlog.history", () => {
  test("prints what the tag named, when, and who says so, and signs nothing", async () => {
    const logged = site.sigstore.log.entries.length;
    const { code, stdout, output } = await history({ TLOG_IMAGE: one.reference });
    expect(code, output).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${one.reference}\n  stands ${two.digest}\n  why    approval 1, `));
    const events = stdout.split("\n").filter((line) => /^\d{4}-\d\d-\d\dT/.test(line));
    expect(events).toEqual([
      expect.stringMatching(/Z {2}first seen {2}\[1\]$/),
      expect.stringMatching(/Z {2}approved {4}\[1\]$/),
    ]);
    expect(stdout).toContain(`  digest ${one.digest}\n  signer ${site.signer}\n`);
    expect(stdout).toContain('  reason "two is fixed"\n');
    expect(stdout).toContain(`[1] log ${site.sigstore.url}: 2 records\n`);
    expect(site.sigstore.log.entries).toHaveLength(logged);
  });

  test("prints it as JSON of the published schema", async () => {
    const { code, stdout, output } = await history({ TLOG_IMAGE: one.reference }, JSON_CALL);
    expect(code, output).toBe(0);
    expect(v.parse(HistoryShape, JSON.parse(stdout))).toMatchObject({
      image: one.reference,
      stands: { why: "approval", record: { digest: two.digest, reason: "two is fixed" } },
      events: [
        { what: "first-seen", record: { digest: one.digest } },
        { what: "approved", record: { digest: two.digest, supersedes: one.digest } },
      ],
    });
  });

  test("ends with status 3 for a tag that nobody recorded, and for a day before anybody did", async () => {
    const unknown = await history({ TLOG_IMAGE: one.reference.replace(":1.0", ":9.9") });
    expect(unknown.code, unknown.output).toBe(3);
    expect(unknown.stdout).toContain("no record of the tag counts\n");
    const early = await history({ TLOG_IMAGE: one.reference, TLOG_AT: "2020-01-01" });
    expect(early.code, early.output).toBe(3);
    expect(early.stdout).toContain(
      "  at     2020-01-01T23:59:59Z\n         no record of the tag counts by then\n",
    );
  });

  test("compares two images of the tag", async () => {
    const args = { TLOG_IMAGE: one.reference, TLOG_DIFF: `${one.digest},${two.digest}` };
    const { code, stdout, output } = await history(args, JSON_CALL);
    // They are plain manifests, whose records name no platforms.
    expect(code, output).toBe(3);
    expect(v.parse(HistoryDiffShape, JSON.parse(stdout))).toMatchObject({
      from: { digest: one.digest, trusted: true },
      to: { digest: two.digest, trusted: true },
    });
  });

  test.for<[string, Readonly<Record<string, string>>, string]>([
    [
      "no tag",
      {},
      "show a history: nothing says of which tag; name it with --build-arg TLOG_IMAGE=alpine:3.16.0",
    ],
    ["no day", { TLOG_IMAGE: "alpine:3", TLOG_AT: "soon" }, 'TLOG_AT="soon" is neither a day nor a time'],
  ])("is refused with one error where there is %s", async ([, args, why]) => {
    const { code, output } = await history(args);
    expect(code).toBe(1);
    expect(output.split("\n").filter((line) => line.startsWith("ERROR: "))).toEqual([
      expect.stringContaining(why),
    ]);
  });

  test("ends with status 1 where the log cannot be asked, and says so of that place", async () => {
    const lift = site.sigstore.misbehave({ fault: { kind: "answer", status: 400, body: "no" } });
    const { code, stdout, output } = await history({ TLOG_IMAGE: one.reference }, JSON_CALL);
    lift();
    expect(code, output).toBe(1);
    expect(v.parse(HistoryShape, JSON.parse(stdout)).places).toMatchObject([
      { kind: "log", answer: "failed", reason: "unreachable" },
    ]);
  });
});

describe("of a frontend with a ledger, and no policy", () => {
  let observer: LabObserver;

  test("tells what the observer saw, and up to which head; no log is asked", async () => {
    observer = openObserver(site.lab, site.sigstore, {
      directory: join(directory, "observer"),
      ledger: "acme/history-ledger",
      watch: [{ repository: "watched-history" }],
    });
    const syntax = await observer.frontend();
    const observe = async () => {
      const run = await observer.program("observe", "--once");
      expect(run.code, run.output).toBe(0);
    };
    const first = await site.pushSystem("watched-history:1.0", "one");
    await observe();
    const second = await site.pushSystem("watched-history:1.0", "two");
    await observe();
    const asked = site.requests();
    const { code, stdout, output } = await history({ TLOG_IMAGE: first.reference }, { ...JSON_CALL, syntax });
    expect(code, output).toBe(0);
    expect(v.parse(HistoryShape, JSON.parse(stdout))).toMatchObject({
      events: [
        { what: "first-seen", record: { digest: first.digest }, places: [1] },
        { what: "moved", record: { digest: second.digest }, places: [1] },
      ],
      places: [{ kind: "ledger", name: observer.ledger, mayLeaveOut: false, completeTo: { head: 2 } }],
    });
    expect(site.requests()).toBe(asked);
    const text = await history({ TLOG_IMAGE: first.reference }, { syntax });
    expect(text.stdout).toContain(`[1] ledger ${observer.ledger}: 2 records\n`);
  });
});
