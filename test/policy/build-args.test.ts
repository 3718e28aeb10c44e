// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { ALICE, asBlock, BOB } from "./signers.ts";
import { readPolicy } from "../../src/policy/policy.ts";
import { policyOf, refusalOf, SERVICES } from "./sample-policy.ts";

function read(args: Record<string, string>, baked?: string) {
  return policyOf({ args, ...(baked !== undefined && { baked }) });
}

function refusal(args: Record<string, string>, baked?: string) {
  return refusalOf({ args, ...(baked !== undefined && { baked }) });
}

test("without a file and arguments: the services of the signing configuration, new tags recorded, doubt refused", async () => {
  expect(await read({})).toMatchObject({
    profile: "default",
    logs: SERVICES.logs,
    signing: { fulcio: SERVICES.fulcio, timestamps: SERVICES.timestamps },
    trust: [],
    default: { unseen: "record", unknown: "block" },
    registries: [],
    timeoutMs: 30_000,
    recheck: "never",
    attest: true,
    sources: {
      profile: "default",
      logs: "default",
      fulcio: "default",
      timestamps: "default",
      trust: "default",
      registries: "default",
      lock: "default",
      recheck: "default",
      attest: "default",
      conversion: "default",
      syntax: "default",
      cacheFrom: "default",
      tuf: "default",
      timeoutMs: "default",
    },
  });
});

test("arguments set what no file sets and the baked file lets them", async () => {
  const policy = await read(
    {
      TLOG_REKOR_URL: "http://rekor.local:3000/",
      TLOG_FULCIO_URL: "http://rekor.local:3000/fulcio/",
      TLOG_UNSEEN: "allow",
      TLOG_UNKNOWN: "warn",
      TLOG_TIMEOUT: "600",
      TLOG_TRUST_KEY: ALICE.publicPem,
      TLOG_PLAIN_HTTP: "rekor.local:3000, Registry.local:5000",
      HTTP_PROXY: "not ours",
      tlog_unseen: "not ours",
    },
    "version: 1\nallow-looser: [logs, signing, registries, unseen, unknown]\n",
  );
  expect(policy).toMatchObject({
    logs: [{ url: "http://rekor.local:3000", api: 1 }],
    signing: { fulcio: "http://rekor.local:3000/fulcio" },
    trust: [{ signer: { kind: "key" }, may: new Set(["record", "approve"]) }],
    default: { unseen: "allow", unknown: "warn" },
    registries: [
      { host: "rekor.local:3000", plainHttp: true },
      { host: "registry.local:5000", plainHttp: true },
    ],
    timeoutMs: 600_000,
    sources: {
      logs: "TLOG_REKOR_URL",
      fulcio: "TLOG_FULCIO_URL",
      trust: "TLOG_TRUST_KEY",
      registries: "TLOG_PLAIN_HTTP",
      timeoutMs: "TLOG_TIMEOUT",
    },
  });
});

const BAKED = `version: 1
log: { url: https://rekor.example.org }
default: { unseen: record, unknown: block }
trust:
  - key: |
${asBlock(ALICE.publicPem)}
registries:
  - { host: "registry.local:5000", plain-http: true }
  - { host: "tls.local:5000" }
signing: { fulcio: https://fulcio.example.org }
`;

test.for([
  {
    row: "a stricter answer to new tags",
    args: { TLOG_UNSEEN: "block" },
    gives: { default: { unseen: "block" } },
  },
  {
    row: "the same answer to new tags",
    args: { TLOG_UNSEEN: "record" },
    gives: { default: { unseen: "record" } },
  },
  {
    row: "the same answer to doubt",
    args: { TLOG_UNKNOWN: "block" },
    gives: { default: { unknown: "block" } },
  },
  {
    row: "the same log, written otherwise",
    args: { TLOG_REKOR_URL: "https://REKOR.example.org:443/" },
    gives: { logs: [{ url: "https://rekor.example.org" }], sources: { logs: "policy.yaml:2" } },
  },
  {
    row: "the same certificate authority, written otherwise",
    args: { TLOG_FULCIO_URL: "https://Fulcio.example.org/" },
    gives: { signing: { fulcio: "https://fulcio.example.org" } },
  },
  {
    row: "a key that is trusted anyway",
    args: { TLOG_TRUST_KEY: ALICE.publicPem },
    gives: { sources: { trust: "policy.yaml:4" } },
  },
  {
    row: "hosts for plain http that are named anyway",
    args: { TLOG_PLAIN_HTTP: "registry.local:5000,localhost:5000" },
    gives: { sources: { registries: "policy.yaml:9" } },
  },
  {
    row: "a longer deadline, which no file sets",
    args: { TLOG_TIMEOUT: "90" },
    gives: { timeoutMs: 90_000 },
  },
])("a baked file lets through $row", async ({ args, gives }) => {
  // One line more or less of PEM must not matter to the rows above.
  const lines = BAKED.split("\n").findIndex((line) => line.startsWith("registries")) + 1;
  const want = JSON.parse(JSON.stringify(gives).replace("policy.yaml:9", `policy.yaml:${lines}`)) as object;
  expect(await read(args, BAKED)).toMatchObject(want);
});

test.for([
  {
    row: "new tags let through",
    args: { TLOG_UNSEEN: "allow" },
    says: /^--build-arg TLOG_UNSEEN: "allow" is looser than "record", which policy\.yaml:3 sets; leave the argument out/,
  },
  {
    row: "another certificate authority",
    args: { TLOG_FULCIO_URL: "https://fulcio.sigstore.dev" },
    says: /^--build-arg TLOG_FULCIO_URL: "https:\/\/fulcio\.sigstore\.dev" is not the certificate authority "https:\/\/fulcio\.example\.org", which policy\.yaml:\d+ sets/,
  },
  {
    row: "doubt let through",
    args: { TLOG_UNKNOWN: "warn" },
    says: /^--build-arg TLOG_UNKNOWN: "warn" is looser than "block", which policy\.yaml:3 sets/,
  },
  {
    row: "another log",
    args: { TLOG_REKOR_URL: "https://rekor.sigstore.dev" },
    says: /^--build-arg TLOG_REKOR_URL: "https:\/\/rekor\.sigstore\.dev" is not the log "https:\/\/rekor\.example\.org", which policy\.yaml:2 sets/,
  },
  {
    row: "the same log by another path",
    args: { TLOG_REKOR_URL: "https://rekor.example.org/other" },
    says: /is not the log/,
  },
  {
    row: "another key",
    args: { TLOG_TRUST_KEY: BOB.publicPem },
    says: /^--build-arg TLOG_TRUST_KEY: the key "sha256:[0-9a-f]{64}" is not among the signers, which policy\.yaml:4 sets/,
  },
  {
    row: "another host for plain http",
    args: { TLOG_PLAIN_HTTP: "evil.local:5000" },
    says: /^--build-arg TLOG_PLAIN_HTTP: "evil\.local:5000" is not among the hosts for plain http, which policy\.yaml:\d+ sets/,
  },
  {
    row: "plain http for a host that the file names without it",
    args: { TLOG_PLAIN_HTTP: "tls.local:5000" },
    says: /"tls\.local:5000" is not among the hosts/,
  },
])("a baked file is a floor: no $row", async ({ args, says }) => {
  const error = await refusal(args, BAKED);
  expect(error.code).toBe("loosens");
  expect(error.message).toMatch(says);
});

test("an empty list of registries is a floor too", async () => {
  const error = await refusal({ TLOG_PLAIN_HTTP: "registry.local:5000" }, "version: 1\nregistries: []\n");
  expect(error.message).toContain("which policy.yaml:2 sets");
});

test("who is trusted can be said above a baked file that says nothing of it", async () => {
  const policy = await read(
    { TLOG_TRUST_KEY: BOB.publicPem },
    "version: 1\nlog: { url: https://rekor.example.org }\n",
  );
  expect(policy).toMatchObject({
    logs: [{ url: "https://rekor.example.org", api: 1 }],
    trust: [{ signer: { kind: "key" } }],
  });
});

test("an argument that the Dockerfile declares is its own, unless it is one of ours", async () => {
  const reading = (declared: readonly string[], args: Record<string, string>) =>
    readPolicy({ services: SERVICES, buildArgs: args, declaredArgs: new Set(declared) });
  const own = { TLOG_COLOUR: "red", TLOG_UNSEN: "block" };
  expect(await reading(["TLOG_COLOUR", "TLOG_UNSEN"], own)).toEqual(await policyOf({}));
  await expect(reading(["TLOG_COLOUR"], own)).rejects.toThrow(
    /^--build-arg TLOG_UNSEN: no such argument .* passes when the Dockerfile declares it with "ARG"$/,
  );
  const known = { TLOG_UNSEEN: "block" };
  expect((await reading(["TLOG_UNSEEN"], known)).default.unseen).toBe("block");
});

test.for([
  {
    row: "a misspelt name",
    args: { TLOG_UNSEN: "block" },
    code: "unknown-key",
    says: '--build-arg TLOG_UNSEN: no such argument (did you mean "TLOG_UNSEEN"?); there are TLOG_PROFILE, TLOG_FULCIO_URL, TLOG_PLAIN_HTTP, TLOG_ATTEST, TLOG_TIMEOUT, TLOG_REKOR_URL, TLOG_LOG_API, TLOG_TRUST_KEY, TLOG_TRUST_ISSUER, TLOG_TRUST_IDENTITY, TLOG_UNSEEN, TLOG_UNKNOWN, TLOG_APPROVE',
  },
  {
    row: "a name that nothing is near",
    args: { TLOG_COLOUR: "red" },
    code: "unknown-key",
    says: "--build-arg TLOG_COLOUR: no such argument; there are",
  },
  {
    row: "an empty value",
    args: { TLOG_UNSEEN: "" },
    code: "wrong-value",
    says: "--build-arg TLOG_UNSEEN: it is empty; give it a value or leave it out",
  },
  {
    row: "a blank value",
    args: { TLOG_TRUST_KEY: " \n" },
    code: "wrong-value",
    says: "--build-arg TLOG_TRUST_KEY: it is empty",
  },
  {
    row: "a choice that does not exist",
    args: { TLOG_UNSEEN: "blok" },
    code: "wrong-value",
    says: '--build-arg TLOG_UNSEEN: "blok" is not "allow", "record" or "block" (did you mean "block"?)',
  },
  {
    row: "a choice in capitals",
    args: { TLOG_UNKNOWN: "BLOCK" },
    code: "wrong-value",
    says: 'did you mean "block"?',
  },
  {
    row: "no time at all",
    args: { TLOG_TIMEOUT: "0" },
    code: "wrong-value",
    says: '"0" is not a whole number of seconds from 1 to 600',
  },
  { row: "too long a time", args: { TLOG_TIMEOUT: "601" }, code: "wrong-value", says: '"601" is not' },
  { row: "a time with a unit", args: { TLOG_TIMEOUT: "30s" }, code: "wrong-value", says: '"30s" is not' },
  { row: "half a second", args: { TLOG_TIMEOUT: "0.5" }, code: "wrong-value", says: '"0.5" is not' },
  {
    row: "a log in plain http",
    args: { TLOG_REKOR_URL: "http://rekor.local:3000" },
    code: "wrong-value",
    says: "plain http is for loopback and for hosts named",
  },
  {
    row: "a certificate authority in plain http",
    args: { TLOG_FULCIO_URL: "http://fulcio.local" },
    code: "wrong-value",
    says: '--build-arg TLOG_FULCIO_URL: "http://fulcio.local": plain http is for loopback and for hosts named',
  },
  {
    row: "an empty host in a list",
    args: { TLOG_PLAIN_HTTP: "a.local:1,,b.local:2" },
    code: "wrong-value",
    says: '--build-arg TLOG_PLAIN_HTTP: "": it is not a host',
  },
  {
    row: "a key that is none",
    args: { TLOG_TRUST_KEY: "abc" },
    code: "wrong-value",
    says: "--build-arg TLOG_TRUST_KEY: read a public key: it is not one PEM block",
  },
])("refuses $row", async ({ args, code, says }) => {
  const error = await refusal(args as unknown as Record<string, string>);
  expect(error.code).toBe(code);
  expect(error.message).toContain(says);
});

test("a password in the log's address is not repeated", async () => {
  const error = await refusal({ TLOG_REKOR_URL: "https://ci:hunter2@rekor.example.org" });
  expect(error.message).toContain("credentials");
  expect(error.message).not.toContain("hunter2");
});

test("tells all that is wrong with the arguments at once", async () => {
  const error = await refusal({ TLOG_UNSEEN: "x", TLOG_TIMEOUT: "x", TLOG_X: "x" });
  expect(error.message.split("\n").map((line) => line.slice(0, 24))).toEqual([
    "--build-arg TLOG_X: no s",
    "--build-arg TLOG_TIMEOUT",
    "--build-arg TLOG_UNSEEN:",
  ]);
});
