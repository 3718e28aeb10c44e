// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test, afterAll } from "vitest";
import { main } from "../../src/main.ts";
import type { CommandIo } from "../../src/program/command-line.ts";
import type { TrustedSigner } from "../../src/record/signer.ts";
import { tagDirectory } from "../../src/site/addresses.ts";
import { type Observing, startObserving } from "../observer/observing.ts";
import { filesOf } from "./sample-site.ts";
import { parseXml } from "./xml.ts";

let at: Observing;
let [first, second] = ["", ""];
beforeAll(async () => {
  at = await startObserving();
  first = at.registry.image("team/app", "1.0", "one");
  at.registry.image("team/app", "2.0", "two");
  await at.run();
  second = at.registry.image("team/app", "1.0", "moved");
  await at.run();
  writeFileSync(join(at.directory, "observer.pub"), pemOf(at.signer));
  writeFileSync(join(at.directory, "other.pub"), pemOf(at.newKey("other.pem")));
});
afterAll(() => at.close());

function pemOf(signer: TrustedSigner): string {
  if (signer.kind !== "key") throw new Error("the sample has a key");
  return signer.publicKey.export({ type: "spki", format: "pem" }).toString();
}

/** Runs `main.ts site` in the observer's directory. */
async function site(
  args: readonly string[],
  change: Partial<CommandIo> = {},
): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const io: CommandIo = {
    stdout: { write: (text) => void (out += text) },
    stderr: { write: (text) => void (err += text) },
    environment: {},
    directory: at.directory,
    shipped: new URL("../../dist", import.meta.url).pathname,
    now: () => new Date(),
    clock: () => performance.now(),
    pause: async () => undefined,
    signal: new AbortController().signal,
    ...change,
  };
  return { status: await main(["site", ...args], io), out, err };
}

const ROOT = ["--trusted-root", "sigstore/trusted_root.json"];
const ledger = () => `${at.registry.host}/team/ledger`;
const named = () => ["--ledger", ledger(), "--observer-key", "observer.pub", ...ROOT];

describe("a site of what an observer wrote", () => {
  test("is made, and made again without a change", async () => {
    const ran = await site([...named(), "--out", "made"]);
    expect(ran).toMatchObject({ status: 0, out: "" });
    expect(ran.err).toMatch(
      /^tlog-dockerfile site: head 2 of "127\.0\.0\.1:\d+\/team\/ledger": 2 tags, 3 records; \d+ files written, 0 unchanged, 0 removed in "made" \(\d+\.\d s\)\n$/,
    );
    const files = filesOf(join(at.directory, "made"));
    const page = parseXml(files.get(`${tagDirectory(`${at.registry.host}/team/app:1.0`)}/index.html`) ?? "", {
      isHtml: true,
    });
    expect(page.text).toContain(`Stands: ${first}`);
    expect(page.text).toContain(`was ${second}, which does not stand`);
    expect((await site([...named(), "--out", "made"])).err).toContain("; 0 files written, ");
    expect(await site([...named(), "--out", "made", "--quiet"])).toEqual({ status: 0, out: "", err: "" });
  });

  test("is made by a policy's ledgers, with the address that it will have", async () => {
    const key = pemOf(at.signer).trim().replaceAll("\n", "\n        ");
    const policy = `version: 1
ledgers:
  - repository: ${ledger()}
    observer:
      key: |
        ${key}
`;
    writeFileSync(join(at.directory, "policy.yaml"), policy);
    const ran = await site([
      "--policy",
      "policy.yaml",
      ...ROOT,
      "--out",
      "by-policy",
      "--base-url",
      "https://acme.example/l",
    ]);
    expect(ran).toMatchObject({ status: 0 });
    const feed = filesOf(join(at.directory, "by-policy")).get("moves.json") ?? "";
    expect(JSON.parse(feed)).toMatchObject({
      home_page_url: "https://acme.example/l/",
      items: [
        { url: `https://acme.example/l/${tagDirectory(`${at.registry.host}/team/app:1.0`)}/index.html` },
      ],
    });
  });

  test("is not made when the head is signed by somebody else", async () => {
    const ran = await site([
      "--ledger",
      ledger(),
      "--observer-key",
      "other.pub",
      ...ROOT,
      "--out",
      "foreign",
    ]);
    expect(ran.status).toBe(1);
    expect(ran.err).toMatch(
      /^tlog-dockerfile site: no site is made of ".+\/team\/ledger": its head is not signed by its observer: .+; the site in --out is as it was\n$/,
    );
    expect(filesOf(join(at.directory, "foreign")).size).toBe(0);
  });

  test("is not made when there is no ledger, or no answer", async () => {
    const none = ["--ledger", `${at.registry.host}/team/none`, "--observer-key", "observer.pub", ...ROOT];
    expect((await site([...none, "--out", "none"])).err).toContain("the registry has no ledger");
    const down = ["--ledger", "127.0.0.1:9/team/ledger", "--observer-key", "observer.pub", ...ROOT];
    const ran = await site([...down, "--out", "down"]);
    expect(ran).toMatchObject({ status: 1, err: expect.stringMatching(/127\.0\.0\.1:9.+as it was\n$/) });
  });

  test("is not made when the registry fails in the middle", async () => {
    const { registry } = at;
    onTestFinished(() => void (registry.fault = () => false));
    registry.fault = (request, response) => {
      if (!/blobs/.test(request.url ?? "")) return false;
      response.writeHead(404).end();
      return true;
    };
    const ran = await site([...named(), "--out", "failed"]);
    expect(ran).toMatchObject({ status: 1, err: expect.stringContaining("is not there") });
    expect(existsSync(join(at.directory, "failed", "index.html"))).toBe(false);
  });

  test("is not made of a directory with something else in it", async () => {
    const ran = await site([...named(), "--out", "sigstore"]);
    expect(ran).toMatchObject({ status: 1, err: expect.stringContaining("with --out") });
    expect(ran.err).toContain("is not empty and has no site in it");
    expect(readFileSync(join(at.directory, "sigstore/trusted_root.json"), "utf8")).toContain("tlogs");
  });

  test("is interrupted by the signal", async () => {
    const ran = await site([...named(), "--out", "ended"], { signal: AbortSignal.abort() });
    expect(ran).toMatchObject({ status: 1, err: expect.stringContaining(": interrupted;") });
  });
});

describe("a command line that cannot be used says why", () => {
  test.for<readonly [what: string, args: () => readonly string[], why: string]>([
    ["no directory", () => named(), "no directory is given; name one with --out"],
    ["no ledger", () => ["--observer-key", "observer.pub", "--out", "x"], "no ledger is given"],
    [
      "nobody who signs",
      () => ["--ledger", ledger(), "--out", "x"],
      "nobody is named who signs the ledger's heads",
    ],
    [
      "half an identity",
      () => ["--ledger", ledger(), "--observer-issuer", "https://a", "--out", "x"],
      "one of them is missing",
    ],
    ["two observers", () => [...named(), "--observer-issuer", "https://a", "--out", "x"], "are two signers"],
    [
      "a tag",
      () => ["--ledger", `${ledger()}:v1`, "--observer-key", "observer.pub", "--out", "x"],
      "a ledger is a whole repository",
    ],
    [
      "no key",
      () => ["--ledger", ledger(), "--observer-key", "nowhere", "--out", "x"],
      'read "nowhere": ENOENT',
    ],
    [
      "a private key",
      () => ["--ledger", ledger(), "--observer-key", "observer.pem", "--out", "x"],
      "this is a private key",
    ],
    ["no address", () => [...named(), "--out", "x", "--base-url", "javascript:alert(1)"], '"--base-url"'],
    [
      "a policy and a key",
      () => [...named(), "--policy", "policy.yaml", "--out", "x"],
      "the policy says who signs",
    ],
    [
      "no root",
      () => [
        "--ledger",
        ledger(),
        "--observer-key",
        "observer.pub",
        "--trusted-root",
        "observer.pub",
        "--out",
        "x",
      ],
      '"--trusted-root"',
    ],
    ["a word", () => ["here", "--out", "x"], '"here" is not an option'],
  ])("%s", async ([, args, why]) => {
    const ran = await site(args());
    expect(ran).toMatchObject({ status: 2, out: "" });
    expect(ran.err).toContain(why);
    expect(ran.err.split("\n")).toHaveLength(2);
  });

  test("help and documentation name the same options", async () => {
    const { out, status } = await site(["--help"]);
    expect(status).toBe(0);
    const inHelp = [...out.matchAll(/^ +(?:-h, )?(--[a-z-]+(?: [A-Z]+)?)/gm)].map(([, option]) => option);
    const documented = [
      ...readFileSync("docs/site.md", "utf8").matchAll(/`(--[a-z-]+(?: [A-Z]+)?)`(?=[^|\n]*\|)/g),
    ];
    expect(inHelp.filter((option) => option !== "--help").toSorted()).toEqual(
      documented.map(([, option]) => option).toSorted(),
    );
  });
});
