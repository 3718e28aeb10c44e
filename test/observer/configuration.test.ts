// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type JsonSchema, jsonSchema } from "../../scripts/json-schema.ts";
import { observerSchemaFiles, withObserverTables } from "../../scripts/observer-docs.ts";
import { ALLOWED_KEYS, CONFIGURATION_SCHEMA } from "../../src/observer/configuration-schema.ts";
import { ConfigurationError, logOf, readConfiguration } from "../../src/observer/configuration.ts";
import { documentedFiles } from "../policy/documented-files.ts";

const PATH = "/etc/observer/tlog-observer.yaml";
const LEAST = "ledger: ghcr.io/acme/ledger\nsigning: { key: key.pem }\nwatch: [{ repository: alpine }]\n";

function read(text: string) {
  return readConfiguration(text, { path: PATH, name: "observer.yaml" });
}

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error("not refused");
}

describe("a configuration is read", () => {
  test("the least that one says, with defaults for the rest", () => {
    expect(read(LEAST)).toEqual({
      ledger: { registry: "ghcr.io", repository: "acme/ledger" },
      signing: { kind: "key", file: "/etc/observer/key.pem" },
      state: "/etc/observer/tlog-observer-state",
      keep: 64,
      watch: [
        {
          registry: "docker.io",
          repository: "library/alpine",
          choice: { exact: [], patterns: ["*"], except: [] },
          place: "observer.yaml:3",
        },
      ],
      registries: [],
      approvals: { from: [], signers: [] },
    });
  });

  test("all that one can say", () => {
    const all = read(`
ledger: "127.0.0.1:5000/ledger"
log: { url: "http://rekor.internal.example:3000/", api: 2 }
signing:
  token: /var/run/token
  fulcio: https://fulcio.internal.example/
  timestamps: [https://tsa.internal.example/api/v1/timestamp]
trusted-root: root/trusted_root.json
state: /var/lib/observer
keep: 3
watch:
  - repository: docker.io/library/alpine
    tags: ["3.16.0", "3.*"]
    newer-than: "3.14"
    newest: 20
    except: ["*-rc*"]
registries: [{ host: "rekor.internal.example:3000", plain-http: true, concurrency: 2 }, { host: Quay.io }]
approvals: { from: [approvals], signers: [{ issuer: https://issuer.example, identity: a@acme.example }] }
webhook: https://hooks.example/T0/secret?x=1
`);
    expect(all).toMatchObject({
      ledger: { registry: "127.0.0.1:5000", repository: "ledger" },
      log: { url: "http://rekor.internal.example:3000", api: 2 },
      signing: { kind: "token", file: "/var/run/token" },
      fulcio: "https://fulcio.internal.example",
      timestamps: ["https://tsa.internal.example/api/v1/timestamp"],
      trustedRoot: "/etc/observer/root/trusted_root.json",
      state: "/var/lib/observer",
      keep: 3,
      watch: [{ choice: { exact: ["3.16.0"], patterns: ["3.*"], newest: 20, except: ["*-rc*"] } }],
      registries: [
        { host: "rekor.internal.example:3000", plainHttp: true, concurrency: 2 },
        { host: "quay.io", plainHttp: false, concurrency: 8 },
      ],
      approvals: {
        from: ["/etc/observer/approvals"],
        signers: [{ kind: "identity", identity: "a@acme.example" }],
      },
    });
    expect(all.webhook?.href).toBe("https://hooks.example/T0/secret?x=1");
  });

  test("the password of a key, and GitHub's tokens", () => {
    expect(read(LEAST.replace("key.pem", "k, password-file: /p")).signing).toEqual({
      kind: "key",
      file: "/etc/observer/k",
      passwordFile: "/p",
    });
    expect(read(LEAST.replace("key: key.pem", "github: true")).signing).toEqual({ kind: "github" });
  });
});

test("the log: the first of the signing configuration, or the named one with the API that is known of it", () => {
  const services = {
    logs: [
      { url: "https://one.example", api: 1 },
      { url: "https://two.example", api: 2 },
    ],
  } as const;
  expect(logOf({}, services)).toEqual({ url: "https://one.example", api: 1 });
  expect(logOf({}, { logs: [] })).toBeUndefined();
  const named = (log: string) => logOf(read(`${LEAST}log: ${log}\n`), services);
  expect(named("https://two.example/")).toEqual({ url: "https://two.example", api: 2 });
  expect(named("https://three.example")).toEqual({ url: "https://three.example", api: 1 });
  expect(named("{ url: https://two.example, api: 1 }")).toEqual({ url: "https://two.example", api: 1 });
});

describe("what cannot be used is refused with its line, and what is allowed there", () => {
  const more = (text: string) => LEAST + text;
  test.for<{ row: string; text: string; says: string }>([
    {
      row: "an empty file",
      text: "\n",
      says: 'observer.yaml: it is empty; a configuration names a "ledger"',
    },
    {
      row: "an unknown key",
      text: more("leger: x\n"),
      says: 'observer.yaml:4: the key "leger" is not known (did you mean "ledger"?); allowed there: ledger, log, signing,',
    },
    {
      row: "an unknown key inside",
      text: LEAST.replace("alpine", "alpine, newer: x"),
      says: 'observer.yaml:3: the key "newer" is not known in "watch[0]"',
    },
    {
      row: "a missing key",
      text: "ledger: a/b\nwatch: [{ repository: alpine }]\n",
      says: 'observer.yaml:1: "signing" is missing',
    },
    {
      row: "nothing to watch",
      text: LEAST.replace("[{ repository: alpine }]", "[]"),
      says: '"watch" is empty',
    },
    {
      row: "too much to watch",
      text: `ledger: a/b\nsigning: {key: k}\nwatch:\n${"  - {repository: a}\n".repeat(1_001)}`,
      says: 'observer.yaml:3: "watch" has more than 1000 entries',
    },
    {
      row: "a file that is too large",
      text: more(`#${"x".repeat(65_536)}\n`),
      says: "it is larger than 64 KiB",
    },
    {
      row: "a number out of bounds",
      text: more("keep: 257\n"),
      says: 'observer.yaml:4: "keep" must be a whole number from 1 to 256, not number 257',
    },
    {
      row: "a ledger with a tag",
      text: LEAST.replace("ledger\n", "ledger:1\n"),
      says: 'observer.yaml:1: "ledger": "ghcr.io/acme/ledger:1": write the repository alone',
    },
    {
      row: "a watched digest",
      text: LEAST.replace("alpine", `alpine@sha256:${"a".repeat(64)}`),
      says: "write the repository alone, without a tag or a digest",
    },
    {
      row: "a watched ledger",
      text: LEAST.replace("alpine", "GHCR.io:443/acme/ledger"),
      says: 'observer.yaml:3: "watch[0]": "GHCR.io:443/acme/ledger" is the ledger, which each run changes',
    },
    {
      row: "no way to sign",
      text: LEAST.replace("key: key.pem", "github: false"),
      says: 'observer.yaml:2: "signing": it has none of "key", "token" and "github: true"',
    },
    {
      row: "two ways to sign",
      text: LEAST.replace("key.pem", "k, token: t"),
      says: 'observer.yaml:2: "signing": it has several of "key", "token" and "github: true"; it needs exactly one',
    },
    {
      row: "a password without a key",
      text: LEAST.replace("key: key.pem", "token: t, password-file: p"),
      says: '"password-file" is for a "key"',
    },
    {
      row: "plain http to another host",
      text: more("log: http://rekor.example\n"),
      says: 'observer.yaml:4: "log": "http://rekor.example": plain http is for loopback and for hosts named in "registries" with "plain-http: true"; use https',
    },
    {
      row: "plain http to a webhook",
      text: more("webhook: http://hooks.example/x\n"),
      says: 'or name "hooks.example" there',
    },
    {
      row: "approvals of nobody",
      text: more("approvals: { from: [a] }\n"),
      says: 'observer.yaml:4: "approvals.signers" is missing',
    },
    {
      row: "a signer that is none",
      text: more("approvals: { from: [a], signers: [{ issuer: https://x.example }] }\n"),
      says: 'a signer is "key" alone, or "issuer" together with "identity"',
    },
    {
      row: "a tag that is none",
      text: LEAST.replace("alpine", 'alpine, tags: ["a b"]'),
      says: 'observer.yaml:3: "watch[0]": "a b" is no tag, and no pattern',
    },
    {
      row: "a choice among nothing",
      text: LEAST.replace("alpine", "alpine, tags: [latest], newest: 3"),
      says: '"newest" chooses among the tags that a pattern matches, and "tags" has no pattern',
    },
    {
      row: "a version that is none",
      text: LEAST.replace("alpine", "alpine, newer-than: bookworm"),
      says: '"newer-than": "bookworm" is no version of one to four numbers',
    },
    {
      row: "a tag that is taken and left",
      text: LEAST.replace("alpine", 'alpine, tags: [1-rc1, "*"], except: ["*-rc*"]'),
      says: '"1-rc1" is written out in "tags", and "except" matches it',
    },
  ])("$row", ({ text, says }) => {
    expect(refusal(text)).toContain(says);
  });

  test("all problems of values are told at once", () => {
    expect(refusal(more("log: ftp://x\nwebhook: nowhere\n")).split("\n")).toHaveLength(2);
  });
});

test("a secret that stands where the path of its file should is not repeated", () => {
  const secrets = [
    LEAST.replace("key.pem", '"-----BEGIN PRIVATE KEY-----\\nc2VjcmV0"'),
    LEAST.replace("{ key: key.pem }", "c2VjcmV0"),
    `${LEAST}webhook: http://hooks.example/c2VjcmV0\n`,
    `${LEAST}webhook: https://user:c2VjcmV0@hooks.example/\n`,
    `${LEAST}webhook: [c2VjcmV0]\n`,
  ];
  for (const text of secrets) expect(refusal(text)).not.toContain("c2VjcmV0");
});

describe("what is published is what the program reads; `node scripts/observer-docs.ts` makes it anew", () => {
  test.for(Object.entries(observerSchemaFiles()))("docs/%s", ([name, text]) => {
    expect(readFileSync(`docs/${name}`, "utf8")).toBe(text);
  });

  test("the tables of the page", () => {
    const page = readFileSync("docs/observer.md", "utf8");
    expect(page).toBe(withObserverTables(page));
    expect([...page.matchAll(/<!-- made: (\S+) -->/g)].map(([, name]) => name)).toEqual([
      "keys",
      "signing",
      "watch",
      "registries",
      "approvals",
      "events",
    ]);
  });

  test("the example of the page is a configuration", () => {
    const [example] = documentedFiles("observer.md").filter(({ language }) => language === "yaml");
    expect(read(example?.text ?? "").watch).toHaveLength(2);
  });

  test.for([...ALLOWED_KEYS])(
    'the JSON Schema has the keys of "%s" that errors name, each described',
    ([path, keys]) => {
      let schema: JsonSchema | undefined = jsonSchema(CONFIGURATION_SCHEMA);
      for (const part of path.split(".").filter((each) => each !== "")) {
        schema = part === "*" ? schema?.items : schema?.properties?.[part];
        schema = schema?.anyOf?.find(({ type }) => type === "object") ?? schema;
      }
      expect(Object.keys(schema?.properties ?? {})).toEqual(keys);
      expect(schema?.additionalProperties).toBe(false);
      for (const each of Object.values(schema?.properties ?? {}))
        expect(each.description).toBeTypeOf("string");
    },
  );
});
