// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { SECRET_NAMES } from "../../src/courier/protocol.ts";
import { DockerfileParser } from "dockerfile-ast";
import { parseReference } from "../../src/image/reference.ts";
import { readCommands } from "../../src/policy/commands.ts";
import { ruleFor } from "../../src/policy/rule-for.ts";
import { documentedFiles } from "./documented-files.ts";
import { policyOf } from "./sample-policy.ts";

const FILES = documentedFiles("recipes.md");
const CONFIGURATION = [
  "policy.yaml",
  "trusted_root.json",
  "signing_config.json",
  "tuf_root.json",
  "internal-ca.pem",
];

/** The `TLOG_*` arguments of a command, a job, a bake file or a compose file. */
function tlogArgs(text: string): Record<string, string> {
  const found = [...text.matchAll(/(TLOG_[A-Z_]+)(?:=|: | += )(?:"([^"]*)"|(\S+))/g)];
  return Object.fromEntries(found.map(([, name = "", quoted, plain]) => [name, quoted ?? plain ?? ""]));
}

function named(...names: readonly string[]) {
  return FILES.filter(({ name }) => names.includes(name));
}

test("there is a file of every kind", () => {
  const names = new Set(FILES.map(({ name, language }) => (name === "" ? language : name)));
  expect([...names].toSorted()).toEqual([
    ".github/workflows/build.yml",
    ".github/workflows/observe.yml",
    ".github/workflows/record.yml",
    ".gitlab-ci.yml",
    "/etc/systemd/system/tlog-observer.service",
    "/etc/systemd/system/tlog-observer.timer",
    "Dockerfile",
    "compose.yaml",
    "console",
    "docker-bake.hcl",
    "dockerfile",
    "observer.yaml",
    "policy.yaml",
    "syntax=registry.example/tlog-dockerfile",
    "tlog-observer.yaml",
    "tlog.policy.yaml",
  ]);
});

describe("the policies are taken as they stand", () => {
  test.for(named("policy.yaml"))("$place, in the frontend image", async ({ text }) => {
    expect(await policyOf({ baked: text })).toMatchObject({ trust: expect.anything() as unknown });
  });

  test.for(named("tlog.policy.yaml"))("$place, beside the Dockerfile", async ({ text }) => {
    expect((await policyOf({ repository: text })).trust.length).toBeGreaterThan(0);
  });

  test("and do what the recipe says", async () => {
    const policies = await Promise.all(
      named("policy.yaml", "tlog.policy.yaml").map(async ({ text }) => policyOf({ baked: text })),
    );
    const say = (index: number, image: string) => {
      const policy = policies[index];
      return policy && [policy.profile, ruleFor(policy, parseReference(image)).action];
    };
    expect(say(0, "acme/app:1.2.3")).toEqual(["observe", "block"]);
    expect(say(1, "nginxinc/nginx-unprivileged:1.27.0")).toEqual(["default", "pin"]);
    expect(say(2, "node:22.4.1-bookworm")).toEqual(["strict", "block"]);
    expect(say(3, "ghcr.io/acme/platform/node:dev")).toEqual(["default", "follow"]);
    expect(say(3, "ghcr.io/acme/playground/x:1.2.3")).toEqual(["default", "ignore"]);
    expect(say(3, "ghcr.io/acme/app:1.2.3")).toEqual(["default", "block"]);
    expect(say(3, "postgres:16.3")).toEqual(["default", "pin"]);
    const internal = policies[4];
    expect(
      internal && ruleFor(internal, parseReference("registry.internal.example:5000/a/b:1")).private,
    ).toBe(true);
    const release = policies[2];
    expect(release && ruleFor(release, parseReference("node:22"))).toMatchObject({
      unseen: "block",
      minAge: { days: 7, otherwise: "block" },
    });
  });
});

describe("the Dockerfiles are read by our own reader", () => {
  test.for(FILES.filter(({ language }) => language === "dockerfile"))("$place", ({ text }) => {
    expect(DockerfileParser.parse(text).getFROMs().length).toBeGreaterThan(0);
    for (const [, sources = ""] of text.matchAll(/^COPY (.*) \/etc\/tlog-dockerfile\/$/gm))
      expect(CONFIGURATION).toEqual(expect.arrayContaining(sources.split(" ")));
  });
});

describe("the jobs and bake files are YAML, and give what we take", () => {
  test.for(FILES.filter(({ language }) => language === "yaml"))("$place", ({ text }) => {
    expect(parse(text, { uniqueKeys: true, strict: true })).toBeTypeOf("object");
  });

  test.for(FILES)("$place", async ({ text }) => {
    const args = tlogArgs(text);
    await policyOf({ args });
    readCommands(args);
    for (const [, id = ""] of text.matchAll(/\bid=([\w-]+)/g)) {
      const { key, token, githubToken, githubUrl } = SECRET_NAMES;
      expect([key, token, githubToken, githubUrl]).toContain(id);
    }
  });

  test("and none is without effect", () => {
    const all = Object.assign({}, ...FILES.map(({ text }) => tlogArgs(text))) as object;
    expect(Object.keys(all).toSorted()).toEqual([
      "TLOG_APPROVE",
      "TLOG_LOCK",
      "TLOG_REASON",
      "TLOG_TIMEOUT",
      "TLOG_TRUST_IDENTITY",
      "TLOG_TRUST_ISSUER",
      "TLOG_UNSEEN",
    ]);
  });
});

test("the example of a ledger is a policy", async () => {
  const [, example] = documentedFiles("policy.md").filter(({ language }) => language === "yaml");
  expect((await policyOf({ repository: example?.text ?? "" })).ledgers).toMatchObject([
    { repository: "ghcr.io/acme/tlog-ledger", approvers: [{ identity: "head-of-images@acme.example" }] },
  ]);
});

test("the example of the reference is a policy", async () => {
  const [example] = documentedFiles("policy.md").filter(({ language }) => language === "yaml");
  const policy = await policyOf({ baked: example?.text ?? "" });
  expect(ruleFor(policy, parseReference("ghcr.io/acme/app:pr-7"))).toMatchObject({ action: "follow" });
  expect(ruleFor(policy, parseReference("ghcr.io/acme/app:1"))).toMatchObject({
    action: "block",
    private: true,
    minAge: { days: 3, otherwise: "warn" },
  });
});
