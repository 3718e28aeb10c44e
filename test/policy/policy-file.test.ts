// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { readPolicy } from "../../src/policy/policy.ts";
import { ALICE, asBlock, BOB } from "./signers.ts";
import { policyOf, refusalOf, SERVICES } from "./sample-policy.ts";

const GOOD = `version: 1
log: { url: https://rekor.example.org }
trust:
  - key: |
${asBlock(ALICE.publicPem)}
default: { unseen: allow, unknown: warn }
registries:
  - { host: "registry.local:5000", plain-http: true }
  - host: docker.io
signing: { fulcio: https://fulcio.example.org/ }
`;

function read(baked: string) {
  return policyOf({ baked });
}

function refusal(baked: string) {
  return refusalOf({ baked });
}

/** The good file with one text in place of another. */
function changed(from: string, to: string): string {
  if (!GOOD.includes(from)) throw new Error(`the good file has no "${from}"`);
  return GOOD.replace(from, to);
}

test("a policy file sets every part, and each knows its line", async () => {
  const policy = await read(GOOD);
  expect(policy).toMatchObject({
    logs: [{ url: "https://rekor.example.org", api: 1 }],
    signing: { fulcio: "https://fulcio.example.org" },
    trust: [{ signer: { kind: "key", fingerprint: expect.stringMatching(/^sha256:/) } }],
    default: { unseen: "allow", unknown: "warn" },
    registries: [
      { host: "registry.local:5000", plainHttp: true },
      { host: "docker.io", plainHttp: false },
    ],
    timeoutMs: 30_000,
    sources: {
      logs: "policy.yaml:2",
      fulcio: "policy.yaml:13",
      trust: "policy.yaml:3",
      registries: "policy.yaml:10",
      timeoutMs: "default",
    },
  });
});

test("a file with a version alone leaves the defaults", async () => {
  const { rules: _, isBaked, ...policy } = await read("version: 1\n");
  const { rules: __, isBaked: isBakedToo, ...without } = await policyOf({});
  expect(policy).toEqual(without);
  expect([isBaked, isBakedToo]).toEqual([true, false]);
});

test.for([
  { row: "a byte order mark", file: `\ufeff${GOOD}` },
  { row: "Windows line ends", file: GOOD.replaceAll("\n", "\r\n") },
  { row: "a document marker and comments", file: `---\n# ours\n${GOOD}` },
])("reads a file with $row", async ({ file }) => {
  expect((await read(file)).logs[0]?.url).toBe("https://rekor.example.org");
});

test.for([
  {
    row: "a misspelt key",
    from: "log:",
    to: "lgo:",
    code: "unknown-key",
    says: 'policy.yaml:2: the key "lgo" is not known (did you mean "log"?); allowed there: version, profile, log, logs, signing, trust, rules, default, ledgers, registries',
  },
  {
    row: "a misspelt key further in",
    from: "plain-http",
    to: "plain_http",
    code: "unknown-key",
    says: 'policy.yaml:11: the key "plain_http" is not known in "registries[0]" (did you mean "plain-http"?); allowed there: host, plain-http',
  },
  {
    row: "a key that nothing is near",
    from: "unknown: warn",
    to: "colour: red",
    code: "unknown-key",
    says: 'policy.yaml:9: the key "colour" is not known in "default"; allowed there: action, unseen, unknown, min-age, private, by-digest',
  },
  {
    row: "a key that every object has",
    from: "log:",
    to: "constructor:",
    code: "unknown-key",
    says: 'policy.yaml:2: the key "constructor" is not known',
  },
  {
    row: "a key that would reach the prototype",
    from: "log:",
    to: "__proto__:",
    code: "unknown-key",
    says: 'the key "__proto__" is not known',
  },
  {
    row: "no version",
    from: "version: 1",
    to: "# nothing",
    code: "wrong-value",
    says: '"version" is missing',
  },
  {
    row: "a version in quotes",
    from: "version: 1",
    to: 'version: "1"',
    code: "wrong-value",
    says: 'policy.yaml:1: "version" must be the number 1, not the text "1"',
  },
  {
    row: "version 0",
    from: "version: 1",
    to: "version: 0",
    code: "wrong-value",
    says: '"version" must be the number 1, not number 0',
  },
  {
    row: "a choice that does not exist",
    from: "unseen: allow",
    to: "unseen: alow",
    code: "wrong-value",
    says: 'policy.yaml:9: "default.unseen" must be "allow", "record" or "block", not the text "alow" (did you mean "allow"?)',
  },
  {
    row: "true for a choice",
    from: "unknown: warn",
    to: "unknown: true",
    code: "wrong-value",
    says: '"default.unknown" must be "warn" or "block", not boolean true',
  },
  {
    row: "text for a mapping",
    from: "{ url: https://rekor.example.org }",
    to: "https://rekor.example.org",
    code: "wrong-value",
    says: 'policy.yaml:2: "log" must be a mapping of keys to values, not the text',
  },
  {
    row: "a mapping without its key",
    from: "{ url: https://rekor.example.org }",
    to: "{}",
    code: "wrong-value",
    says: 'policy.yaml:2: "log.url" is missing',
  },
  {
    row: "nothing for a mapping",
    from: "{ url: https://rekor.example.org }",
    to: "",
    code: "wrong-value",
    says: '"log" must be a mapping of keys to values, not nothing',
  },
  {
    row: "yes, which YAML 1.2 takes for text",
    from: "plain-http: true",
    to: "plain-http: yes",
    code: "wrong-value",
    says: '"registries[0].plain-http" must be true or false, not the text "yes"',
  },
  {
    row: "a host with a scheme",
    from: "registry.local:5000",
    to: "http://registry.local:5000",
    code: "wrong-value",
    says: 'policy.yaml:11: "registries[0].host": "http://registry.local:5000": write the host alone, without "http://"',
  },
  {
    row: "a host given twice",
    from: "host: docker.io",
    to: "host: Registry.local:5000",
    code: "wrong-value",
    says: 'policy.yaml:12: "registries[1].host": "registry.local:5000" is there twice',
  },
  {
    row: "a log in plain http",
    from: "https://rekor",
    to: "http://rekor",
    code: "wrong-value",
    says: 'policy.yaml:2: "log.url": "http://rekor.example.org": plain http is for loopback and for hosts named in "registries"',
  },
])("refuses $row", async ({ from, to, code, says }) => {
  const error = await refusal(changed(from, to));
  expect(error.code).toBe(code);
  expect(error.message).toContain(says);
  expect(error.message.split("\n")).toHaveLength(1);
});

test("refuses a file for a newer version, and says nothing else of it", async () => {
  const error = await refusal("version: 2\nnew-thing: 1\n");
  expect(error).toMatchObject({ code: "version", line: 1 });
  expect(error.message).toBe(
    'policy.yaml:1: it is made for a newer tlog-dockerfile: this one reads "version: 1", not 2',
  );
});

test("takes identities besides keys, compared as they are written", async () => {
  const identity = { issuer: "https://accounts.google.com", identity: "Ci@acme.example" };
  const policy = await read(
    `version: 1\ntrust:\n  - { issuer: ${identity.issuer}, identity: ${identity.identity} }\n  - key: |\n${asBlock(ALICE.publicPem)}\n`,
  );
  expect(policy.trust).toEqual([
    { signer: { kind: "identity", ...identity }, may: new Set(["record"]) },
    expect.objectContaining({ may: new Set(["record"]) }) as unknown,
  ]);
});

test.for([
  {
    row: "an empty list of signers",
    trust: "[]",
    says: '"trust" is empty; leave it out, or put something into it',
  },
  {
    row: "a signer that is no mapping",
    trust: "[abc]",
    says: '"trust[0]" must be a mapping of keys to values, not text',
  },
  { row: "a number for a key", trust: "[{ key: 5 }]", says: '"trust[0].key" must be text, not number 5' },
  ...["{}", "{ issuer: https://a.b }", "{ identity: ci@a.b }", "{ key: abc, identity: ci@a.b }"].map(
    (signer) => ({
      row: `half a signer: ${signer}`,
      trust: `[${signer}]`,
      says: `"trust[0]${signer.includes("key") ? ".key" : ""}": a signer is "key" alone, or "issuer" together with "identity" or with "identity-pattern"`,
    }),
  ),
  {
    row: "an issuer that is no URL",
    trust: "[{ issuer: accounts.google.com, identity: ci@a.b }]",
    says: '"trust[0]": the issuer "accounts.google.com" is not a URL; certificates name it with its "https://"',
  },
  {
    row: "an identity that looks like a pattern",
    trust: "[{ issuer: https://a.b, identity: '*@a.b' }]",
    says: '"trust[0]": the identity "*@a.b" has a "*", but it is compared as a whole; write it out',
  },
  {
    row: "a key that is none",
    trust: "[{ key: abc }]",
    says: '"trust[0].key": read a public key: it is not one PEM block',
  },
])("refuses $row", async ({ trust, says }) => {
  expect((await refusal(`version: 1\ntrust: ${trust}\n`)).message).toBe(
    `policy.yaml:2: ${says}${says.includes("PEM") ? ', which begins with "-----BEGIN PUBLIC KEY-----"' : ""}`,
  );
});

test("refuses a private key and does not repeat it", async () => {
  const secret = BOB.privatePem.split("\n")[1] ?? "";
  const error = await refusal(`version: 1\ntrust:\n  - key: |\n${asBlock(BOB.privatePem)}\n`);
  expect(error.message).toMatch(/^policy\.yaml:3: "trust\[0\]\.key": .*private key/);
  expect(secret.length).toBeGreaterThan(40);
  expect(error.message).not.toContain(secret.slice(0, 16));
});

test("does not repeat a private key that stands where a signer should", async () => {
  const secret = BOB.privatePem.split("\n")[1] ?? "";
  const error = await refusal(`version: 1\ntrust:\n  - |\n${asBlock(BOB.privatePem)}\n`);
  expect(error.message).not.toContain(secret.slice(0, 16));
});

test("a log in plain http is allowed where the registries name its host", async () => {
  const file =
    'version: 1\nlog: { url: "http://rekor.local:3000/" }\nregistries: [{ host: "rekor.local:3000", plain-http: true }]\n';
  expect((await read(file)).logs[0]?.url).toBe("http://rekor.local:3000");
  const error = await refusal(file.replace("plain-http: true", "plain-http: false"));
  expect(error.message).toContain('name "rekor.local:3000" there');
});

test("tells all that is wrong at once, in the order of the lines, ten at most", async () => {
  const wrong = Array.from({ length: 9 }, (_, index) => `key${index}: 1`).join("\n");
  const error = await refusal(`version: 1\n${wrong}\nlog: { url: 3 }\ndefault: { unseen: 1 }\nrules: []\n`);
  const lines = error.message.split("\n");
  expect(lines).toHaveLength(11);
  expect(lines[0]).toMatch(/^policy\.yaml:2: the key "key0" is not known/);
  expect(lines[9]).toBe('policy.yaml:11: "log.url" must be text, not number 3');
  expect(lines[10]).toBe("and 2 more");
  expect(error).toMatchObject({ code: "unknown-key", line: 2 });
});

test("of a file full of mistakes no more than a hundred are looked at", async () => {
  const keys = Array.from({ length: 5_500 }, (_, index) => `lgo${index}: 1`).join("\n");
  const lines = (await refusal(`version: 1\n${keys}\n`)).message.split("\n");
  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toBe("and 90 more");
  const rules = Array.from({ length: 10_000 }, () => "- 1").join("\n");
  expect((await refusal(`version: 1\nrules:\n${rules}\n`)).message).toMatch(/\nand 90 more$/);
});

test("patterns that are made to take long to compare are refused", async () => {
  const rules = Array.from(
    { length: 480 },
    (_, index) => `- { match: "a/${"*a".repeat(46)}${index}", action: pin }`,
  );
  const error = await refusal(`version: 1\nrules:\n${rules.join("\n")}\n`);
  expect(error.message).toMatch(
    /^policy\.yaml:(\d+): "rules\[\d+\]": up to here there are too many patterns with too many wildcards; use fewer of either$/,
  );
  expect(error.line).toBeLessThan(60);
  const plain = Array.from(
    { length: 490 },
    (_, index) => `- { match: ["ghcr.io/acme/a${index}:1.*", "b${index}"], action: pin }`,
  );
  expect((await read(`version: 1\nrules:\n${plain.join("\n")}\n`)).rules[0]?.rules).toHaveLength(490);
});

test("names the conversion image and forbids those that Dockerfiles name", async () => {
  const policy = await read("version: 1\nconversion: docker/dockerfile:1.19\nsyntax: block\n");
  expect(policy).toMatchObject({
    conversion: { registry: "docker.io", repository: "docker/dockerfile", tag: "1.19" },
    syntax: "block",
    sources: { conversion: "policy.yaml:2", syntax: "policy.yaml:3" },
  });
  const digest = `sha256:${"a".repeat(64)}`;
  const byDigest = await read(`version: 1\nconversion: "localhost:5000/dockerfile@${digest}"\n`);
  expect(byDigest.conversion).toEqual({ registry: "localhost:5000", repository: "dockerfile", digest });
  expect(byDigest.syntax).toBe("allow");
  expect((await read("version: 1\n")).conversion).toBeUndefined();
});

test.for([
  { image: "docker/dockerfile", says: "it has no tag and no digest; write one, as in" },
  { image: "localhost:5000/dockerfile", says: "it has no tag and no digest; write one, as in" },
  { image: "Docker/dockerfile:", says: "is not a tag of at most" },
  { image: "docker/dockerfile@sha256:1", says: 'what follows "@" is not a digest' },
  { image: "''", says: "it is empty" },
])("refuses $image as the conversion image", async ({ image, says }) => {
  const error = await refusal(`version: 1\nconversion: ${image.includes("'") ? image : `"${image}"`}\n`);
  expect(error).toMatchObject({ code: "wrong-value", line: 2 });
  expect(error.message).toMatch(/^policy\.yaml:2: "conversion": "/);
  expect(error.message).toContain(says);
});

test("names the file as it was given", async () => {
  const reading = readPolicy({
    services: SERVICES,
    baked: { text: "version: 3", name: "/etc/tlog-dockerfile/policy.yaml" },
    buildArgs: {},
  });
  await expect(reading).rejects.toThrow("/etc/tlog-dockerfile/policy.yaml:1: it is made for a newer");
});

test("a message keeps control characters of the file out of the terminal", async () => {
  const error = await refusal('version: 1\n"a\\e[2Jb": 1\n');
  expect(error.message).toContain('the key "a?[2Jb" is not known');
});
