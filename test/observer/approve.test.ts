// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { main } from "../../src/main.ts";
import type { CommandIo } from "../../src/program/command-line.ts";
import { signerName } from "../../src/record/signer.ts";
import { type Observing, startObserving } from "./observing.ts";

let at: Observing;
beforeEach(async () => {
  at = await startObserving();
  const { close } = at;
  onTestFinished(close);
});

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `main.ts approve` in the observer's directory, with this configuration. */
async function approve(args: readonly string[], configuration = at.configurationText()): Promise<Ran> {
  writeFileSync(join(at.directory, "tlog-observer.yaml"), configuration);
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
  };
  const status = await main(["approve", ...args], io);
  return { status, out, err };
}

const image = (digest: string) => `${at.registry.host}/team/app:1.0@${digest}`;

/** A tag that an observer saw move. */
async function moved(): Promise<{ readonly first: string; readonly second: string }> {
  const first = at.registry.image("team/app", "1.0", "one");
  await at.run();
  const second = at.registry.image("team/app", "1.0", "two");
  await at.run();
  return { first, second };
}

/** The configuration of somebody who approves with a key of their own; nothing is watched. */
function approver(more = ""): string {
  return `
ledger: ${at.registry.host}/team/ledger
log: ${at.sigstore.url}
signing: { key: approver.pem }
trusted-root: sigstore/trusted_root.json
registries: [{ host: "${at.registry.host}", plain-http: true }]
${more}
`;
}

describe("an image that is approved outside a build", () => {
  test("stands for builds once an observer has taken the approval into the ledger", async () => {
    const signer = at.newKey("approver.pem");
    const { first, second } = await moved();
    const knowing = approver(`approvals: { signers: [{ key: ${JSON.stringify(keyOf(at.signer))} }] }`);
    const ran = await approve(
      [image(second), "--out", "approvals", "--private", "--reason", "CVE fixed"],
      knowing,
    );
    expect(ran).toEqual({ status: 0, out: "", err: expect.any(String) });
    expect(ran.err).toMatch(
      new RegExp(
        `^tlog-dockerfile approve: "${at.registry.host}/team/app:1.0" ${second} takes the place of ${first}, approved by .+ \\(${at.sigstore.url}, index \\d+\\); its line is in "approvals"\n$`,
      ),
    );
    expect(ran.err).toContain(signerName(signer));
    expect(await at.read("1.0", { approvers: [signer] })).toMatchObject({ stands: first });

    const more = `approvals: { from: [approvals], signers: [{ key: ${JSON.stringify(keyOf(signer))} }] }`;
    const run = await at.run({ more });
    expect(run.events).toMatchObject([
      { event: "approved", digest: second, supersedes: first, signer: signerName(signer) },
    ]);
    expect(run.summary).toMatchObject({ approved: 1, unchanged: 1, notRecorded: 0 });
    const read = await at.read("1.0", { approvers: [signer] });
    expect(read.stands).toBe(second);
    expect(read.records.at(-1)).toMatchObject({ supersedes: first, reason: "CVE fixed" });
    // Who does not trust the approver is not told otherwise.
    expect((await at.read("1.0")).stands).toBe(first);
    // It is taken in once.
    expect((await at.run({ more })).summary).toMatchObject({ approved: 0 });
  });

  test("by the observer's own key takes no more than the observer's configuration", async () => {
    const { second } = await moved();
    const ran = await approve([image(second)]);
    expect(ran.status).toBe(0);
    expect(ran.out).toMatch(new RegExp(`^${at.registry.host}/team/app:1.0 .* ${second} .*\\{.*\\}\n$`));
  });

  test("is one more line in a file that is there, whose last line has no end", async () => {
    const { second } = await moved();
    writeFileSync(join(at.directory, "approvals"), "# ours");
    expect((await approve([image(second), "--out", "approvals"])).status).toBe(0);
    const lines = readFileSync(join(at.directory, "approvals"), "utf8").split("\n");
    expect(lines).toEqual(["# ours", expect.stringContaining(second), ""]);
  });

  test("of which nothing is in a ledger yet takes --supersedes, and no ledger is asked", async () => {
    const first = at.registry.image("team/app", "1.0", "one");
    const second = at.registry.image("team/app", "1.0", "two");
    expect((await approve([image(second), "--supersedes", first])).status).toBe(0);
    expect(at.registry.requests.filter((request) => request.includes("/team/ledger/"))).toEqual([]);
  });
});

describe("no approval is signed", () => {
  const refused = async (ran: Promise<Ran>, why: RegExp, logged: number) => {
    const { status, out, err } = await ran;
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toMatch(why);
    expect(at.sigstore.log.size).toBe(logged);
  };

  test("for the image that stands already", async () => {
    const { first } = await moved();
    await refused(approve([image(first)]), /is not approved: it is the image that stands already\n$/, 4);
  });

  test("where nothing stands", async () => {
    const first = at.registry.image("team/app", "other", "one");
    await at.run();
    await refused(
      approve([image(first)]),
      /nothing stands for ".*\/team\/app:1\.0" in the ledger ".*"; name .* --supersedes\n$/,
      2,
    );
  });

  test("for an image that the registry does not have", async () => {
    await moved();
    await refused(
      approve([image(`sha256:${"0".repeat(64)}`)]),
      /the registry has no manifest "sha256:0{64}"\n$/,
      4,
    );
  });

  test("in a ledger of somebody who is not named", async () => {
    at.newKey("approver.pem");
    const { second } = await moved();
    await refused(
      approve([image(second), "--private"], approver()),
      /its head is not signed by its observer: .*; name its observer among "approvals\.signers"/,
      4,
    );
  });

  test("with the name of a registry that is not public", async () => {
    at.newKey("approver.pem");
    const { first, second } = await moved();
    await refused(
      approve([image(second), "--supersedes", first], approver()),
      /--private says that the log may have its names/,
      4,
    );
  });

  test("where its line could not be written", async () => {
    const { second } = await moved();
    await refused(
      approve([image(second), "--out", "none/approvals"]),
      /"none\/approvals" cannot be written: ENOENT/,
      4,
    );
  });

  test("when the log is down", async () => {
    const { second } = await moved();
    at.sigstore.misbehave({ fault: { kind: "answer", status: 400, body: "no" } });
    await refused(approve([image(second), "--out", "approvals"]), /400/, 4);
    expect(readFileSync(join(at.directory, "approvals"), "utf8")).toBe("");
  });
});

describe("what is not understood is said with exit status 2, and nothing is asked", () => {
  const DIGEST = `sha256:${"1".repeat(64)}`;
  test.for<[string, string[], RegExp]>([
    ["no image", [], /^tlog-dockerfile approve: no image is given; name one as IMAGE:TAG@DIGEST\n$/],
    ["no digest", ["alpine:3.16.0"], /"alpine:3\.16\.0": write the tag and the digest/],
    ["no tag", [`alpine@${DIGEST}`], /write the tag and the digest/],
    ["two images", [`alpine:1@${DIGEST}`, "other"], /one image at a time: "other" is another one/],
    ["no digest behind --supersedes", [`alpine:1@${DIGEST}`, "--supersedes", "x"], /"--supersedes": /],
    [
      "an option that is not known",
      [`alpine:1@${DIGEST}`, "--reasons", "x"],
      /the option "--reasons" is not known \(did you mean "--reason"\?\)/,
    ],
    [
      "a configuration that is not there",
      [`alpine:1@${DIGEST}`, "--config", "none.yaml"],
      /read configuration "none\.yaml": there is no such file/,
    ],
  ])("%s", async ([, args, why]) => {
    const { status, out, err } = await approve(args);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toMatch(why);
    expect(at.registry.requests).toEqual([]);
  });

  test("--help says what it does", async () => {
    const { status, out } = await approve(["--help"]);
    expect(status).toBe(0);
    expect(out).toMatch(/^Usage: approve IMAGE:TAG@DIGEST \[options\]\n/);
    expect(existsSync(join(at.directory, "approvals"))).toBe(false);
  });
});

function keyOf(signer: Observing["signer"]): string {
  if (signer.kind !== "key") throw new Error("not a key");
  return signer.publicKey.export({ type: "spki", format: "pem" }).toString();
}
