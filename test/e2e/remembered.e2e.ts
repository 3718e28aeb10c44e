// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ApiResponse } from "../sigstore/api-exchange.ts";
import { readLayout } from "./cases/oci-layout.ts";
import { expectBuilt, expectNothingRan, verdictLines } from "./cases/refusal.ts";
import { type Site, type SiteRequest, startSite } from "./cases/site.ts";

let site: Site;
/** A frontend whose policy says whose records count. */
let frontend: string;
/** The same, and it asks the log in every build. */
let always: string;
let heal: () => void = () => undefined;

beforeAll(async () => {
  site = await startSite();
  const key = site.publicKey.trimEnd().replaceAll("\n", "\n      ");
  const policy = `${site.policy}trust:\n  - key: |\n      ${key}\n    may: [record, approve]\n`;
  frontend = await site.derive({ policy });
  always = await site.derive({ policy: `${policy}recheck: always\n` });
});
afterEach(() => heal());
afterAll(() => site?.stop());

/** Builds, and tells how often anything of Sigstore was asked meanwhile. */
async function build(reference: string, request: SiteRequest = {}) {
  const before = site.requests();
  const built = await site.build({
    syntax: frontend,
    sign: false,
    dockerfile: `FROM ${reference}\nRUN cat /version\n`,
    ...request,
  });
  return { ...built, asked: site.requests() - before };
}

/** An image whose tag has been recorded by a builder that remembers nothing of it. */
async function recorded(name: string) {
  const one = await site.pushSystem(name, "one");
  expectBuilt(await build(one.reference, { syntax: always, sign: undefined }));
  return one;
}

/** The report's word for it, and its text. */
async function check(reference: string) {
  const table = await build(reference, { args: ["--call", "tlog"] });
  const json = await build(reference, { args: ["--call", "tlog,format=json"] });
  expect(json.code, json.output).toBe(0);
  const { images } = JSON.parse(json.stdout) as { images: readonly { readonly remembered?: string }[] };
  return { table: table.stdout, remembered: images[0]?.remembered };
}

describe("the second build of a day with an unchanged tag", () => {
  test("asks the log nothing, says so to who looks, and is the same build", async () => {
    const one = await recorded("unchanged:1.0");
    const first = await build(one.reference);
    expectBuilt(first);
    expect(first.asked).toBeGreaterThan(0);
    const second = await build(one.reference);
    expectBuilt(second);
    expect(second.asked).toBe(0);
    expect(verdictLines(second.output)).toEqual(verdictLines(first.output));
    expect(verdictLines(second.output)[0]).toContain(`${one.reference} unchanged since `);

    const today = new Date().toISOString().slice(0, 10);
    const { table, remembered } = await check(one.reference);
    expect(remembered).toBe(today);
    expect(table).toContain(`  asked  on ${today}; remembered by the builder\n`);
  });

  test("asks nothing on an engine with the legacy image store either", async () => {
    const { reference } = await recorded("legacy:1.0");
    const engine = "legacy" as const;
    expectBuilt(await build(reference, { engine }));
    const second = await build(reference, { engine });
    expectBuilt(second);
    expect(second.asked).toBe(0);
  });

  test("needs no log: it may be down", async () => {
    const { reference } = await recorded("log-down:1.0");
    expectBuilt(await build(reference));
    heal = site.sigstore.misbehave({ fault: { kind: "drop" } });
    expectBuilt(await build(reference));
    const unheard = await site.pushSystem("unheard:1.0", "one");
    const other = await build(unheard.reference);
    expect(other.output).toContain(`tag "${unheard.reference}" could not be checked`);
    expectNothingRan(other);
    // A step that fails would be shown like this.
    expect(other.output).not.toMatch(/^#\d+ ERROR/m);
    heal();
    expectBuilt(await build(unheard.reference));
  });

  test("asks once more when the first one recorded the tag", async () => {
    const { reference } = await site.pushSystem("recorded-here:1.0", "one");
    const first = await build(reference, { sign: undefined });
    expect(verdictLines(first.output)[0]).toContain("first seen, recorded");
    expectBuilt(await build(reference));
    const third = await build(reference);
    expectBuilt(third);
    expect(third.asked).toBe(0);
  });
});

describe("what is remembered is not enough", () => {
  test("for a tag that moved since; and an approval counts at once", async () => {
    const one = await recorded("moved:1.0");
    expectBuilt(await build(one.reference));
    const two = await site.pushSystem("moved:1.0", "two");
    const moved = await build(one.reference);
    expect(moved.output).toContain(
      `tag "${one.reference}" mismatch; got "${two.digest}", want "${one.digest}"`,
    );
    expectNothingRan(moved);
    expect(moved.asked).toBeGreaterThan(0);
    const approve = ["--call", "tlog", "--build-arg", `TLOG_APPROVE=${one.reference}@${two.digest}`];
    const approved = await build(one.reference, { sign: undefined, args: approve });
    expect(approved.code, approved.output).toBe(0);
    expectBuilt(await build(one.reference));
  });

  test("where the policy says recheck: always, or the build says --no-cache", async () => {
    const { reference } = await recorded("asked-anew:1.0");
    expectBuilt(await build(reference));
    expect((await build(reference)).asked).toBe(0);
    for (const request of [{ syntax: always }, { syntax: always }, { args: ["--no-cache"] }]) {
      const anew = await build(reference, request);
      expectBuilt(anew);
      expect(anew.asked).toBeGreaterThan(0);
    }
  });

  test("a forged answer that the builder keeps does not pass", async () => {
    const one = await recorded("forged:1.0");
    const two = await site.pushSystem("forged:1.0", "two");
    // The log, or who stands in between, says that the new image is the one that was recorded.
    const change = (response: ApiResponse): ApiResponse => ({
      ...response,
      body: String(response.body).replaceAll(/"data":"([\w+/=]+)"/g, (_, data: string) => {
        const said = Buffer.from(data, "base64").toString().replaceAll(hex(one.digest), hex(two.digest));
        return `"data":"${Buffer.from(said).toString("base64")}"`;
      }),
    });
    heal = site.sigstore.misbehave({ path: /^\/api\/v1\/log\/entries/, fault: { kind: "rewrite", change } });
    const lied = await build(one.reference);
    expectNothingRan(lied);
    heal();
    const after = await build(one.reference);
    expect(after.output).toContain(`mismatch; got "${two.digest}", want "${one.digest}"`);
    expectNothingRan(after);
  });
});

test("the question is not in the provenance", async () => {
  const { reference } = await recorded("provenance:1.0");
  expectBuilt(await build(reference));
  const args = ["--output", "type=oci,dest=../image,tar=false", "--provenance=mode=max"];
  const built = await build(reference, { args });
  expectBuilt(built);
  expect(built.asked).toBe(0);
  expect(built.output).toContain("[internal] ask the log");
  const { attestations } = await readLayout(join(built.dir, "../image"));
  const provenance = attestations.find(({ type }) => type.startsWith("https://slsa.dev/provenance/"));
  expect(provenance?.text).toContain("cat /version");
  expect(provenance?.text).not.toMatch(/TLOG_QUESTIONS|ask the log|courier/);
});

const hex = (digest: string): string => digest.slice("sha256:".length);
