// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type Auditing, keyText, startAuditing, stranger, strangers } from "./auditing.ts";
import { readKeptLedger, prepareLedger, pushLedger } from "../../src/ledger/registry/kept-ledger.ts";
import { openRegistries } from "../../src/observer/opening.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";
import { observer } from "../../src/observer/observe.ts";
import { readConfiguration } from "../../src/observer/configuration.ts";
import type { ConfigurationParts } from "../observer/observing.ts";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main } from "../../src/main.ts";
import { SHIPPED } from "./auditing.ts";

let at: Auditing;
beforeEach(async () => {
  at = await startAuditing();
  onTestFinished(at.close);
});

const FIRST = ["--from-scratch"];

/** An observer on a Rekor v2 log that saw two tags, and one of them move. */
async function observed(): Promise<void> {
  at.registry.image("team/app", "1.0", "one");
  at.registry.image("team/app", "1.1", "one");
  await at.run(at.v2);
  at.registry.image("team/app", "1.0", "two");
  await at.run(at.v2);
}

const pushed = () => at.registry.tags.get("team/ledger")?.get("v1") ?? "";

describe("nothing is found", () => {
  test("where log and ledger agree, also heads that the ledger no longer shows", async () => {
    await observed();
    const { status, result, err } = await at.audit({}, FIRST);
    expect({ err, findings: result.findings, notRead: result.notRead }).toEqual({
      err: "",
      findings: [],
      notRead: [],
    });
    expect(status).toBe(0);
    expect(result).toMatchObject({
      logs: [{ way: "tiles", api: 2, size: 5, read: 5, unreadable: 0, impostors: 0 }],
      ledgers: [{ repository: `${at.registry.host}/team/ledger`, sequence: 2, lines: 3 }],
      entries: 5,
      pending: 0,
    });
  });

  test("and the next audit reads only what is new", async () => {
    at.replaceLog(at.lyingLog(strangers(600)));
    await observed();
    expect((await at.audit({}, FIRST)).result.logs).toMatchObject([{ size: 605, read: 605 }]);
    at.registry.image("team/app", "1.1", "two");
    await at.run(at.v2);
    const before = at.sigstore.requests.length;
    const { status, result } = await at.audit();
    expect({ status, findings: result.findings }).toEqual({ status: 0, findings: [] });
    expect(result.logs).toMatchObject([{ size: 607, read: 2 }]);
    expect(at.sigstore.requests.slice(before)).toEqual([
      "GET /api/v2/checkpoint",
      "GET /api/v2/tile/entries/002.p/95",
    ]);
  });

  test("of what an observer logged after its newest head: the next audit looks at it", async () => {
    await observed();
    await at.sign({ digest: `sha256:${"a".repeat(64)}` });
    expect(await at.audit({}, FIRST)).toMatchObject({ status: 0, result: { pending: 1 } });
    at.registry.image("team/app", "1.1", "two");
    await at.run(at.v2);
    expect((await at.audit()).kinds).toEqual(["hidden-entry"]);
  });

  test("where the ledger is not there yet", async () => {
    expect(await at.audit({}, FIRST)).toMatchObject({
      status: 0,
      result: { ledgers: [{ sequence: 0, lines: 0 }], logs: [{ size: 0 }] },
    });
  });
});

describe("an observer that was ended before it had written its ledger hides nothing", () => {
  /** The log does what it is asked for by a run that sees nothing new, and the observer does not hear of it. */
  const loseHead = () =>
    at.sigstore.misbehave({ method: "POST", path: /log\/entries$/, fault: { kind: "lose" } });

  test.for([2, 1] as const)(
    "a head that Rekor v%i took, and of which the observer heard nothing",
    async (api) => {
      const parts = api === 2 ? at.v2 : {};
      at.registry.image("team/app", "1.0", "one");
      await at.run(parts);
      const lift = loseHead();
      expect((await at.run(parts)).summary).toMatchObject({ notRecorded: 1 });
      lift();
      expect(at.head()?.sequence).toBe(1);
      at.registry.image("team/app", "1.0", "two");
      expect((await at.run(parts)).summary).toMatchObject({ notRecorded: 0, moved: 1 });
      expect(at.head()?.sequence).toBe(3);
      const logs = `[{ url: ${at.sigstore.url}, api: ${api} }]`;
      const { status, result } = await at.audit({ logs }, FIRST);
      expect({ status, findings: result.findings }).toEqual({ status: 0, findings: [] });
    },
  );
});

describe("an observer that lost its state before it had written its ledger", () => {
  const later = (minutes: number) => () => new Date(Date.now() + minutes * 60_000);

  /** Two runs, of which the first cannot write the ledger, and the second knows nothing of it. */
  async function losing(
    parts: ConfigurationParts,
    [first, second]: readonly [string, string],
  ): Promise<void> {
    at.registry.image("team/app", "1.0", "one");
    await at.run(parts);
    at.registry.image("team/app", "1.0", first);
    const path = /log\/entries$/;
    const lifts = [
      // The sighting, and then the head.
      at.sigstore.misbehave({ method: "POST", path, times: 1, fault: { kind: "delay", ms: 0 } }),
      at.sigstore.misbehave({ method: "POST", path, fault: { kind: "answer", status: 403, body: "" } }),
    ];
    expect((await at.run(parts)).summary).toMatchObject({ moved: 1, notRecorded: 1 });
    for (const lift of lifts) lift();
    at.registry.image("team/app", "1.0", second);
    const again = await at.run({ ...parts, state: "another" }, { now: later(2) });
    expect(again.summary).toMatchObject({ moved: 1, notRecorded: 0 });
  }

  test.for([
    [1, "which the log says"],
    [2, "which only its hash tells"],
  ] as const)("signs a sighting of the same number again in Rekor v%i, %s: a note", async ([api]) => {
    const parts = api === 1 ? {} : at.v2;
    const first = api === 1 ? 1000 : 0;
    const logs = `[{ url: ${at.sigstore.url}, api: ${api} }]`;
    await losing(parts, ["two", "two"]);
    const { status, result } = await at.audit({ logs }, FIRST);
    expect(status).toBe(0);
    const reference = `${at.registry.host}/team/app:1.0`;
    expect(result.findings).toMatchObject([
      { kind: "repeated-sighting", level: "note", reference, indexes: [first + 2] },
    ]);
    expect(result.findings[0]?.message).toContain(`signed sighting 2 of "${reference}"`);
    // It is no other thing once the ledger no longer keeps the line that says the same.
    at.registry.image("team/app", "1.0", "three");
    await at.run({ ...parts, state: "another", more: "keep: 1" }, { now: later(4) });
    expect(await at.audit({ logs })).toMatchObject({ status: 0, kinds: ["repeated-sighting"] });
  });

  test.for([1, 2] as const)(
    "hides what the tag named meanwhile, if that is another image by then: Rekor v%i",
    async (api) => {
      await losing(api === 1 ? {} : at.v2, ["two", "three"]);
      const logs = `[{ url: ${at.sigstore.url}, api: ${api} }]`;
      const { status, kinds } = await at.audit({ logs }, FIRST);
      expect({ status, kinds }).toEqual({ status: 1, kinds: ["hidden-entry"] });
    },
  );
});

describe("a ledger that leaves something out is found", () => {
  test("an entry that no line shows", async () => {
    await observed();
    await at.sign({});
    at.registry.image("team/app", "1.1", "two");
    await at.run(at.v2);
    const { status, result } = await at.audit({}, FIRST);
    expect(status).toBe(1);
    expect(result.findings).toMatchObject([{ kind: "hidden-entry", level: "error", log: at.sigstore.url }]);
    expect(result.findings[0]?.indexes).toContain(5);
    expect(result.findings[0]?.message).toContain("2 of them may be earlier heads");
  });

  test("a head that is older than the one before", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run(at.v2);
    const old = pushed();
    at.registry.image("team/app", "1.0", "two");
    await at.run(at.v2);
    await at.audit({}, FIRST);
    at.registry.tags.get("team/ledger")?.set("v1", old);
    const { kinds, result } = await at.audit();
    expect(kinds).toContain("head-backwards");
    expect(result.findings.find(({ kind }) => kind === "head-backwards")?.message).toMatch(
      /shows head 1, and has shown head 2$/,
    );
  });

  test("two heads of one number", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run(at.v2);
    const old = pushed();
    at.registry.image("team/app", "1.0", "two");
    await at.run(at.v2);
    await at.audit({}, FIRST);
    at.registry.tags.get("team/ledger")?.set("v1", old);
    at.registry.image("team/app", "1.0", "three");
    await at.run({ ...at.v2, state: "another" });
    const { kinds, result } = await at.audit();
    expect(kinds).toContain("head-forked");
    expect(result.findings.find(({ kind }) => kind === "head-forked")?.message).toMatch(
      /has 2 heads of number 2, .*: two observers write it with one key or identity, or one lost its state, or /,
    );
    // What the first head 2 showed is not there any more.
    expect(kinds).toContain("line-gone");
  });

  test("a number between heads that no entry has", async () => {
    await observed();
    await pushHead((sequence) => sequence + 3);
    const { result } = await at.audit({}, FIRST);
    expect(result.findings).toMatchObject([{ kind: "head-missing" }]);
    expect(result.findings[0]?.message).toContain("2 of its earlier heads are not in the logs");
  });

  test("a line that an earlier head had", async () => {
    await observed();
    await at.audit({}, FIRST);
    await pushHead((sequence) => sequence + 1, { leftOut: "1.1" });
    const { kinds, result } = await at.audit();
    expect(kinds).toEqual(["line-gone"]);
    expect(result.findings[0]?.reference).toBe(`${at.registry.host}/team/app:1.1`);
  });

  test.for([
    ["whose signature is another one", "/app:1.1", (text) => text.replace(/("sig":")(.)/, flipped)],
    [
      "whose columns say something else than its bundle",
      "/app:1.1",
      (text) => text.replace(/ sha256:\S+ /, OTHER),
    ],
    ["that is another tag's", "/app:1.2", (text) => text.replaceAll("team/app:1.1 ", "team/app:1.2 ")],
    ["that is none", "nothing", () => "nothing of use"],
  ] as const satisfies readonly (readonly [string, string, (text: string) => string])[])(
    "a line %s",
    async ([, reference, change]) => {
      await observed();
      await pushHead((sequence) => sequence + 1, { changed: { tag: "1.1", change } });
      const { status, result } = await at.audit({}, FIRST);
      expect(status).toBe(1);
      const found = result.findings.find(({ kind }) => kind === "line-not-proven");
      expect(found).toMatchObject({
        level: "error",
        reference: expect.stringMatching(new RegExp(`${reference}$`)),
        ledger: `${at.registry.host}/team/ledger`,
      });
      expect(found?.message).toMatch(/^line 1 of ".*" in the ledger ".*": /);
    },
  );

  test("a ledger that somebody else signed", async () => {
    await observed();
    const somebody = at.newKey("somebody.pem");
    const ledgers = `[{ repository: ${at.registry.host}/team/ledger, observer: { key: ${keyText(somebody)} } }]`;
    expect((await at.audit({ ledgers }, FIRST)).kinds).toEqual(["ledger-broken"]);
  });
});

describe("a log that lies is found, and nothing that it says is kept", () => {
  /** Audits the honest log, then has it answer as another one over these bodies. */
  async function lied(change: (bodies: Buffer[]) => Buffer[]) {
    at.replaceLog(at.lyingLog(strangers(520)));
    await observed();
    expect((await at.audit({}, FIRST)).status).toBe(0);
    const honest = at.sigstore.logV2.answer;
    at.replaceLog(at.lyingLog(change(at.bodies())));
    const { status, result } = await at.audit();
    expect(status).toBe(1);
    at.sigstore.logV2.answer = honest;
    expect(await at.audit()).toMatchObject({ status: 0, result: { logs: [{ size: 525, read: 0 }] } });
    return result.findings;
  }

  test("it forks", async () => {
    const [found] = await lied((bodies) => [...bodies.slice(0, -1), stranger(999)]);
    expect(found).toMatchObject({ kind: "log-forked", level: "error" });
    // Both trees, signed: anybody can check that it lied.
    expect(found?.evidence).toEqual([
      expect.stringMatching(/^127\.0\.0\.1\n525\n/),
      expect.stringMatching(/^127\.0\.0\.1\n525\n/),
    ]);
    expect(found?.evidence?.[0]).not.toBe(found?.evidence?.[1]);
  });

  test("it shrinks", async () => {
    const [found] = await lied((bodies) => bodies.slice(0, -1));
    expect(found).toMatchObject({ kind: "log-shrunk" });
    expect(found?.message).toMatch(/signed a tree of 524 entries, after one of 525$/);
  });

  test("it changes an entry that was read long ago", async () => {
    const found = await lied((bodies) => [stranger(999), ...bodies.slice(1), stranger(1000)]);
    expect(found).toMatchObject([{ kind: "log-inconsistent" }]);
  });

  test("it changes an entry of the bundle that was read last", async () => {
    const [found] = await lied((bodies) => [
      ...bodies.slice(0, 513),
      stranger(999),
      ...bodies.slice(514),
      stranger(1000),
    ]);
    expect(found?.message).toMatch(/gives other entries at the indexes 512 to 524 than it gave before$/);
  });

  test("it serves one bundle in place of another", async () => {
    at.replaceLog(at.lyingLog(strangers(1024)));
    const honest = at.sigstore.logV2.answer;
    at.sigstore.logV2.answer = (request) =>
      honest({ ...request, path: request.path.replace("entries/001", "entries/000") });
    expect((await at.audit({}, FIRST)).kinds).toEqual(["log-inconsistent"]);
    at.sigstore.logV2.answer = honest;
    expect(await at.audit()).toMatchObject({ status: 0, result: { logs: [{ size: 1024, read: 1024 }] } });
  });

  test("it serves another bundle to an audit that was interrupted and goes on", async () => {
    at.replaceLog(at.lyingLog(strangers(20_000)));
    const honest = at.sigstore.logV2.answer;
    const ending = new AbortController();
    at.sigstore.logV2.answer = (request) => {
      if (request.path.endsWith("/072")) ending.abort();
      return honest(request);
    };
    expect((await at.audit({}, FIRST, { signal: ending.signal })).status).toBe(3);
    at.sigstore.logV2.answer = (request) =>
      honest({ ...request, path: request.path.replace("entries/074", "entries/000") });
    const before = at.sigstore.requests.length;
    expect((await at.audit()).kinds).toEqual(["log-inconsistent"]);
    expect(at.sigstore.requests.slice(before)).not.toContain("GET /api/v2/tile/entries/000");
    at.sigstore.logV2.answer = honest;
    expect(await at.audit()).toMatchObject({ status: 0, result: { logs: [{ size: 20_000, read: 20_000 }] } });
  });

  test("it answers a checkpoint that it has not signed", async () => {
    at.sigstore.misbehave({
      path: "/api/v2/checkpoint",
      times: 1,
      fault: {
        kind: "rewrite",
        change: (answer) => ({ ...answer, body: String(answer.body).replace(/^(.*)\n0\n/, "$1\n7\n") }),
      },
    });
    expect((await at.audit({}, FIRST)).kinds).toEqual(["log-not-signed"]);
  });

  test("it shows the observer one tree, and the audit another", async () => {
    await observed();
    const bodies = at.bodies();
    at.replaceLog(at.lyingLog([stranger(1), ...bodies.slice(1)]));
    const { kinds, result } = await at.audit({}, FIRST);
    expect(kinds).toContain("line-not-in-log");
    expect(result.findings[0]?.indexes).toEqual([0]);
  });
});

describe("observers and signers", () => {
  /** Another observer, with a key and a ledger of its own. */
  async function otherObserver(): Promise<{ ledgers: string; run: (now?: () => Date) => Promise<void> }> {
    const signer = at.newKey("other.pem");
    const text = at
      .configurationText({ ...at.v2, state: "other-state" })
      .replace("/team/ledger", "/team/other")
      .replace("observer.pem", "other.pem");
    const configuration = readConfiguration(text, {
      path: join(at.directory, "other.yaml"),
      name: "other.yaml",
    });
    return {
      ledgers: `[
        { repository: ${at.registry.host}/team/ledger, observer: { key: ${keyText(at.signer)} } },
        { repository: ${at.registry.host}/team/other, observer: { key: ${keyText(signer)} } } ]`,
      async run(now = () => new Date()) {
        await observer({ shipped: SHIPPED, environment: {}, pause: async () => undefined })(configuration, {
          signal: new AbortController().signal,
          now,
          onEvent: () => undefined,
          onProgress: () => undefined,
          dryRun: false,
        });
      },
    };
  }
  const later = (minutes: number) => () => new Date(Date.now() + minutes * 60_000);

  test("who see the same are no finding", async () => {
    const other = await otherObserver();
    at.registry.image("team/app", "1.0", "one");
    await at.run(at.v2);
    await other.run();
    expect(await at.audit({ ledgers: other.ledgers }, FIRST)).toMatchObject({
      status: 0,
      result: { findings: [] },
    });
  });

  test("who saw different images under one tag are found", async () => {
    const other = await otherObserver();
    const first = at.registry.image("team/app", "1.0", "one");
    await at.run(at.v2);
    const second = at.registry.image("team/app", "1.0", "for the other alone");
    await other.run(later(1));
    at.registry.tags.get("team/app")?.set("1.0", first);
    at.registry.image("team/app", "1.1", "new, so that there is a head");
    await at.run(at.v2, { now: later(2) });
    const { result } = await at.audit({ ledgers: other.ledgers }, FIRST);
    expect(result.findings).toMatchObject([{ kind: "observers-differ", level: "warning" }]);
    expect(result.findings[0]?.message).toContain(first);
    expect(result.findings[0]?.message).toContain(second);
  });

  test("whose images differ since one has not looked again are no finding", async () => {
    const other = await otherObserver();
    at.registry.image("team/app", "1.0", "one");
    await at.run(at.v2);
    at.registry.image("team/app", "1.0", "two");
    await other.run(later(1));
    expect((await at.audit({ ledgers: other.ledgers }, FIRST)).status).toBe(0);
  });

  test("who sign outside their hours or tags are found", async () => {
    await observed();
    const hour = new Date().getUTCHours();
    const clock = (of: number) => `${String((of + 24) % 24).padStart(2, "0")}:00`;
    const signers = (hours: string, tags: string) =>
      `[{ key: ${keyText(at.signer)}, hours: "${hours}", tags: ["${tags}"] }]`;
    const theirs = `${at.registry.host}/team/*`;
    const kinds = async (parts: string) => new Set((await at.audit({ signers: parts }, FIRST)).kinds);
    expect(await kinds(signers(`${clock(hour - 1)}-${clock(hour + 2)}`, theirs))).toEqual(new Set());
    expect(await kinds(signers(`${clock(hour + 2)}-${clock(hour + 4)}`, theirs))).toEqual(
      new Set(["outside-hours"]),
    );
    expect(await kinds(signers(`${clock(hour - 1)}-${clock(hour + 2)}`, "docker.io/**"))).toEqual(
      new Set(["outside-tags"]),
    );
  });

  test("approvals that nobody announced are found", async () => {
    await observed();
    const approver = at.newKey("approver.pem");
    const text = at.configurationText({
      ...at.v2,
      signing: at.v2.signing?.replace("observer.pem", "approver.pem") ?? "",
      more: `approvals: { signers: [{ key: ${keyText(at.signer)} }] }`,
    });
    writeFileSync(join(at.directory, "approver.yaml"), text);
    const third = at.registry.image("team/app", "1.1", "three");
    const image = `${at.registry.host}/team/app:1.1@${third}`;
    const silent = { write: () => undefined };
    const status = await main(
      ["approve", image, "--config", "approver.yaml", "--private", "--out", "approvals"],
      {
        stdout: silent,
        stderr: silent,
        environment: {},
        directory: at.directory,
        shipped: SHIPPED,
        now: () => new Date(),
        clock: () => performance.now(),
        pause: async () => undefined,
        signal: new AbortController().signal,
      },
    );
    expect(status).toBe(0);
    await at.run({
      ...at.v2,
      more: `approvals: { from: [approvals], signers: [{ key: ${keyText(approver)} }] }`,
    });
    const signers = `[{ key: ${keyText(approver)} }]`;
    const announced = { signers, more: "approvals-announced: approvals" };
    expect(await at.audit(announced, FIRST)).toMatchObject({ status: 0, result: { findings: [] } });
    writeFileSync(join(at.directory, "nothing"), "# none\n");
    const { result } = await at.audit({ signers, more: "approvals-announced: nothing" });
    expect(result.findings).toMatchObject([{ kind: "unannounced-approval", level: "warning" }]);
    expect(result.findings[0]?.message).toContain(third);
  });

  test("an approval that is in no ledger, and that nobody announced, is an entry that nothing shows", async () => {
    await observed();
    const approver = at.newKey("approver.pem");
    const parts = { ...at.v2, signing: at.v2.signing?.replace("observer.pem", "approver.pem") ?? "" };
    await at.sign({ supersedes: `sha256:${"b".repeat(64)}` }, parts);
    const { kinds } = await at.audit({ signers: `[{ key: ${keyText(approver)} }]` }, FIRST);
    expect(kinds).toEqual(["hidden-entry"]);
  });
});

describe("the state", () => {
  const state = () => join(at.directory, "audit.sqlite");

  test("that is lost is an error, and no new beginning", async () => {
    await at.audit({}, FIRST);
    rmSync(state());
    const { status, err } = await at.audit();
    expect(status).toBe(2);
    expect(err).toMatch(/open the state "audit\.sqlite": there is none\. .* --from-scratch/);
    expect(existsSync(state())).toBe(false);
  });

  test("is not forgotten for a configuration that cannot be used", async () => {
    await at.audit({}, FIRST);
    expect((await at.audit({ logs: "[{ url: https://rekor.example.org }]" }, FIRST)).status).toBe(2);
    expect((await at.audit()).status).toBe(0);
  });

  test.for([
    ["no database", Buffer.from("nothing of use, and longer than the header of a database ".repeat(20))],
    ["empty", Buffer.of()],
  ] as const)("that is damaged (%s) is an error", async ([, bytes]) => {
    await at.audit({}, FIRST);
    writeFileSync(state(), bytes);
    const { status, err } = await at.audit();
    expect({ status, err }).toEqual({ status: 2, err: expect.stringMatching(/damaged/) });
  });

  test("made for other signers is an error, because it lacks entries", async () => {
    await observed();
    await at.audit({}, FIRST);
    const signers = `[{ key: ${keyText(at.newKey("more.pem"))} }]`;
    const { status, err } = await at.audit({ signers });
    expect({ status, err }).toEqual({
      status: 2,
      err: expect.stringMatching(/was made without key sha256:/),
    });
  });
});

test("a log that does not answer is no finding, and no clean audit: exit status 3", async () => {
  await observed();
  const stop = at.sigstore.misbehave({
    path: /^\/api\/v2\/tile/,
    fault: { kind: "answer", status: 404, body: "" },
  });
  const { status, result } = await at.audit({}, FIRST);
  expect({ status, findings: result.findings }).toEqual({ status: 3, findings: [] });
  expect(result.notRead).toEqual([expect.stringContaining(`the log "${at.sigstore.url}": GET `)]);
  stop();
  expect((await at.audit()).status).toBe(0);
});

test("a registry that does not answer is no finding, and no clean audit", async () => {
  await observed();
  at.registry.fault = (_, response) => {
    response.writeHead(403).end();
    return true;
  };
  expect(await at.audit({}, FIRST)).toMatchObject({ status: 3, result: { findings: [] } });
});

/** What becomes of the lines of a tag. */
interface ChangedLine {
  readonly tag: string;
  readonly change: (text: string) => string;
}

const OTHER = ` sha256:${"f".repeat(64)} `;
const flipped = (_: string, before: string, first: string) => `${before}${first === "M" ? "N" : "M"}`;

/** Signs and pushes a head over the ledger's lines as they are, without one tag, or with another one's changed. */
async function pushHead(
  numbered: (sequence: number) => number,
  { leftOut, changed }: { readonly leftOut?: string; readonly changed?: ChangedLine } = {},
): Promise<void> {
  const repository = { registry: at.registry.host, repository: "team/ledger" };
  const name = `${at.registry.host}/team/ledger`;
  const signal = new AbortController().signal;
  const { own, everybody } = openRegistries(at.configuration(at.v2), {
    shipped: SHIPPED,
    environment: {},
    now: () => new Date(),
  });
  const trustedRoot = parseTrustedRoot(JSON.stringify(at.sigstore.trustedRoot), "trusted_root.json");
  const place = { registry: own, repository, signal };
  const base = await readKeptLedger(place, {
    repository: name,
    observer: at.signer,
    trustedRoot,
    logs: undefined,
  });
  const prepared = await prepareLedger(place, base, {
    parts: base.shards.length,
    isChanged: () => true,
    change: (_, tags) =>
      new Map(
        [...tags]
          .filter(([tag]) => leftOut === undefined || !tag.endsWith(`:${leftOut}`))
          .map(([tag, of]) => {
            const isChanged = changed !== undefined && tag.endsWith(`:${changed.tag}`);
            return [tag, isChanged ? { ...of, lines: of.lines.map(changed.change) } : of];
          }),
      ),
  });
  const { content, tags, lines } = prepared;
  const sequence = numbered(base.head?.sequence ?? 0);
  const previous = base.head?.statement;
  const { bundle } = await (
    await at.recorder()
  ).head(
    { ledger: name, sequence, content, tags, lines, madeAt: new Date(), ...(previous && { previous }) },
    { signal },
  );
  await pushLedger(place, prepared, { base, bundle });
  own.close();
  everybody.close();
}
