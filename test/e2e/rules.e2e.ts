// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLayout } from "./cases/oci-layout.ts";
import { expectBuilt, expectNothingRan, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;
/** The site's frontend with a rule for each kind of name. */
let ruled: string;

beforeAll(async () => {
  site = await startSite();
  const registry = site.lab.registry.address;
  const rules = [
    `  - { match: "${registry}/pinned*", action: pin }`,
    `  - { match: "${registry}/followed*", action: follow }`,
    `  - { match: "${registry}/warned*", action: warn }`,
    `  - { match: "${registry}/exempt*", action: ignore }`,
    `  - { match: "${registry}/young*", min-age: { days: 3, otherwise: block } }`,
  ];
  ruled = await site.derive({ policy: `${site.policy}rules:\n${rules.join("\n")}\n` });
});
afterAll(() => site?.stop());

/** An image whose bytes depend on nothing but what is built. */
const OCI = [
  "--provenance=false",
  "--build-arg",
  "SOURCE_DATE_EPOCH=1700000000",
  "--output",
  "type=oci,dest=../image,tar=false,rewrite-timestamp=true",
];

describe("a tag that is pinned", () => {
  test("is built as it was recorded after it has moved, to the same bytes, with a warning", async () => {
    const one = await site.pushSystem("pinned:1.0", "one");
    const dockerfile = [
      `FROM ${one.reference} AS base`,
      "RUN cat /version > /seen",
      `FROM ${one.reference}`,
      "COPY --from=base /seen /seen",
      `COPY --from=${one.reference} /version /copied`,
      `RUN --mount=from=${one.reference},target=/mounted cat /mounted/version > /from-mount`,
      "",
    ].join("\n");
    const first = await site.build({ syntax: ruled, dockerfile, args: OCI });
    expectBuilt(first);
    const two = await site.pushSystem("pinned:1.0", "two");

    // Without cache: every step is run anew, from whatever is its base now.
    const second = await site.build({ syntax: ruled, dockerfile, args: ["--no-cache", ...OCI] });
    expectBuilt(second);
    expect(second.output).toContain(one.digest);
    expect(verdictLines(second.output).join("\n")).toContain(two.digest);
    expect(second.output).toMatch(/1 warning found/);
    const [before, after] = await Promise.all(
      [first, second].map(({ dir }) => readLayout(join(dir, "../image"))),
    );
    expect(after?.config).toEqual(before?.config);
    expect(after?.layers).toEqual(before?.layers);
    expect(after?.manifest).toBe(before?.manifest);
  });

  test("is refused when the registry has the recorded image no more, and the build says so", async () => {
    const one = await site.pushSystem("pinned-gone:1.0", "one");
    const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
    expectBuilt(await site.build({ syntax: ruled, dockerfile, args: ["--output", "type=cacheonly"] }));
    const two = await site.pushSystem("pinned-gone:1.0", "two");
    const deleted = await fetch(
      `http://${site.lab.registry.address}/v2/pinned-gone/manifests/${one.digest}`,
      { method: "DELETE" },
    );
    expect(deleted.status).toBe(202);

    // Another builder, which never had it.
    const refused = await site.build({ syntax: ruled, dockerfile, engine: "legacy" });
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain(one.digest);
    expect(refused.output).toContain(two.digest);
    expect(refused.output).toMatch(/not found/);
    expectNothingRan(refused);
  });
});

test("a tag that is followed is built as it is now, and every change is recorded", async () => {
  const one = await site.pushSystem("followed:1.0", "one");
  const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
  expectBuilt(await site.build({ syntax: ruled, dockerfile }));
  const two = await site.pushSystem("followed:1.0", "two");
  const moved = await site.build({ syntax: ruled, dockerfile });
  expectBuilt(moved);
  expect(moved.output).toContain(two.digest);
  expect(site.entriesOf(one.reference)).toHaveLength(2);
  const again = await site.build({ syntax: ruled, dockerfile });
  expectBuilt(again);
  expect(verdictLines(again.output)[0]).toMatch(/ unchanged since /);
  expect(site.entriesOf(one.reference)).toHaveLength(2);
});

test("a tag that is warned about is built as it is now, with a warning", async () => {
  const one = await site.pushSystem("warned:1.0", "one");
  const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
  expectBuilt(await site.build({ syntax: ruled, dockerfile }));
  await site.pushSystem("warned:1.0", "two");
  const moved = await site.build({ syntax: ruled, dockerfile });
  expectBuilt(moved);
  expect(moved.output).toMatch(/1 warning found/);
  expect(site.entriesOf(one.reference)).toHaveLength(1);
});

test("a tag that is ignored is asked about nowhere", async () => {
  const { reference } = await site.pushSystem("exempt:1.0", "one");
  const built = await site.build({ syntax: ruled, dockerfile: `FROM ${reference}\nRUN cat /version\n` });
  expectBuilt(built);
  expect(site.entriesOf(reference)).toEqual([]);
});

test("a tag that is too young is recorded and refused, and says from when it will do", async () => {
  const { reference } = await site.pushSystem("young:1.0", "one");
  const refused = await site.build({ syntax: ruled, dockerfile: `FROM ${reference}\nRUN cat /version\n` });
  expect(refused.code).not.toBe(0);
  const until = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
  expect(refused.output).toContain(until);
  expect(site.entriesOf(reference)).toHaveLength(1);
  expectNothingRan(refused);
});

describe("an approval", () => {
  const approving = (reference: string): string[] => [
    "--call",
    "tlog",
    "--build-arg",
    `TLOG_APPROVE=${reference}`,
    "--build-arg",
    "TLOG_REASON=release notes were read",
  ];

  test("lets a moved tag be built from then on, by everybody who trusts the approver", async () => {
    const one = await site.pushSystem("approved:1.0", "one");
    const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
    expectBuilt(await site.build({ dockerfile }));
    const two = await site.pushSystem("approved:1.0", "two");
    const refused = await site.build({ dockerfile });
    expect(refused.code).not.toBe(0);
    expectNothingRan(refused);

    const approval = await site.build({ dockerfile, args: approving(`${one.reference}@${two.digest}`) });
    expect(approval.code).toBe(0);
    expect(approval.output).toContain(two.digest);
    expect(site.entriesOf(one.reference)).toHaveLength(2);

    const built = await site.build({ dockerfile });
    expectBuilt(built);
    expect(verdictLines(built.output)[0]).toContain(two.digest);

    // What stood before may still be named by its digest.
    const claimed = await site.build({
      dockerfile: `FROM ${one.reference}@${one.digest}\nRUN cat /version\n`,
    });
    expectBuilt(claimed);
    const foreign = await site.pushSystem("approved:2.0", "three");
    const lie = await site.build({
      dockerfile: `FROM ${one.reference}@${foreign.digest}\nRUN cat /version\n`,
    });
    expect(lie.code).not.toBe(0);
    expectNothingRan(lie);
  });

  test("of what stands already writes nothing", async () => {
    const { reference, digest } = await site.pushSystem("approved-twice:1.0", "one");
    const dockerfile = `FROM ${reference}\nRUN cat /version\n`;
    expectBuilt(await site.build({ dockerfile }));
    const approval = await site.build({ dockerfile, args: approving(`${reference}@${digest}`) });
    expect(approval.code).toBe(0);
    expect(site.entriesOf(reference)).toHaveLength(1);
  });

  test("of an image that the build does not use is an error", async () => {
    const { reference, digest } = await site.pushSystem("used:1.0", "one");
    const other = reference.replace("used", "unused");
    const failed = await site.build({
      dockerfile: `FROM ${reference}\nRUN cat /version\n`,
      args: approving(`${other}@${digest}`),
    });
    expect(failed.code).not.toBe(0);
    expect(failed.output).toContain(`"${other}"`);
  });

  test("outside of a check is an error: it would approve everything that comes", async () => {
    const { reference, digest } = await site.pushSystem("approved-in-build:1.0", "one");
    const failed = await site.build({
      dockerfile: `FROM ${reference}\nRUN cat /version\n`,
      args: ["--build-arg", `TLOG_APPROVE=${reference}@${digest}`],
    });
    expect(failed.code).not.toBe(0);
    expect(failed.output).toMatch(/--call tlog/);
    expect(site.entriesOf(reference)).toEqual([]);
  });
});
