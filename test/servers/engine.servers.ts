// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { expectBuilt, expectNothingRan, verdictLines } from "../e2e/cases/refusal.ts";
import { cosignVerdict } from "./recorded-sample.ts";
import { type RealSite, startRealSite } from "./real-site.ts";
import { realTarget, SOMEBODY, type Target } from "./target.ts";
import { cosign, rekorCliJson } from "./tools.ts";

const directory = mkdtempSync(join(tmpdir(), "tlog-engine-"));
let site: RealSite;
let target: Target;

beforeAll(async () => {
  site = await startRealSite();
  target = realTarget(site.sigstore, { name: "engine", directory });
});
afterAll(async () => {
  await site?.stop();
  rmSync(directory, { recursive: true });
});

const TOKEN = "tlog-identity-token";
const KEY = "tlog-signing-key";

/** Who signs, what the others have to trust, and how lines name the signer. */
const signers = [
  {
    who: "an identity token",
    secrets: async () => ({ [TOKEN]: await target.token() }),
    trust: () => [`  - { issuer: "${target.issuer}", identity: ${SOMEBODY} }`],
    by: () => ({ kind: "identity" as const, issuer: target.issuer, identity: SOMEBODY }),
    named: /by ci@acme\.example/,
  },
  {
    who: "a key",
    secrets: async () => ({ [KEY]: site.key.pem }),
    trust: () => ["  - key: |", ...site.key.publicPem.split("\n").map((line) => `      ${line}`)],
    by: () => undefined,
    named: /by key sha256:[0-9a-f]{12}…/,
  },
];

describe("on the real engine, with a real Fulcio and Rekor v1", () => {
  test.for(signers)("$who records a tag, which then nobody needs to sign, until it moves", async (signer) => {
    const recording = await site.frontend("v1");
    const trusting = await site.frontend("v1", ["trust:", ...signer.trust()]);
    const name = `${signer.who.replaceAll(" ", "-")}-v1:1.0`;
    const one = await site.pushSystem(name, "one");
    const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
    const secrets = await signer.secrets();

    const first = await site.build({ syntax: recording, dockerfile, secrets });
    expectBuilt(first);
    expect(verdictLines(first.output)[0]).toMatch(/ first seen, recorded: /);
    expect(first.output).toMatch(signer.named);

    const second = await site.build({ syntax: trusting, dockerfile });
    expectBuilt(second);
    expect(verdictLines(second.output)[0]).toMatch(/ unchanged since /);

    const two = await site.pushSystem(name, "two");
    const third = await site.build({ syntax: trusting, dockerfile });
    expect(third.output).toContain(`mismatch; got "${two.digest}", want "${one.digest}"`);
    expect(third.output).toMatch(signer.named);
    expectNothingRan(third);

    const hash = sha256(Buffer.from(one.reference)).slice("sha256:".length);
    const { UUIDs } = (await rekorCliJson(target, ["search", "--sha", hash])) as { UUIDs: string[] };
    expect(UUIDs).toHaveLength(1);
    const [uuid = ""] = UUIDs;
    expect(await rekorCliJson(target, ["verify", "--uuid", uuid])).toHaveProperty("RootHash");
    const got = (await rekorCliJson(target, ["get", "--uuid", uuid])) as { Attestation: string };
    expect(JSON.parse(got.Attestation)).toMatchObject({ predicate: { digest: one.digest } });
    const secret = Object.values(secrets).join("");
    for (const part of secret.split(/[.\n]/).filter((piece) => piece.length > 20)) {
      expect(first.output + (await site.lab.engineLog())).not.toContain(part);
    }
  });
});

describe("on the real engine, with a real Fulcio, timestamp authority and Rekor v2", () => {
  test.for(signers)(
    "$who records a tag into a lock file, with which it is checked until it moves",
    async (signer) => {
      const recording = await site.frontend("v2");
      const trusting = await site.frontend("v2", ["trust:", ...signer.trust()]);
      const name = `${signer.who.replaceAll(" ", "-")}-v2:1.0`;
      const one = await site.pushSystem(name, "one");
      const dockerfile = `FROM ${one.reference}\nRUN cat /version\n`;
      const written = join(directory, name.replace(":", "-"));

      const update = ["--build-arg", "TLOG_LOCK=update", "--output", written];
      const first = await site.build({
        syntax: recording,
        dockerfile,
        secrets: await signer.secrets(),
        args: update,
      });
      expectBuilt(first);
      const lock = readFileSync(join(written, "tlog.lock"), "utf8");
      const line = lock.split("\n").find((each) => each.startsWith(one.reference)) ?? "";
      expect(line).toContain(one.digest);

      const files = { "tlog.lock": lock };
      const second = await site.build({ syntax: trusting, dockerfile, files });
      expectBuilt(second);
      expect(verdictLines(second.output)[0]).toMatch(/ unchanged since /);

      const two = await site.pushSystem(name, "two");
      const third = await site.build({ syntax: trusting, dockerfile, files });
      expect(third.output).toContain(`mismatch; got "${two.digest}", want "${one.digest}"`);
      expectNothingRan(third);

      const bundle: unknown = JSON.parse(line.split(" ").slice(4).join(" "));
      const by = signer.by() ?? site.key.trusted;
      const question = { target, sample: { name: one.reference, by }, bundle, timed: true };
      expect(cosignVerdict(await cosign(question))).toBe("verified");
    },
  );
});
