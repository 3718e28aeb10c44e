// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { ConfigurationParts } from "../observer/observing.ts";
import { GOOGLE, identityToken } from "../sigstore/identity-token.ts";
import { startSigstore } from "../sigstore/sigstore.ts";
import { type Auditing, keyText, startAuditing, strangers } from "./auditing.ts";

let at: Auditing;
beforeEach(async () => {
  at = await startAuditing();
  onTestFinished(at.close);
});

const FIRST = ["--from-scratch"];
const DIGEST = `sha256:${"d".repeat(64)}` as const;

/** An observer on a Rekor v1 log that saw two tags, and one of them move. */
async function observed(): Promise<void> {
  at.registry.image("team/app", "1.0", "one");
  at.registry.image("team/app", "1.1", "one");
  await at.run();
  at.registry.image("team/app", "1.0", "two");
  await at.run();
}

/** The development log numbers entries as a log with a retired tree of 1000; here it says so. */
function withRetiredTree(): void {
  at.sigstore.misbehave({
    path: "/api/v1/log",
    fault: {
      kind: "rewrite",
      change: (answer) => ({
        ...answer,
        body: String(answer.body).replace('"inactiveShards":null', '"inactiveShards":[{"treeSize":1000}]'),
      }),
    },
  });
}

describe.for([
  { way: "search", by: "" },
  { way: "indexes", by: ", by: indexes" },
])("a Rekor v1 log that is read by $way", ({ way, by }) => {
  const logs = () => `[{ url: ${at.sigstore.url}, api: 1${by} }]`;
  beforeEach(withRetiredTree);

  test("agrees with an honest ledger", async () => {
    await observed();
    const { status, result } = await at.audit({ logs: logs() }, FIRST);
    expect({ status, findings: result.findings, notRead: result.notRead }).toEqual({
      status: 0,
      findings: [],
      notRead: [],
    });
    expect(result).toMatchObject({ entries: 5, logs: [{ way, api: 1, read: 5 }] });
    at.registry.image("team/app", "1.0", "three");
    await at.run();
    const again = await at.audit({ logs: logs() });
    expect(again).toMatchObject({ status: 0, result: { entries: 7 } });
    if (way === "indexes") expect(again.result.logs[0]?.read).toBe(2);
  });

  test("shows what a hidden entry says", async () => {
    await observed();
    await at.sign({ digest: DIGEST }, {});
    at.registry.image("team/app", "1.1", "two");
    await at.run();
    const { result } = await at.audit({ logs: logs() }, FIRST);
    expect(result.findings).toMatchObject([{ kind: "hidden-entry" }]);
    expect(result.findings[0]?.message).toContain(`"${at.registry.host}/team/app:1.0" is ${DIGEST}`);
  });

  test("shows two heads of one number, also to the first audit", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run();
    const old = at.registry.tags.get("team/ledger")?.get("v1") ?? "";
    at.registry.image("team/app", "1.0", "two");
    await at.run();
    at.registry.tags.get("team/ledger")?.set("v1", old);
    at.registry.image("team/app", "1.0", "three");
    await at.run({ state: "another" });
    const { kinds } = await at.audit({ logs: logs() }, FIRST);
    expect(kinds).toEqual(expect.arrayContaining(["head-forked", "hidden-entry"]));
  });

  test("shows an approval that nobody announced, and that no ledger has", async () => {
    await observed();
    await at.sign({ digest: DIGEST, supersedes: `sha256:${"b".repeat(64)}` }, {});
    at.registry.image("team/app", "1.1", "two");
    await at.run();
    writeFileSync(join(at.directory, "announced"), "");
    const { kinds } = await at.audit({ logs: logs(), more: "approvals-announced: announced" }, FIRST);
    expect(kinds.toSorted()).toEqual(["hidden-entry", "unannounced-approval"]);
  });

  test("that lies about its tree is found", async () => {
    await observed();
    await at.audit({ logs: logs() }, FIRST);
    const { root } = at.sigstore.log.tree;
    at.sigstore.log.tree.root = () => Buffer.alloc(32);
    expect((await at.audit({ logs: logs() })).kinds).toEqual(["log-forked"]);
    at.sigstore.log.tree.root = root;
    expect((await at.audit({ logs: logs() })).status).toBe(0);
  });
});

test("a Rekor v1 log may be read by search and by its indexes in turns, with one state", async () => {
  withRetiredTree();
  await observed();
  const by = async (way: string, args: readonly string[] = []) => {
    const { status, result } = await at.audit(
      { logs: `[{ url: ${at.sigstore.url}, api: 1, by: ${way} }]` },
      args,
    );
    return { status, log: result.logs[0] };
  };
  expect(await by("search", FIRST)).toMatchObject({ status: 0, log: { size: 5, way: "search" } });
  expect(await by("indexes")).toMatchObject({ status: 0, log: { size: 5, read: 5 } });
  expect(await by("search")).toMatchObject({ status: 0 });
  at.registry.image("team/app", "1.0", "three");
  await at.run();
  expect(await by("indexes")).toMatchObject({ status: 0, log: { size: 7, read: 2 } });
});

test("a Rekor v1 log that cannot be searched for signers is read by its indexes", async () => {
  withRetiredTree();
  await observed();
  at.sigstore.misbehave({
    path: "/api/v1/index/retrieve",
    fault: { kind: "answer", status: 404, body: "{}", contentType: "application/json" },
  });
  const { status, result } = await at.audit({ logs: `[{ url: ${at.sigstore.url}, api: 1 }]` }, FIRST);
  expect(status).toBe(0);
  expect(result.logs).toMatchObject([{ way: "indexes", size: 5 }]);
});

test("a shard that closes is read to its end, and the observer's entries go on in the next", async () => {
  at.registry.image("team/app", "1.0", "one");
  await at.run(at.v2);
  expect((await at.audit({}, FIRST)).status).toBe(0);
  at.registry.image("team/app", "1.0", "two");
  await at.run(at.v2);

  // The log rotates: a new one, with a key and an address of its own, and the root names both.
  const next = await startSigstore();
  onTestFinished(() => next.close());
  type Root = Record<"tlogs" | "timestampAuthorities" | "ctlogs" | "certificateAuthorities", object[]>;
  const [old, added] = [at.sigstore.trustedRoot, next.trustedRoot] as [Root, Root];
  const root = {
    ...old,
    tlogs: [...old.tlogs, ...added.tlogs],
    timestampAuthorities: [...old.timestampAuthorities, ...added.timestampAuthorities],
  };
  writeFileSync(join(at.directory, "sigstore", "trusted_root.json"), JSON.stringify(root));
  const onNext = {
    log: `{ url: ${next.url}, api: 2 }`,
    signing: `{ key: observer.pem, timestamps: ["${next.url}/api/v1/timestamp"] }`,
  };
  at.registry.image("team/app", "1.0", "three");
  await at.run(onNext);

  const logs = `[{ url: ${at.sigstore.url}, api: 2 }, { url: ${next.url}, api: 2 }]`;
  const { status, result } = await at.audit({ logs });
  expect({ status, findings: result.findings }).toEqual({ status: 0, findings: [] });
  expect(result).toMatchObject({
    entries: 6,
    logs: [
      { size: 4, read: 2 },
      { size: 2, read: 2 },
    ],
  });
  // Which logs there are, the trusted root says.
  const shards = root.tlogs.filter((log) => JSON.stringify(log).includes("ED25519"));
  writeFileSync(
    join(at.directory, "sigstore", "trusted_root.json"),
    JSON.stringify({ ...root, tlogs: shards }),
  );
  writeFileSync(join(at.directory, "whole.yaml"), at.auditText().replace(/^logs:.*$/m, ""));
  expect(await at.audit({}, [...FIRST, "--config", "whole.yaml"])).toMatchObject({
    status: 0,
    result: { entries: 6, findings: [], logs: [{ url: at.sigstore.url }, { url: next.url }] },
  });
  // Whoever reads the new one alone is told what is lacking.
  const alone = await at.audit({ logs: `[{ url: ${next.url}, api: 2 }]` }, FIRST);
  expect(alone.kinds).toEqual(["head-missing"]);
});

test("a shard that was read to its end after it closed may be switched off", async () => {
  const next = await startSigstore();
  at.replaceLog(at.lyingLog(strangers(300)));
  const { tlogs } = next.trustedRoot as { tlogs: { publicKey: { validFor: object } }[] };
  const closed = tlogs.map((log) => {
    const validFor = { ...log.publicKey.validFor, end: "2020-01-01T00:00:00Z" };
    return { ...log, publicKey: { ...log.publicKey, validFor } };
  });
  const root = at.sigstore.trustedRoot as { tlogs: object[] };
  writeFileSync(
    join(at.directory, "sigstore", "trusted_root.json"),
    JSON.stringify({ ...root, tlogs: [...root.tlogs, ...closed] }),
  );
  const logs = `[{ url: ${at.sigstore.url}, api: 2 }, { url: ${next.url}, api: 2 }]`;
  expect((await at.audit({ logs }, FIRST)).status).toBe(0);
  await next.close();
  expect(await at.audit({ logs })).toMatchObject({ status: 0, result: { notRead: [] } });
  // To who never read it, it is a log that does not answer.
  expect((await at.audit({ logs }, FIRST)).status).toBe(3);
});

test("a ledger in a log that the trusted root does not have cannot be judged: no finding, exit status 3", async () => {
  at.registry.image("team/app", "1.0", "one");
  await at.run(at.v2);
  const next = await startSigstore();
  onTestFinished(() => next.close());
  const { tlogs } = next.trustedRoot as { tlogs: object[] };
  const root = { ...at.sigstore.trustedRoot, tlogs };
  writeFileSync(join(at.directory, "sigstore", "trusted_root.json"), JSON.stringify(root));
  const { status, result } = await at.audit({ logs: `[{ url: ${next.url}, api: 2 }]` }, FIRST);
  expect({ status, findings: result.findings }).toEqual({ status: 3, findings: [] });
  expect(result.notRead).toEqual([
    expect.stringMatching(/unknown-log.*; use a trusted root that has its log$/),
  ]);
});

test("what the log's index names and the log does not give is no lie of the ledger: exit status 3", async () => {
  await observed();
  at.sigstore.misbehave({
    path: /^\/api\/v1\/log\/entries/,
    fault: {
      kind: "rewrite",
      change: (answer) => ({
        ...answer,
        body: String(answer.body).replaceAll(/"logIndex":1001,/g, '"logIndex":-1,'),
      }),
    },
  });
  const { status, result } = await at.audit({ logs: `[{ url: ${at.sigstore.url}, api: 1 }]` }, FIRST);
  expect({ status, findings: result.findings }).toEqual({ status: 3, findings: [] });
  expect(result.notRead).toEqual([expect.stringMatching(/"logIndex".*is negative/)]);
});

test("without a list of logs all of the trusted root are read", async () => {
  withRetiredTree();
  at.replaceLog(at.lyingLog(strangers(3)));
  await at.run();
  writeFileSync(join(at.directory, "whole.yaml"), at.auditText().replace(/^logs:.*$/m, ""));
  const { result } = await at.audit({}, [...FIRST, "--config", "whole.yaml"]);
  expect(result.logs.map(({ api, way }) => ({ api, way }))).toEqual([
    { api: 1, way: "search" },
    { api: 2, way: "tiles" },
  ]);
  expect(result.notRead).toEqual([]);
});

test("a log that the trusted root does not have is no log to audit", async () => {
  const logs = "[{ url: https://rekor.example.org }]";
  const { status, err } = await at.audit({ logs }, FIRST);
  expect({ status, err }).toEqual({
    status: 2,
    err: expect.stringMatching(/has no log "https:\/\/rekor\.example\.org"; name one that it has/),
  });
});

test("a signer by a key is found in an entry that spells its body in another way", async () => {
  // No body that a log takes has a backslash; with one, the key's base64 would not be there as it is looked for.
  await at.sign({ digest: DIGEST }, at.v2);
  const [body = Buffer.of()] = at.bodies();
  const spelled = body.toString("utf8").replaceAll("A", "\\u0041");
  expect(spelled).not.toBe(body.toString("utf8"));
  at.replaceLog(at.lyingLog([...strangers(5), Buffer.from(spelled)]));
  const { result } = await at.audit({ signers: `[{ key: ${keyText(at.signer)} }]`, ledgers: "[]" }, FIRST);
  expect(result.findings).toMatchObject([{ kind: "hidden-entry", indexes: [5] }]);
});

describe("a signer by a certificate", () => {
  const identity = `{ issuer: "${GOOGLE}", identity: "ci@acme.example" }`;
  const keyless = (): ConfigurationParts => {
    writeFileSync(join(at.directory, "token"), identityToken());
    const { url } = at.sigstore;
    return { ...at.v2, signing: `{ token: token, fulcio: ${url}, timestamps: ["${url}/api/v1/timestamp"] }` };
  };
  const ledgers = () => `[{ repository: ${at.registry.host}/team/ledger, observer: ${identity} }]`;

  test("is found by the name in it, and what it signed is compared", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run(keyless());
    expect(await at.audit({ ledgers: ledgers() }, FIRST)).toMatchObject({
      status: 0,
      result: { entries: 2, findings: [], logs: [{ impostors: 0, unreadable: 0 }] },
    });
    await at.sign({ digest: DIGEST }, keyless());
    at.registry.image("team/app", "1.1", "one");
    await at.run(keyless());
    expect((await at.audit({ ledgers: ledgers() })).kinds).toEqual(["hidden-entry"]);
    const pattern = identity.replace('identity: "ci@', 'identity-pattern: "*@');
    const signers = `[${pattern}]`;
    expect((await at.audit({ ledgers: "[]", signers }, FIRST)).result.entries).toBe(5);
  });

  test("of an authority that nobody trusts is counted, and is no entry of that signer", async () => {
    at.registry.image("team/app", "1.0", "one");
    await at.run(keyless());
    const other = await startSigstore();
    onTestFinished(() => other.close());
    const { certificateAuthorities } = other.trustedRoot as { certificateAuthorities: object[] };
    const root = { ...at.sigstore.trustedRoot, certificateAuthorities };
    writeFileSync(join(at.directory, "sigstore", "trusted_root.json"), JSON.stringify(root));
    const { status, result } = await at.audit({ ledgers: "[]", signers: `[${identity}]` }, FIRST);
    expect(status).toBe(0);
    expect(result).toMatchObject({ entries: 0, logs: [{ impostors: 2 }] });
  });
});

test("entries that are none are counted", async () => {
  at.replaceLog(at.lyingLog([...strangers(3), Buffer.from("no JSON"), Buffer.from("{}")]));
  const { status, result } = await at.audit({}, FIRST);
  expect(status).toBe(0);
  expect(result.logs).toMatchObject([{ size: 5, unreadable: 2 }]);
});
