// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import type { EffectivePolicy } from "../../src/policy/policy.ts";
import { policyDigest, renderPolicy } from "../../src/policy/policy-text.ts";
import { ruleFor } from "../../src/policy/rule-for.ts";
import { policyOf, type Texts } from "./sample-policy.ts";
import { ALICE, asBlock, BOB } from "./signers.ts";

const BAKED = `version: 1
profile: default
logs: [{ url: https://rekor.example.org, api: 2 }, { url: https://own.example.org, private: true }]
signing: { timestamps: [https://tsa.example.org/api/v1/timestamp] }
trust:
  - key: |
${asBlock(ALICE.publicPem)}
  - { issuer: https://issuer.example, identity: "ci@acme.example", may: [record, approve, vouch], tlogistry: true }
  - { issuer: https://issuer.example, identity-pattern: "https://github.com/acme/**" }
registries: [{ host: "registry.local:5000", plain-http: true }, { host: docker.io }]
rules:
  - { match: [alpine, "node:2*"], action: block, min-age: 3, private: true }
  - { match: "ghcr.io/acme/**", unseen: allow, by-digest: block }
default: { unknown: warn }
allow-looser: [unseen, recheck]
recheck: always
attest: false
cache-from: ["ghcr.io/acme/**", "type=gha"]
conversion: registry.local:5000/dockerfile:1.19
syntax: block
`;
const REPOSITORY = `version: 1
lock: ci/tlog.lock
recheck: daily
attest: false
cache-from: ["ghcr.io/acme/app"]
rules: [{ match: "node:22", unseen: allow, action: pin }, { match: "**:dev", action: warn }]
`.replace(", action: pin", "");

const IMAGES = [
  "alpine",
  "alpine:dev",
  "node:22",
  "node:22.4.1",
  "ghcr.io/acme/app:dev",
  "acme/app:1.2.3",
  "debian",
];

function judged(policy: EffectivePolicy): unknown {
  return IMAGES.map((image) => {
    const { source: _, why: __, ...rule } = ruleFor(policy, parseReference(image));
    return { image, ...rule };
  });
}

/** All of a policy but where it comes from, with keys as their fingerprints. */
function values(policy: EffectivePolicy): unknown {
  const {
    profile,
    logs,
    signing,
    registries,
    timeoutMs,
    lock,
    recheck,
    attest,
    conversion,
    syntax,
    cacheFrom,
    tuf,
    default: general,
  } = policy;
  const trust = policy.trust.map(({ signer, ...more }) => ({
    ...more,
    signer: signer.kind === "key" ? signer.fingerprint : signer,
  }));
  return {
    profile,
    logs,
    signing,
    registries,
    timeoutMs,
    lock,
    recheck,
    attest,
    conversion,
    syntax,
    cacheFrom,
    tuf,
    general,
    trust,
  };
}

describe("the policy as it is printed makes the same policy again", () => {
  test.for<{ row: string; texts: Texts }>([
    { row: "no policy at all", texts: {} },
    { row: "a baked file", texts: { baked: BAKED } },
    { row: "a repository's file", texts: { repository: REPOSITORY } },
    {
      row: "build arguments",
      texts: { args: { TLOG_PROFILE: "observe", TLOG_TIMEOUT: "7", TLOG_UNSEEN: "block" } },
    },
    {
      row: "all of them",
      texts: { baked: BAKED, repository: REPOSITORY, args: { TLOG_PROFILE: "strict", TLOG_TIMEOUT: "7" } },
    },
  ])("$row", async ({ texts }) => {
    const policy = await policyOf(texts);
    const [first = "", second] = renderPolicy(policy).split("\n---\n");
    const again = await policyOf(
      second === undefined
        ? { [texts.baked === undefined ? "repository" : "baked"]: first }
        : { baked: first, repository: second },
    );
    expect(values(again)).toEqual(values(policy));
    expect(judged(again)).toEqual(judged(policy));
  });
});

test("each part says where it comes from, and what nobody set is a comment", async () => {
  const text = renderPolicy(
    await policyOf({ baked: BAKED, repository: REPOSITORY, args: { TLOG_PROFILE: "strict" } }),
  );
  const pem = text.slice(text.indexOf("      -----BEGIN"), text.indexOf("    may: [record]\n"));
  expect(text.replace(pem, "      …\n").replaceAll(/policy\.yaml:1\d|policy\.yaml:2\d/g, "policy.yaml:NN"))
    .toMatchInlineSnapshot(`
      "# the policy of this build
      version: 1
      logs:
        - { url: "https://rekor.example.org", api: 2 }  # policy.yaml:3
        - { url: "https://own.example.org", api: 1, private: true }  # policy.yaml:3
      signing:
      #   fulcio: "https://fulcio.sigstore.example"  # default
        timestamps: ["https://tsa.example.org/api/v1/timestamp"]  # policy.yaml:4
      trust:  # policy.yaml:5
        - key: |
            …
          may: [record]
        - issuer: "https://issuer.example"
          identity: "ci@acme.example"
          may: [record, approve, vouch]
          tlogistry: true
        - issuer: "https://issuer.example"
          identity-pattern: "https://github.com/acme/**"
          may: [record]
      # ledgers: none
      registries:  # policy.yaml:NN
        - { host: "registry.local:5000", plain-http: true }
        - { host: "docker.io", plain-http: false }
      lock: "ci/tlog.lock"  # tlog.policy.yaml:2
      recheck: daily  # tlog.policy.yaml:3
      attest: false  # policy.yaml:NN
      conversion: "registry.local:5000/dockerfile:1.19"  # policy.yaml:NN
      syntax: block  # policy.yaml:NN
      cache-from: ["ghcr.io/acme/app"]  # tlog.policy.yaml:5
      # tuf: that of the public Sigstore instance
      # timeout: 30  # default
      profile: default  # policy.yaml:2
      rules:
        - match: ["alpine", "node:2*"]  # policy.yaml:NN
          action: block
          min-age: { days: 3, otherwise: block }
          private: true
        - match: ["ghcr.io/acme/**"]  # policy.yaml:NN
          unseen: allow
          by-digest: block
      default:
        unknown: warn  # policy.yaml:NN
      allow-looser: [unseen, recheck]
      ---
      # above the floor: of both, the stricter counts for each image
      version: 1
      profile: strict  # --build-arg TLOG_PROFILE
      rules:
        - match: ["node:22"]  # tlog.policy.yaml:6
          unseen: allow
        - match: ["**:dev"]  # tlog.policy.yaml:6
          action: warn
      # default: by the shape of the tag
      # where nobody says anything: unseen: record, unknown: warn, and when a tag moved
      #   block (the profile is strict)
      "
    `);
});

test("no line of it goes on for ever, and none is a control character's", async () => {
  expect(renderPolicy(await policyOf({ baked: BAKED }))).not.toMatch(/[^\n\x20-\x7e]/);
});

describe("two policies have one digest", () => {
  const digestOf = async (texts: Texts) => policyDigest(await policyOf(texts));

  test("when they say the same in other lines, with other comments, or by other ways", async () => {
    const moved = `# ours\n\n${BAKED.replace("may: [record, approve, vouch]", "may: [vouch, record, approve]")}`;
    expect(await digestOf({ baked: moved })).toBe(await digestOf({ baked: BAKED }));
    expect(await digestOf({ repository: "version: 1\nattest: false\n" })).toBe(
      await digestOf({ args: { TLOG_ATTEST: "false" } }),
    );
  });

  test.for([
    { row: "a signer's permission", from: "approve, vouch]", to: "approve]" },
    { row: "a key", from: asBlock(ALICE.publicPem), to: asBlock(BOB.publicPem) },
    { row: "a host", from: "registry.local:5000", to: "registry.local:5001" },
    { row: "a pattern", from: '"node:2*"', to: '"node:3*"' },
    { row: "the days", from: "min-age: 3", to: "min-age: 4" },
    { row: "a log", from: "https://rekor.example.org", to: "https://rekor2.example.org" },
    { row: "a default", from: "unknown: warn", to: "unknown: block" },
    { row: "what may be loosened", from: "[unseen, recheck]", to: "[unseen]" },
    { row: "the conversion's image", from: "dockerfile:1.19", to: "dockerfile:1.20" },
    { row: "a word", from: "syntax: block", to: "syntax: allow" },
  ])("and not when $row differs", async ({ from, to }) => {
    expect(BAKED).toContain(from);
    const other = BAKED.replace(from, to);
    expect(await digestOf({ baked: other })).not.toBe(await digestOf({ baked: BAKED }));
  });
});
