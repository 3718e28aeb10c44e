// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectBuilt, expectNothingRan, expectUnknown, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;
/** Frontends that trust the site's key; one of them records in a Rekor v2 log, which has no search. */
let v1: string;
let v2: string;

beforeAll(async () => {
  site = await startSite();
  const trust = `trust:\n  - key: |\n${site.publicKey.trim().replaceAll(/^/gm, "      ")}\n    may: [record, approve]\n`;
  v1 = await site.derive({ policy: `${site.policy}${trust}` });
  v2 = await site.derive({ policy: `${site.policyV2}${trust}` });
});
afterAll(() => site?.stop());

const UPDATE = ["--build-arg", "TLOG_LOCK=update", "--output", "../lock"];

async function lockOf({ dir }: { readonly dir: string }): Promise<string> {
  return readFile(join(dir, "../lock/tlog.lock"), "utf8");
}

describe.each([
  { log: "Rekor v1", frontend: () => v1 },
  { log: "Rekor v2", frontend: () => v2 },
])("with a lock file and a $log log", ({ log, frontend }) => {
  const name = log.replace(" ", "-").toLowerCase();

  test("a tag is recorded into the lock, checked without the log, and refused when it has moved", async () => {
    const one = await site.pushSystem(`${name}-locked:1.0`, "one");
    const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
    const made = await site.build({ syntax: frontend(), dockerfile, args: UPDATE });
    expect(made.output, made.output).toContain("first seen, recorded");
    const lock = await lockOf(made);
    expect(lock.split("\n")).toHaveLength(3);
    expect(lock).toContain(`${one.reference} `);
    expect(lock).toContain(one.digest);

    const again = await site.build({
      syntax: frontend(),
      dockerfile,
      args: UPDATE,
      files: { "tlog.lock": lock },
    });
    expect(await lockOf(again), "an update with nothing new changes nothing").toBe(lock);

    const before = site.requests();
    const locked = await site.build({
      syntax: frontend(),
      sign: false,
      dockerfile,
      files: { "tlog.lock": lock },
    });
    expectBuilt(locked);
    expect(verdictLines(locked.output)[0]).toMatch(/ unchanged since /);
    expect(site.requests(), "nobody was asked").toBe(before);

    const two = await site.pushSystem(`${name}-locked:1.0`, "two");
    const moved = await site.build({
      syntax: frontend(),
      sign: false,
      dockerfile,
      files: { "tlog.lock": lock },
    });
    expect(moved.code).not.toBe(0);
    expect(moved.output).toContain(`mismatch; got "${two.digest}", want "${one.digest}"`);
    expectNothingRan(moved);

    // An approval goes into the lock file, and holds from then on.
    const approved = await site.build({
      syntax: frontend(),
      dockerfile,
      args: [...UPDATE, "--build-arg", `TLOG_APPROVE=${one.reference}@${two.digest}`],
      files: { "tlog.lock": lock },
    });
    const newer = await lockOf(approved);
    expect(newer.split("\n")).toHaveLength(4);
    const built = await site.build({
      syntax: frontend(),
      sign: false,
      dockerfile,
      files: { "tlog.lock": newer },
    });
    expectBuilt(built);
    expect(verdictLines(built.output)[0]).toContain(two.digest);
  });

  test("a lock file that is out of date is found by a check, and printed as it should be", async () => {
    const one = await site.pushSystem(`${name}-out-of-date:1.0`, "one");
    const other = await site.pushSystem(`${name}-other:1.0`, "other");
    const alone = `FROM ${one.reference}\nRUN cat /version\n`;
    // A stage that this build does not need counts too: the lock is for all targets.
    const both = `FROM ${other.reference} AS tools\nRUN cat /version\nFROM ${one.reference}\nRUN cat /version\n`;
    const lock = await lockOf(await site.build({ syntax: frontend(), dockerfile: alone, args: UPDATE }));
    const files = { "tlog.lock": lock };
    const CHECK = ["--call", "tlog.lock", "--build-arg", "TLOG_LOCK=check"];
    const good = await site.build({ syntax: frontend(), dockerfile: alone, files, args: CHECK });
    expect(good.code, good.output).toBe(0);
    const newer = await lockOf(
      await site.build({ syntax: frontend(), dockerfile: both, files, args: UPDATE }),
    );
    expect(newer).toContain(`${other.reference} `);
    const stale = await site.build({
      syntax: frontend(),
      dockerfile: alone,
      files: { "tlog.lock": newer },
      args: CHECK,
    });
    expect(stale.code).toBe(1);
    expect(stale.output).toContain(`- ${other.reference}: no stage uses it any more`);
    const printed = await site.build({
      syntax: frontend(),
      sign: false,
      dockerfile: both,
      files: { "tlog.lock": newer },
      args: ["--call", "tlog.lock"],
    });
    expect(printed.output).toContain(newer.trim());
  });
});

test("a tag that the lock file does not have is asked for where the log has a search, and unknown where not", async () => {
  const one = await site.pushSystem("not-locked:1.0", "one");
  const two = await site.pushSystem("locked-beside:1.0", "two");
  const first = `FROM ${two.reference}\nRUN cat /version\n`;
  const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
  for (const [frontend, builds] of [
    [v1, true],
    [v2, false],
  ] as const) {
    const lock = await lockOf(await site.build({ syntax: frontend, dockerfile: first, args: UPDATE }));
    const built = await site.build({ syntax: frontend, dockerfile, files: { "tlog.lock": lock } });
    if (builds) {
      expectBuilt(built);
      expect(verdictLines(built.output)[0]).toContain("first seen, recorded");
    } else {
      const detail = /^no lock file has a record of it, and the log "http:\S+" has no search$/;
      expectUnknown(built, { reference: one.reference, name: "NotInLockFile", detail });
      expect(built.output).toContain(
        "\n    docker buildx build --build-arg TLOG_LOCK=update -o . \\\n      --secret id=tlog-signing-key,src=key.pem .\n  or name the image by digest:\n",
      );
    }
  }
});

describe("a lock file that is not as it was made stops the build, with its line", () => {
  test.for<{ row: string; change: (lock: string) => string; says: RegExp }>([
    { row: "empty", change: () => "", says: /tlog\.lock.*empty/ },
    { row: "cut off", change: (lock) => lock.slice(0, -40), says: /tlog\.lock/ },
    {
      row: "a column that was edited",
      change: (lock) => lock.replace(/sha256:[0-9a-f]{8}/, "sha256:00000000"),
      says: /tlog\.lock", line 2/,
    },
    { row: "merge conflict markers", change: (lock) => `${lock}<<<<<<< HEAD\n`, says: /line 3/ },
  ])("$row", async ({ row, change, says }) => {
    const { reference } = await site.pushSystem(`edited-${row.replaceAll(/[^a-z]+/g, "-")}:1.0`, "one");
    const dockerfile = `FROM ${reference}\nRUN cat /version\n`;
    const lock = await lockOf(await site.build({ syntax: v1, dockerfile, args: UPDATE }));
    const built = await site.build({ syntax: v1, dockerfile, files: { "tlog.lock": change(lock) } });
    expect(built.code).not.toBe(0);
    expect(built.output).toMatch(says);
    expectNothingRan(built);
  });
});
