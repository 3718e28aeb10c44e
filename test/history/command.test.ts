// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { HistoryDiffShape, HistoryShape, type ToldDiff, type ToldHistory } from "../../src/history/format.ts";
import { parseReference } from "../../src/image/reference.ts";
import { joinLines, recordLine } from "../../src/lock/file.ts";
import { main } from "../../src/main.ts";
import type { CommandIo } from "../../src/program/command-line.ts";
import { readHistory } from "../../src/record/history.ts";
import { type TrustedSigner, type TrustedKey } from "../../src/record/signer.ts";
import { type Sighting, sightingStatement } from "../../src/record/statement.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";
import * as v from "valibot";
import { type Observing, startObserving } from "../observer/observing.ts";
import {
  ALPINE,
  DIGEST,
  OTHER_DIGEST,
  proposedEntry,
  type SampleKey,
  sampleKey,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";

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

/** Runs `main.ts history` in the observer's directory. */
async function history(
  args: readonly string[],
  {
    now = () => new Date(),
    environment = {},
    signal = new AbortController().signal,
  }: Partial<Pick<CommandIo, "now" | "environment" | "signal">> = {},
): Promise<Ran> {
  let [out, err] = ["", ""];
  const io: CommandIo = {
    stdout: { write: (text) => void (out += text) },
    stderr: { write: (text) => void (err += text) },
    environment,
    directory: at.directory,
    // The trusted root of the development Sigstore, and its services, in the place of those of the public one.
    shipped: join(at.directory, "sigstore"),
    now,
    clock: () => performance.now(),
    pause: async () => undefined,
    signal,
  };
  const status = await main(["history", ...args], io);
  return { status, out, err };
}

async function asJson(args: readonly string[], io: Parameters<typeof history>[1] = {}) {
  const { status, out, err } = await history([...args, "--json"], io);
  expect(err).toBe("");
  return { status, told: v.parse(HistoryShape, JSON.parse(out)) as ToldHistory };
}

const builder = sampleKey();

/** Logs a sighting of alpine:3.16.0 in the development Sigstore's Rekor v1 log, as of now. */
function logged(change: Partial<Sighting> = {}, key: SampleKey = builder): void {
  const observedAt = new Date(Math.floor(Date.now() / 1_000) * 1_000);
  at.sigstore.log.append(
    proposedEntry(signEnvelope(sightingStatement(sighting({ observedAt, ...change })), key)),
  );
}

/** The lines of a lock file for what is in the log so far. */
function lockText(some?: number): string {
  const evidence = at.sigstore.log.entries.map((entry) => {
    const [[uuid = "", value] = []] = Object.entries(at.sigstore.log.present(entry, { attestation: true }));
    return { kind: "entry", uuid, entry: value } as const;
  });
  const { records } = readHistory(evidence, {
    subject: parseReference(ALPINE),
    trust: trusting(builder.signer),
    trustedRoot: parseTrustedRoot(JSON.stringify(at.sigstore.trustedRoot), "trusted_root.json"),
  });
  return joinLines(records.slice(0, some).flatMap((record) => recordLine(record) ?? []));
}

/** A policy that trusts the builder, with this log and more. */
function policy(more = ""): void {
  const key = JSON.stringify(builder.pem);
  const text = `version: 1\nlog: { url: "${at.sigstore.url}", api: 1 }\ntrust: [{ key: ${key}, may: [record, approve] }]\n${more}`;
  writeFileSync(join(at.directory, "tlog.policy.yaml"), text);
}

function pemOf(signer: TrustedSigner): string {
  return (signer as TrustedKey).publicKey.export({ type: "spki", format: "pem" }).toString();
}

describe("a tag of the public internet", () => {
  test("has the history that the lock file and the log's search know, each record with its places", async () => {
    policy();
    logged();
    writeFileSync(join(at.directory, "tlog.lock"), lockText());
    logged({ digest: OTHER_DIGEST });
    logged({ digest: OTHER_DIGEST, supersedes: DIGEST, reason: "CVE fixed" });
    const { status, told } = await asJson(["alpine:3.16.0"]);
    expect(status).toBe(0);
    expect(told).toMatchObject({
      image: ALPINE,
      trusting: true,
      stands: { why: "approval", approvals: 1, record: { digest: OTHER_DIGEST, reason: "CVE fixed" } },
      events: [
        { what: "first-seen", record: { digest: DIGEST }, platforms: 2, places: [1, 2] },
        { what: "moved", record: { digest: OTHER_DIGEST }, places: [2] },
        { what: "approved", record: { digest: OTHER_DIGEST, supersedes: DIGEST }, places: [2] },
      ],
      places: [
        { kind: "lock-file", name: "tlog.lock", answer: "records", records: 1, mayLeaveOut: true },
        { kind: "log", name: at.sigstore.url, answer: "records", records: 3, mayLeaveOut: true },
      ],
    });
    const text = await history(["alpine:3.16.0"]);
    expect(text.status).toBe(0);
    expect(text.out).toContain(`  stands ${OTHER_DIGEST}\n`);
    expect(text.out.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });

  test("had nothing on a day before it was first seen", async () => {
    policy();
    logged();
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
    const { status, told } = await asJson(["alpine:3.16.0", "--at", yesterday]);
    expect(status).toBe(3);
    expect(told).toMatchObject({ at: `${yesterday}T23:59:59Z`, events: [] });
    expect((await history(["alpine:3.16.0", "--at", yesterday])).out).toContain(
      "no record of the tag counts by then",
    );
    const today = new Date().toISOString().slice(0, 10);
    expect((await asJson(["alpine:3.16.0", "--at", today])).status).toBe(0);
  });

  test("of which nobody knows ends with status 3", async () => {
    policy();
    logged({ digest: OTHER_DIGEST }, sampleKey());
    const { status, told } = await asJson(["alpine:3.16.0"]);
    expect(status).toBe(3);
    expect(told).toMatchObject({
      events: [],
      foreign: [{ record: { digest: OTHER_DIGEST }, places: [1] }],
    });
    expect(told).not.toHaveProperty("stands");
  });

  test("of which strangers logged much is told with a few of their sightings, and a count", async () => {
    policy();
    logged();
    for (let each = 10; each < 20; each += 1)
      logged({ digest: `sha256:${String(each).repeat(32)}` }, sampleKey());
    const { status, told } = await asJson(["alpine:3.16.0"]);
    expect(status).toBe(0);
    expect(told.events).toMatchObject([{ record: { digest: DIGEST } }]);
    expect(told.foreign).toHaveLength(4);
    expect(told.rejected).toEqual({ "untrusted-signer": 10 });
  });

  test("of a policy whose log has no search is told by the lock file alone, which says so", async () => {
    policy();
    logged();
    writeFileSync(join(at.directory, "tlog.lock"), lockText());
    const key = JSON.stringify(builder.pem);
    const logs = `[{ url: "${at.sigstore.url}", api: 2 }]`;
    writeFileSync(
      join(at.directory, "v2.yaml"),
      `version: 1\nlogs: ${logs}\ntrust: [{ key: ${key}, may: [record] }]\n`,
    );
    const { status, told } = await asJson(["alpine:3.16.0", "--policy", "v2.yaml"]);
    expect(status).toBe(0);
    expect(told.places).toMatchObject([
      { kind: "lock-file", records: 1 },
      { kind: "log", answer: "not-asked", detail: expect.stringContaining("has no search") },
    ]);
    expect(at.sigstore.requests).toEqual([]);
  });

  test("is not told by half when the command is interrupted", async () => {
    policy();
    const { status, out, err } = await history(["alpine:3.16.0"], { signal: AbortSignal.abort() });
    expect({ status, out, err }).toEqual({
      status: 1,
      out: "",
      err: "tlog-dockerfile history: interrupted\n",
    });
  });

  test("where nobody is trusted, is shown as strangers saw it, from the lock file too", async () => {
    logged();
    writeFileSync(join(at.directory, "own.lock"), lockText());
    const { status, told } = await asJson(["alpine:3.16.0", "--lock", "own.lock", "--no-log"]);
    expect(status).toBe(3);
    expect(told).toMatchObject({
      trusting: false,
      events: [],
      foreign: [{ record: { digest: DIGEST }, places: [1] }],
    });
    const { out } = await history(["alpine:3.16.0", "--lock", "own.lock", "--no-log"]);
    expect(out).toContain("nobody is trusted");
  });

  test("differs between two digests in the platforms that the records name", async () => {
    policy();
    logged();
    const amd64 = `sha256:${"b1".repeat(32)}` as const;
    logged({ digest: OTHER_DIGEST, platforms: [{ platform: "linux/amd64", digest: amd64 }] });
    const args = ["diff", "alpine:3.16.0", DIGEST, OTHER_DIGEST];
    const { status, out } = await history([...args, "--json"]);
    expect(status).toBe(0);
    expect((v.parse(HistoryDiffShape, JSON.parse(out)) as ToldDiff).platforms).toMatchObject([
      { platform: "linux/amd64", what: "changed", to: [amd64] },
      { platform: "linux/arm/v7", what: "removed", to: [] },
    ]);
    expect((await history(args)).out).toContain("removed  linux/arm/v7\n");
  });
});

describe("a place that cannot be read makes the status 1, and the others are told", () => {
  test("a log that is down", async () => {
    policy();
    logged();
    writeFileSync(join(at.directory, "tlog.lock"), lockText());
    at.sigstore.misbehave({ fault: { kind: "answer", status: 400, body: "no" } });
    const { status, told } = await asJson(["alpine:3.16.0"]);
    expect(status).toBe(1);
    expect(told).toMatchObject({
      events: [{ what: "first-seen", places: [1] }],
      places: [{ answer: "records" }, { answer: "failed", reason: "unreachable" }],
    });
  });

  test("a lock file with an edited line", async () => {
    policy();
    logged();
    writeFileSync(join(at.directory, "tlog.lock"), lockText().replace(` ${DIGEST} `, ` ${OTHER_DIGEST} `));
    const { status, told } = await asJson(["alpine:3.16.0"]);
    expect(status).toBe(1);
    expect(told.places[0]).toMatchObject({ answer: "failed", reason: "edited" });
    expect(told.events).toMatchObject([{ places: [2] }]);
  });

  test("a lock file that is none", async () => {
    policy();
    writeFileSync(join(at.directory, "tlog.lock"), "FROM alpine\n");
    const { status, told } = await asJson(["alpine:3.16.0"]);
    expect(status).toBe(1);
    expect(told.places[0]).toMatchObject({ answer: "failed", reason: "bad-header" });
  });

  test("a lock file from which the first line was left out", async () => {
    policy();
    logged();
    logged({ digest: OTHER_DIGEST });
    const lines = lockText()
      .split("\n")
      .filter((line) => !line.includes(` ${DIGEST} `));
    writeFileSync(join(at.directory, "tlog.lock"), lines.join("\n"));
    const { status, told } = await asJson(["alpine:3.16.0"]);
    expect(status).toBe(1);
    expect(told.contradictions).toEqual([
      expect.stringMatching(/^the lock file contradicts the log: it begins with "sha256:2{64}"/),
    ]);
  });
});

describe("a ledger", () => {
  const image = () => `${at.registry.host}/team/app:1.0`;
  const entry = (name = "ledger") => ({
    repository: `${at.registry.host}/team/${name}`,
    observer: { key: pemOf(at.signer) },
  });

  test("tells what its observer saw, with the head up to which nothing is left out", async () => {
    const first = at.registry.image("team/app", "1.0", "one");
    await at.run();
    const second = at.registry.image("team/app", "1.0", "two");
    await at.run();
    writeFileSync(
      join(at.directory, "tlog.policy.yaml"),
      `version: 1\nlog: { url: "${at.sigstore.url}", api: 1 }\nledgers: ${JSON.stringify([entry()])}\n`,
    );
    const { status, told } = await asJson([image()]);
    expect(status).toBe(0);
    expect(told).toMatchObject({
      stands: { why: "first-sighting", record: { digest: first } },
      newest: { digest: second },
      events: [{ what: "first-seen" }, { what: "moved", record: { digest: second } }],
      places: [
        { kind: "ledger", answer: "records", mayLeaveOut: false, completeTo: { head: 2 } },
        // It is another registry on each machine.
        { kind: "log", answer: "not-asked" },
      ],
    });
    const none = await asJson([`${at.registry.host}/team/app:other`]);
    expect(none.status).toBe(3);
    expect(none.told.places[0]).toMatchObject({ answer: "nothing", mayLeaveOut: false });
  });

  test("of the image's own configuration is read like that of a policy; one that is not there fails", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const environment = { TLOG_LEDGERS: JSON.stringify([entry(), entry("none")]) };
    const { status, told } = await asJson([image()], { environment });
    expect(status).toBe(1);
    expect(told.places.slice(0, 2)).toMatchObject([
      { answer: "records", records: 1 },
      { answer: "failed", reason: "ledger-not-there" },
    ]);
  });
});

describe("what is not understood is said in one line with exit status 2, and nothing is asked", () => {
  test.for<[string, string[], RegExp]>([
    ["no image", [], /: no image is given; name a tag as IMAGE:TAG\n$/],
    ["a digest", [`alpine@${DIGEST}`], /: write a tag without a digest, IMAGE:TAG/],
    ["no reference", ["al pine"], /read image reference "al pine"/],
    ["two images", ["alpine", "busybox"], /one image at a time: "busybox" is another one/],
    ["no moment", ["alpine", "--at", "yesterday"], /"--at": "yesterday" is neither a day, as in/],
    ["a day to come", ["alpine", "--at", "9999-01-01"], /"--at": "9999-01-01" is in the future/],
    ["one digest", ["diff", "alpine", DIGEST], /"diff" needs two digests/],
    ["three digests", ["diff", "alpine", DIGEST, DIGEST, "x"], /two digests at a time: "x"/],
    ["a digest that is none", ["diff", "alpine", DIGEST, "x"], /"x"/],
    ["a lock file that is not there", ["alpine", "--lock", "none"], /read the lock file "none": there is no/],
    ["a policy that is not there", ["alpine", "--policy", "none"], /read the policy "none": there is no/],
    ["a policy that is a directory", ["alpine", "--policy", "."], /read a policy from "\.": it is no file/],
  ])("%s", async ([, args, why]) => {
    const { status, out, err } = await history(args);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toMatch(why);
    expect(err).toMatch(/^tlog-dockerfile history: [^\n]+\n$/);
    expect(at.sigstore.requests).toEqual([]);
  });

  test("a policy with a mistake", async () => {
    writeFileSync(join(at.directory, "tlog.policy.yaml"), "version: 1\ntrusts: []\n");
    const { status, err } = await history(["alpine"]);
    expect(status).toBe(2);
    expect(err).toContain("tlog.policy.yaml:2");
  });
});
