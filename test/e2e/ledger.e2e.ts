// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSigstore } from "../sigstore/sigstore.ts";
import { type LabObserver, openObserver } from "./cases/observer.ts";
import { expectBuilt, expectNothingRan, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";
import { startSecondRegistry } from "./lab/second-registry.ts";

let site: Site;
let directory: string;
let observer: LabObserver;
/** Our frontend with a default ledger, the trusted root of its log, and no policy. */
let frontend: string;

beforeAll(async () => {
  site = await startSite();
  directory = mkdtempSync(join(tmpdir(), "tlog-ledger-"));
  observer = openObserver(site.lab, site.sigstore, {
    directory: join(directory, "observer"),
    ledger: "acme/tlog-ledger",
    watch: [{ repository: "watched" }],
  });
  frontend = await observer.frontend();
});
afterAll(async () => {
  await site?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A build by somebody who has no key, no policy and no lock file. */
const build = (dockerfile: string, syntax = frontend, args: readonly string[] = []) =>
  site.build({ syntax, sign: false, dockerfile, args });

async function observe(): Promise<string> {
  const { code, output } = await observer.program("observe", "--once");
  expect(code, output).toBe(0);
  return output;
}

describe("somebody with no key, no policy and no log", () => {
  test("builds with what an observer saw, and is refused when the tag has moved since", async () => {
    const one = await site.pushSystem("watched:1.2.3", "one");
    expect(await observe()).toContain(`first-seen   ${one.reference} ${one.digest}`);
    const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
    const asked = site.requests();
    const first = await build(dockerfile);
    expectBuilt(first);
    expect(verdictLines(first.output)[0]).toMatch(/ unchanged since /);
    expect(site.requests(), "no log was asked").toBe(asked);

    const before = site.lab.registry.requests().length;
    const again = await build(dockerfile);
    expectBuilt(again);
    const ledger = site.lab.registry
      .requests()
      .slice(before)
      .filter((request) => request.includes("/acme/tlog-ledger/"));
    expect(ledger, "what is known of the ledger costs one question").toEqual([
      "HEAD /v2/acme/tlog-ledger/manifests/v1",
    ]);

    const two = await site.pushSystem("watched:1.2.3", "two");
    const moved = await build(dockerfile);
    expect(moved.code).not.toBe(0);
    expect(moved.output).toContain(
      `tag "${one.reference}" mismatch; got "${two.digest}", want "${one.digest}"`,
    );
    expectNothingRan(moved);

    expect(await observe()).toContain(`moved        ${one.reference} from ${one.digest} to ${two.digest}`);
    const stays = await build(dockerfile);
    expect(stays.code, "what the observer saw later takes nothing back").not.toBe(0);
    expect(stays.output).toContain(`want "${one.digest}"`);
  });

  test("takes the ledger's lines into a lock file, which needs no ledger any more", async () => {
    const one = await site.pushSystem("watched:2.0.0", "one");
    await observe();
    const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
    const made = await build(dockerfile, frontend, [
      "--build-arg",
      "TLOG_LOCK=update",
      "--output",
      "../lock",
    ]);
    expect(made.code, made.output).toBe(0);
    const lock = await readFile(join(made.dir, "../lock/tlog.lock"), "utf8");
    expect(lock).toContain(`${one.reference} `);
    const before = site.lab.registry.requests().length;
    const locked = await site.build({
      syntax: frontend,
      sign: false,
      dockerfile,
      files: { "tlog.lock": lock },
    });
    expectBuilt(locked);
    expect(
      site.lab.registry
        .requests()
        .slice(before)
        .filter((request) => request.includes("/acme/tlog-ledger/")),
    ).toEqual([]);
  });
});

test("the frontend's image is the observer's too: with arguments it serves a person, and no build", async () => {
  const help = await site.lab.docker(["run", "--rm", "--network", "none", frontend, "observe", "--help"]);
  expect(help.code, help.output).toBe(0);
  expect(help.stdout).toContain("Watches tags of registries");
  const wrong = await site.lab.docker(["run", "--rm", "--network", "none", frontend, "observ"]);
  expect(wrong.code).toBe(2);
  expect(wrong.output).toContain('"observ"');
  expect(wrong.output).toContain('"observe"');
});

test("a ledger is kept in another implementation of a registry just as well", async () => {
  const second = await startSecondRegistry(site.lab.hostAddress);
  try {
    const other = openObserver(site.lab, site.sigstore, {
      directory: join(directory, "second"),
      ledger: "team/ledger",
      ledgerHost: second.address,
      watch: [{ repository: "second" }],
    });
    // More than a head has room for, so that there are shards too.
    const images = [];
    for (let number = 0; number < 40; number++)
      images.push(await site.lab.push(`second:1.0.${number}`, { files: { number: `${number}\n` } }));
    const one = await site.pushSystem("second:2.0.0", "one");
    const run = await other.program("observe", "--once", "--quiet");
    expect(run.code, run.output).toBe(0);
    const again = await other.program("observe", "--once", "--quiet");
    expect(again.output).toContain("41 unchanged");
    const copies = images.map(({ reference }) => `COPY --from=${reference} /number /n/\n`).join("");
    const dockerfile = `FROM ${one.reference}\n${copies}RUN cat /version\n`;
    const syntax = await other.frontend();
    const built = await build(dockerfile, syntax);
    expectBuilt(built);
    const lines = verdictLines(built.output);
    expect(lines).toHaveLength(41);
    expect(lines.filter((line) => !line.includes(" unchanged since "))).toEqual([]);
    await site.lab.push("second:1.0.7", { files: { number: "other\n" } });
    const moved = await build(dockerfile, syntax);
    expect(moved.code).not.toBe(0);
    expect(moved.output).toContain(`/second:1.0.7" mismatch; got "`);
    expectNothingRan(moved);
  } finally {
    await second.stop();
  }
});

describe("a ledger that says nothing of a tag", () => {
  test("because nobody watches that tag, is said, and the build goes on", async () => {
    const one = await site.pushSystem("not-watched:1.2.3", "one");
    const built = await build(`FROM ${one.reference}\nRUN cat /version\n`);
    expectBuilt(built);
    expect(verdictLines(built.output)[0]).toContain("NOT RECORDED");
    expect(built.output).toContain(`(no ledger has it: "${observer.ledger}"`);
  });

  test.for<{ row: string; name: string; change?: Record<string, unknown> }>([
    { row: "is not there", name: "LedgerNotThere", change: { repository: "acme/nothing" } },
    { row: "cannot be asked", name: "LedgerUnreachable", change: { repository: "127.0.0.1:9/acme/ledger" } },
    { row: "is somebody else's", name: "LedgerForeign", change: { observer: "stranger" } },
    { row: "is something else", name: "LedgerBroken", change: { repository: "watched" } },
  ])("because it $row, stops the build", async ({ row, name, change = {} }) => {
    const one = await site.pushSystem("watched:3.0.0", "one");
    await site.lab.push("watched:v1", { files: { word: `${row}\n` } });
    const { repository } = change;
    const syntax = await observer.frontend({
      change: {
        ...(typeof repository === "string" && {
          repository: repository.includes(":") ? repository : `${site.lab.registry.address}/${repository}`,
        }),
        ...(change["observer"] === "stranger" && { observer: { key: site.publicKey } }),
      },
    });
    const built = await build(`FROM ${one.reference}\nRUN cat /version\n`, syntax);
    expect(built.code).not.toBe(0);
    expect(built.output).toContain(`${name}: https:`);
    expectNothingRan(built);
  });

  test("because its head is older than the policy allows, stops the build", async () => {
    const clock = () => new Date(Date.now() - 2 * 3_600_000);
    const sigstore = await startSigstore({ listen: `${site.lab.hostAddress}:0`, clock });
    try {
      const old = openObserver(site.lab, sigstore, {
        directory: join(directory, "old"),
        ledger: "acme/old-ledger",
        watch: [{ repository: "watched" }],
      });
      // Its clock is that of its log.
      const { observer: engine } = await import("../../src/observer/observe.ts");
      const { readConfiguration } = await import("../../src/observer/configuration.ts");
      const text = await readFile(old.file, "utf8");
      await engine({ shipped: join(import.meta.dirname, "../../dist"), environment: {} })(
        readConfiguration(text, { path: old.file, name: "tlog-observer.yaml" }),
        {
          signal: AbortSignal.timeout(60_000),
          now: clock,
          onEvent: () => undefined,
          onProgress: () => undefined,
          dryRun: false,
        },
      );
      const one = await site.pushSystem("watched:4.0.0", "one");
      const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
      const built = await build(dockerfile, await old.frontend({ change: { "max-age": "1h" } }));
      expect(built.code).not.toBe(0);
      expect(built.output).toContain("LedgerTooOld: https:");
      expectNothingRan(built);
      const longer = await build(dockerfile, await old.frontend({ change: { "max-age": "1d" } }));
      expectBuilt(longer);
    } finally {
      await sigstore.close();
    }
  });
});
