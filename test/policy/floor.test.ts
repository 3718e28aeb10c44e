// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { Key } from "../../src/policy/key.ts";
import { KEYS } from "../../src/policy/keys.ts";
import { parseReference } from "../../src/image/reference.ts";
import { ruleFor } from "../../src/policy/rule-for.ts";
import { ALICE, asBlock, BOB } from "./signers.ts";
import { policyOf, refusalOf, SERVICES } from "./sample-policy.ts";

const ISSUER = "https://issuer.example";
const BAKED = `version: 1
profile: default
logs:
  - { url: https://rekor.example.org }
  - { url: https://rekor2.example.org, api: 2 }
signing: { fulcio: https://fulcio.example.org, timestamps: [https://tsa.example.org/api/v1/timestamp] }
trust:
  - { issuer: ${ISSUER}, identity: ci@acme.example, may: [record, approve] }
  - { issuer: ${ISSUER}, identity-pattern: "https://github.com/acme/*" }
registries: [{ host: "registry.local:5000", plain-http: true }]
recheck: daily
attest: true
tuf: https://tuf.example.org
timeout: 20
conversion: docker/dockerfile:1.19
syntax: block
rules:
  - { match: "docker.io/library/alpine:3.20.0", action: block, unseen: record }
  - { match: "ghcr.io/acme/**", action: pin, unknown: block, min-age: { days: 7, otherwise: warn } }
default: { unseen: record, private: false }
`;

function repository(text: string): string {
  return `version: 1\n${text}\n`;
}

describe("a repository's file that loosens the baked floor is refused, by name", () => {
  test.for([
    {
      row: "a mode that stops nothing",
      text: "profile: observe",
      says: '"observe" is looser than "default", which policy.yaml:2 sets',
    },
    {
      row: "another log",
      text: "log: { url: https://evil.example }",
      says: '"https://evil.example" is not the log "https://rekor.example.org", "https://rekor2.example.org (API 2)", which policy.yaml:3 sets',
    },
    {
      row: "one log more",
      text: "logs: [{ url: https://rekor.example.org }, { url: https://rekor2.example.org, api: 2 }, { url: https://evil.example }]",
      says: '"https://evil.example" is not the log',
    },
    {
      row: "a log less",
      text: "logs: [{ url: https://rekor.example.org }]",
      says: 'the log "https://rekor2.example.org (API 2)" is missing',
    },
    {
      row: "the same log with another API",
      text: "logs: [{ url: https://rekor.example.org, api: 2 }]",
      says: '"https://rekor.example.org (API 2)" is not the log',
    },
    {
      row: "another certificate authority",
      text: "signing: { fulcio: https://evil.example }",
      says: '"https://evil.example" is not the certificate authority "https://fulcio.example.org", which policy.yaml:6 sets',
    },
    {
      row: "another timestamp authority",
      text: "signing: { timestamps: [https://evil.example/x] }",
      says: '"https://evil.example/x" is not the timestamp authority "https://tsa.example.org/api/v1/timestamp"',
    },
    {
      row: "another signer",
      text: `trust: [{ issuer: ${ISSUER}, identity: mallory@acme.example }]`,
      says: 'the identity "mallory@acme.example" of "https://issuer.example" is not among the signers, which policy.yaml:7 sets',
    },
    {
      row: "the same name from another issuer",
      text: "trust: [{ issuer: https://evil.example, identity: ci@acme.example }]",
      says: "is not among the signers",
    },
    {
      row: "a wider pattern of signers",
      text: `trust: [{ issuer: ${ISSUER}, identity-pattern: "https://github.com/acme/**" }]`,
      says: 'the pattern "https://github.com/acme/**" of',
    },
    { row: "a key", text: `trust:\n  - key: |\n${asBlock(ALICE.publicPem)}`, says: 'the key "sha256:' },
    {
      row: "more permissions",
      text: `trust: [{ issuer: ${ISSUER}, identity: ci@acme.example, may: [vouch] }]`,
      says: 'the identity "ci@acme.example" of "https://issuer.example" may do more than it may among the signers',
    },
    {
      row: "weaker evidence",
      text: `trust: [{ issuer: ${ISSUER}, identity: ci@acme.example, tlogistry: true }]`,
      says: "may do more than it may",
    },
    {
      row: "plain http",
      text: 'registries: [{ host: "evil.local:5000", plain-http: true }]',
      says: '"evil.local:5000" is not among the hosts for plain http',
    },
    {
      row: "fewer questions",
      text: "recheck: never",
      says: '"never" is looser than "daily", which policy.yaml:11 sets',
    },
    {
      row: "no evidence at the image",
      text: "attest: false",
      says: '"false" is looser than "true", which policy.yaml:12 sets',
    },
    {
      row: "another TUF repository",
      text: "tuf: https://evil.example",
      says: '"https://evil.example" is not the TUF repository "https://tuf.example.org"',
    },
    {
      row: "another conversion image",
      text: "conversion: evil.example/dockerfile:1.19",
      says: '"evil.example/dockerfile:1.19" is not the conversion image "docker.io/docker/dockerfile:1.19", which policy.yaml:15 sets',
    },
    {
      row: "another digest of the conversion image",
      text: `conversion: docker/dockerfile:1.19@sha256:${"a".repeat(64)}`,
      says: `"docker.io/docker/dockerfile:1.19@sha256:${"a".repeat(64)}" is not the conversion image`,
    },
    {
      row: "syntax images that Dockerfiles name",
      text: "syntax: allow",
      says: '"allow" is looser than "block", which policy.yaml:16 sets',
    },
    {
      row: "an answer to all new tags",
      text: "default: { unseen: allow }",
      says: '"allow" is looser than "record", which policy.yaml:20 sets',
    },
    {
      row: "doubt let through, against the profile",
      text: "default: { unknown: warn }",
      says: '"warn" is looser than "block", which policy.yaml:2 sets',
    },
    {
      row: "private names told",
      text: "default: { private: true }",
      says: '"private: true" is looser than "private: false", which policy.yaml:20 sets',
    },
    {
      row: "a rule for one tag",
      text: "rules: [{ match: alpine:3.20.0, action: follow }]",
      says: '"follow" is looser than "block", which policy.yaml:18 sets',
    },
    {
      row: "a rule within a rule",
      text: 'rules: [{ match: "ghcr.io/acme/app:*", action: warn }]',
      says: '"warn" is looser than "pin", which policy.yaml:19 sets',
    },
    {
      row: "fewer days",
      text: 'rules: [{ match: "ghcr.io/acme/app:*", min-age: 3 }]',
      says: '"min-age: 3 days, otherwise block" is looser than "min-age: 7 days, otherwise warn", which policy.yaml:19 sets',
    },
    {
      row: "a rule that is looser than all that the floor says",
      text: 'rules: [{ match: "**", action: ignore }]',
      says: '"ignore" is looser than "block", which policy.yaml:18 sets',
    },
    {
      row: "a rule for a tag by the shape of which the profile goes",
      text: "rules: [{ match: debian:bookworm-20240701, action: pin }]",
      says: '"pin" is looser than "block", which is the default ("dated tag")',
    },
  ])("$row", async ({ text, says }) => {
    const error = await refusalOf({ baked: BAKED, repository: repository(text) });
    expect(error).toMatchObject({ code: "loosens", line: 2 });
    expect(error.message).toMatch(/^tlog\.policy\.yaml:2: /);
    expect(error.message).toContain(says);
    expect(error.message).toMatch(
      /; leave it out: only a policy baked into the frontend image may say it, or allow it with "allow-looser: \[[\w-]+\]" \(docs\/policy\.md, "The floor"\)$/,
    );
    expect(error.message.split("\n")).toHaveLength(1);
  });

  test("all of it at once", async () => {
    const error = await refusalOf({
      baked: BAKED,
      repository: repository("profile: observe\nattest: false\ndefault: { unseen: allow }"),
      args: { TLOG_UNKNOWN: "warn" },
    });
    expect(error.message.split("\n").map((line) => line.split(": ")[0])).toEqual([
      "tlog.policy.yaml:2",
      "tlog.policy.yaml:3",
      "tlog.policy.yaml:4",
      "--build-arg TLOG_UNKNOWN",
    ]);
  });
});

describe("a baked file is a floor at the default profile, also about what it does not say", () => {
  const TRUST_ALONE = `version: 1\ntrust: [{ issuer: ${ISSUER}, identity: ci@acme.example }]\n`;

  test.for([
    {
      frees: "action",
      text: 'rules: [{ match: "**", action: ignore }]',
      looser: '"ignore"',
      than: '"follow"',
    },
    { frees: "action", text: "default: { action: ignore }", looser: '"ignore"', than: '"follow"' },
    {
      frees: "action",
      text: "rules: [{ match: debian:bookworm-20240701, action: pin }]",
      looser: '"pin"',
      than: '"block", which is the default ("dated tag")',
    },
    {
      frees: "action",
      text: "rules: [{ match: node:22.4.1, action: warn }]",
      looser: '"warn"',
      than: '"pin", which is the default ("rebuilt version")',
    },
    { frees: "unseen", text: "default: { unseen: allow }", looser: '"allow"', than: '"record"' },
    { frees: "unknown", text: "default: { unknown: warn }", looser: '"warn"', than: '"block"' },
    {
      frees: "private",
      text: "rules: [{ match: ghcr.io/acme/app, private: true }]",
      looser: '"private: true"',
      than: '"private: false"',
    },
    { frees: "profile", text: "profile: observe", looser: '"observe"', than: '"default"' },
    { frees: "attest", text: "attest: false", looser: '"false"', than: '"true"' },
  ])("$text needs its word", async ({ frees, text, looser, than }) => {
    const error = await refusalOf({ baked: TRUST_ALONE, repository: repository(text) });
    expect(error.code).toBe("loosens");
    expect(error.message).toBe(
      `tlog.policy.yaml:2: ${looser} is looser than ${than}; leave it out: only a policy baked into the frontend image may say it, or allow it with "allow-looser: [${frees}]" (docs/policy.md, "The floor")`,
    );
    await policyOf({ baked: `${TRUST_ALONE}allow-looser: [${frees}]\n`, repository: repository(text) });
    await policyOf({ repository: repository(text) });
  });

  test("an action that is looser for some images gives way for these", async () => {
    const policy = await policyOf({
      baked: TRUST_ALONE,
      repository: repository('rules: [{ match: "ghcr.io/acme/**", action: follow }]'),
    });
    const actionOf = (image: string) => ruleFor(policy, parseReference(image)).action;
    expect([actionOf("ghcr.io/acme/app:1.2.3"), actionOf("ghcr.io/acme/app:dev")]).toEqual([
      "block",
      "follow",
    ]);
  });

  test("what it says itself is not held against its own defaults", async () => {
    const baked = "version: 1\nprofile: observe\ndefault: { unseen: allow }\n";
    expect(await policyOf({ baked })).toMatchObject({ profile: "observe", default: { unseen: "allow" } });
  });
});

describe("where tokens and signatures go, only a baked file says", () => {
  const MAY = "only a policy baked into the frontend image may say it, or allow it with";
  const [first, second] = SERVICES.logs;
  const ROWS = [
    {
      frees: "logs",
      text: "log: { url: https://evil.example }",
      args: { TLOG_REKOR_URL: "https://evil.example" },
      says: `"https://evil.example" is not the log "${first?.url}", "${second?.url} (API 2)"`,
    },
    {
      frees: "signing",
      text: "signing: { fulcio: https://evil.example }",
      args: { TLOG_FULCIO_URL: "https://evil.example" },
      says: `"https://evil.example" is not the certificate authority "${SERVICES.fulcio}"`,
    },
    {
      frees: "signing",
      text: "signing: { timestamps: [https://evil.example/ts] }",
      says: `"https://evil.example/ts" is not the timestamp authority "${SERVICES.timestamps[0]}"`,
    },
    {
      frees: "tuf",
      text: "tuf: https://evil.example",
      says: '"https://evil.example" is not the shipped TUF repository',
    },
    {
      frees: "registries",
      text: 'registries: [{ host: "evil.local:5000", plain-http: true }]',
      args: { TLOG_PLAIN_HTTP: "evil.local:5000" },
      says: '"evil.local:5000" is not among the hosts for plain http',
    },
  ];

  test.for(ROWS)(
    "$text, without any baked file and above one that does not say",
    async ({ frees, ...row }) => {
      for (const baked of [{}, { baked: "version: 1\nprofile: default\n" }]) {
        const error = await refusalOf({ ...baked, repository: repository(row.text) });
        expect(error.code).toBe("loosens");
        expect(error.message).toBe(
          `tlog.policy.yaml:2: ${row.says}; leave it out: ${MAY} "allow-looser: [${frees}]" (docs/policy.md, "The floor")`,
        );
        for (const [name, value] of Object.entries(row.args ?? {}))
          expect((await refusalOf({ ...baked, args: { [name]: value } })).message).toBe(
            `--build-arg ${name}: ${row.says}; leave the argument out: ${MAY} "allow-looser: [${frees}]" (docs/policy.md, "The floor")`,
          );
      }
      await policyOf({ baked: `version: 1\nallow-looser: [${frees}]\n`, repository: repository(row.text) });
    },
  );

  test("these are all the keys of which that is so", () => {
    const only = Object.values<Pick<Key<never>, "floor">>(KEYS).flatMap(({ floor }) =>
      floor?.onlyBaked === true ? floor.freedBy : [],
    );
    expect(ROWS.map(({ frees }) => frees).toSorted()).toEqual(only.toSorted());
  });

  test("a certificate authority and timestamps where the signing configuration has none", async () => {
    const services = { logs: SERVICES.logs, fulcio: undefined, timestamps: [] };
    const texts = { services, repository: repository(ROWS[1]?.text ?? "") };
    expect((await refusalOf(texts)).message).toContain(
      '"https://evil.example" is not the shipped certificate authority; leave it out',
    );
    expect((await refusalOf({ services, repository: repository(ROWS[2]?.text ?? "") })).message).toContain(
      "is not the timestamp authority of the signing configuration, which has none; leave it out",
    );
  });

  test.for([
    { row: "the shipped authority", text: `signing: { fulcio: ${SERVICES.fulcio} }` },
    { row: "this machine in plain http", text: "registries: [{ host: 127.0.0.1:5000, plain-http: true }]" },
    { row: "all shipped logs", text: `logs: [{ url: "${second?.url}" }, { url: "${first?.url}" }]` },
  ])("$row may be named again", async ({ text }) => {
    for (const baked of [{}, { baked: "version: 1\nprofile: default\n" }])
      expect(await policyOf({ ...baked, repository: repository(text) })).toMatchObject({
        signing: { fulcio: SERVICES.fulcio },
      });
  });

  test("one of the shipped logs may be chosen without a baked file, and above one all are asked", async () => {
    const args = { TLOG_REKOR_URL: second?.url ?? "" };
    expect((await policyOf({ args })).logs).toEqual([second]);
    expect((await refusalOf({ args, baked: "version: 1\n" })).message).toContain(
      `the log "${first?.url}" is missing`,
    );
    expect((await policyOf({ args: { TLOG_LOG_API: "2" }, baked: "version: 1\n" })).logs).toEqual([
      second,
      first,
    ]);
  });

  test("which log only the organisation reads", async () => {
    const logs =
      "logs: [{ url: https://rekor.example.org }, { url: https://own.example.org, private: true }]";
    expect((await policyOf({ baked: repository(logs) })).logs).toEqual([
      { url: "https://rekor.example.org", api: 1 },
      { url: "https://own.example.org", api: 1, private: true },
    ]);
    const baked = repository(`${logs}\nallow-looser: [logs]`);
    for (const own of [logs, `log: { url: ${first?.url}, private: true }`])
      expect((await refusalOf({ baked, repository: repository(own) })).message).toMatch(
        /^tlog\.policy\.yaml:2: "log(s\[1\])?\.private": only the policy in the frontend image may say which log only you read$/,
      );
  });
});

describe("a repository's file may", () => {
  test.for([
    {
      row: "be stricter",
      text: "profile: strict\nrecheck: always",
      gives: { profile: "strict", recheck: "always" },
    },
    {
      row: "say the same again",
      text: "profile: default\nattest: true",
      gives: { profile: "default", attest: true, sources: { profile: "policy.yaml:2" } },
    },
    {
      row: "name the floor's signers, which all still count",
      text: `trust: [{ issuer: ${ISSUER}, identity: ci@acme.example }]`,
      gives: { trust: [{ may: new Set(["record", "approve"]) }, {}], sources: { trust: "policy.yaml:7" } },
    },
    {
      row: "name the floor's logs in another order",
      text: "logs: [{ url: https://rekor2.example.org, api: 2 }, { url: https://rekor.example.org }]",
      gives: { logs: [{ api: 1 }, { api: 2 }] },
    },
    {
      row: "reach the floor's host as the floor does",
      text: 'registries: [{ host: "registry.local:5000", plain-http: true }]',
      gives: { sources: { registries: "policy.yaml:10" } },
    },
    {
      row: "say where the lock file is",
      text: "lock: ci/tlog.lock",
      gives: { lock: "ci/tlog.lock", sources: { lock: "tlog.policy.yaml:2" } },
    },
    { row: "say how long to wait", text: "timeout: 60", gives: { timeoutMs: 60_000 } },
    {
      row: "refuse new tags",
      text: "default: { unseen: block }",
      gives: { default: { unseen: "block", unknown: "block" } },
    },
  ])("$row", async ({ text, gives }) => {
    expect(await policyOf({ baked: BAKED, repository: repository(text) })).toMatchObject(gives);
  });

  test("alone decide what happens to images", async () => {
    const policy = await policyOf({
      repository: repository("profile: observe\nattest: false\ndefault: { unseen: allow, action: ignore }"),
    });
    expect(policy).toMatchObject({
      profile: "observe",
      attest: false,
      default: { unseen: "allow" },
      sources: { attest: "tlog.policy.yaml:3" },
    });
    expect(ruleFor(policy, parseReference("alpine:3.20.0"))).toMatchObject({ action: "ignore" });
  });

  test.for([
    { key: "profile", text: "profile: observe", gives: { profile: "observe" } },
    {
      key: "logs",
      text: "log: { url: https://other.example }",
      gives: { logs: [{ url: "https://other.example" }] },
    },
    {
      key: "signing",
      text: "signing: { fulcio: https://other.example }",
      gives: { signing: { fulcio: "https://other.example" } },
    },
    {
      key: "trust",
      text: `trust: [{ issuer: ${ISSUER}, identity: other@acme.example }]`,
      gives: { trust: [{ signer: { identity: "other@acme.example" } }] },
    },
    {
      key: "registries",
      text: 'registries: [{ host: "other.local:1", plain-http: true }]',
      gives: { registries: [{ host: "other.local:1" }] },
    },
    { key: "recheck", text: "recheck: never", gives: { recheck: "never" } },
    { key: "attest", text: "attest: false", gives: { attest: false } },
    { key: "tuf", text: "tuf: https://other.example", gives: { tuf: "https://other.example" } },
    { key: "unseen", text: "default: { unseen: allow }", gives: { default: { unseen: "allow" } } },
  ])("have the last word about $key where the floor lets it", async ({ key, text, gives }) => {
    const policy = await policyOf({
      baked: `${BAKED}allow-looser: [${key}]\n`,
      repository: repository(text),
    });
    expect(policy).toMatchObject(gives);
  });

  test("ask its log at a host that the floor reaches in plain http", async () => {
    const policy = await policyOf({
      baked:
        'version: 1\nregistries: [{ host: "rekor.local:3000", plain-http: true }]\nallow-looser: [logs]\n',
      repository: repository('log: { url: "http://rekor.local:3000" }'),
    });
    expect(policy.logs).toEqual([{ url: "http://rekor.local:3000", api: 1 }]);
  });

  test("not say what others may loosen", async () => {
    const error = await refusalOf({ repository: repository("allow-looser: [profile]") });
    expect(error.message).toBe(
      'tlog.policy.yaml:2: "allow-looser": it is for the file in the frontend image alone, which says what others may do',
    );
  });
});

describe("build arguments take the place of what the repository's file says", () => {
  test.for([
    {
      row: "the profile",
      text: "profile: strict",
      args: { TLOG_PROFILE: "observe" },
      gives: { profile: "observe", sources: { profile: "TLOG_PROFILE" } },
    },
    {
      row: "the logs",
      text: `log: { url: ${SERVICES.logs[0]?.url} }`,
      args: { TLOG_REKOR_URL: SERVICES.logs[1]?.url ?? "", TLOG_LOG_API: "2" },
      gives: { logs: [SERVICES.logs[1]] },
    },
    {
      row: "who is trusted",
      text: `trust:\n  - key: |\n${asBlock(ALICE.publicPem)}`,
      args: { TLOG_TRUST_ISSUER: ISSUER, TLOG_TRUST_IDENTITY: "ci@acme.example" },
      gives: { trust: [{ signer: { identity: "ci@acme.example" }, may: new Set(["record", "approve"]) }] },
    },
    {
      row: "both kinds of signers",
      text: "",
      args: {
        TLOG_TRUST_KEY: BOB.publicPem,
        TLOG_TRUST_ISSUER: ISSUER,
        TLOG_TRUST_IDENTITY: "ci@acme.example",
      },
      gives: { trust: [{ signer: { kind: "key" } }, { signer: { kind: "identity" } }] },
    },
    {
      row: "new tags",
      text: "default: { unseen: block, unknown: warn }",
      args: { TLOG_UNSEEN: "allow" },
      gives: { default: { unseen: "allow", unknown: "warn" } },
    },
    {
      row: "the evidence at the image",
      text: "attest: true",
      args: { TLOG_ATTEST: "false" },
      gives: { attest: false },
    },
    {
      row: "nothing of the hosts, to which they add",
      text: 'registries: [{ host: "localhost:1", plain-http: true }]',
      args: { TLOG_PLAIN_HTTP: "localhost:2" },
      gives: { registries: [{ host: "localhost:1" }, { host: "localhost:2" }] },
    },
  ])("$row", async ({ text, args, gives }) => {
    expect(await policyOf({ repository: repository(text), args })).toMatchObject(gives);
  });

  test("the API of a log is what the signing configuration says of it", async () => {
    const url = SERVICES.logs[1]?.url ?? "";
    expect((await policyOf({ args: { TLOG_REKOR_URL: url } })).logs).toEqual([{ url, api: 2 }]);
    expect((await policyOf({ repository: repository(`log: { url: ${url} }`) })).logs).toEqual([
      { url, api: 2 },
    ]);
  });

  test("the log to write to, while all are asked, a floor or not", async () => {
    const args = { TLOG_LOG_API: "2" };
    expect((await policyOf({ args })).logs.map(({ api }) => api)).toEqual([2, 1]);
    expect((await policyOf({ args, baked: BAKED })).logs.map(({ api }) => api)).toEqual([2, 1]);
    const error = await refusalOf({ args, baked: repository("log: { url: https://one.example }") });
    expect(error.message).toBe(
      "--build-arg TLOG_LOG_API: the policy has no log of API 2; name it with TLOG_REKOR_URL",
    );
  });

  test("and no other one to write to than a floor's first, when that one has no search", async () => {
    const args = { TLOG_LOG_API: "1" };
    const logs = "logs: [{ url: https://two.example, api: 2 }, { url: https://one.example, api: 1 }]";
    const { message } = await refusalOf({ args, baked: repository(logs) });
    expect(message).toContain('"1" passes over the log "https://two.example" (API 2), which policy.yaml:');
    expect(message).toContain(
      'leave the argument out: only a policy baked into the frontend image may say it, or allow it with "allow-looser: [logs]"',
    );
    const allowed = await policyOf({ args, baked: repository(`${logs}\nallow-looser: [logs]`) });
    expect(allowed.logs.map(({ api }) => api)).toEqual([1, 2]);
  });

  test.for([
    {
      args: { TLOG_TRUST_ISSUER: ISSUER },
      says: "--build-arg TLOG_TRUST_ISSUER: it says who vouches for TLOG_TRUST_IDENTITY, which is not given",
    },
    {
      args: { TLOG_TRUST_IDENTITY: "ci@a.b" },
      says: "--build-arg TLOG_TRUST_IDENTITY: it needs TLOG_TRUST_ISSUER",
    },
    {
      args: { TLOG_PROFILE: "stict" },
      says: '--build-arg TLOG_PROFILE: "stict" is not "observe", "default" or "strict" (did you mean "strict"?)',
    },
    { args: { TLOG_LOG_API: "3" }, says: '--build-arg TLOG_LOG_API: "3" is not "1" or "2"' },
    { args: { TLOG_ATTEST: "no" }, says: '--build-arg TLOG_ATTEST: "no" is not "true" or "false"' },
  ])("and are refused by name: $says", async ({ args, says }) => {
    expect((await refusalOf({ args: args as unknown as Record<string, string> })).message).toContain(says);
  });
});
