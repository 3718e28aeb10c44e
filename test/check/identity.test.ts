// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { beforeAll, describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { CheckError } from "../../src/check/signers.ts";
import { parseIdentity } from "../../src/record/signer.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { TrustError } from "../../src/trust/error.ts";
import {
  certify,
  type CertifiedKey,
  sampleAuthority,
  type SampleAuthority,
  signCertified,
} from "../record/sample-identity.ts";
import { OTHER_DIGEST, sampleLog, sighting, type SampleLog, trusting } from "../record/sample-log.ts";
import { consumed, servedManifest, type Setting, surroundings, type Surroundings } from "./sample-courier.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const manifest = servedManifest("alpine");
const SERVED = { [ALPINE]: manifest };
const CI = { issuer: "https://accounts.google.com", identity: "ci@acme.example" };
const COLLEAGUE = { ...CI, identity: "eve@acme.example" };

let authority: SampleAuthority;
let foreign: SampleAuthority;
beforeAll(async () => {
  authority = await sampleAuthority();
  foreign = await sampleAuthority();
});

/** A log that runs with the authority's clock, in which this digest was recorded with these keys in turn. */
function logWith(entries: readonly { key: CertifiedKey; digest?: typeof OTHER_DIGEST }[] = []): SampleLog {
  const log = sampleLog();
  log.now = new Date(authority.time.getTime() + 2000);
  for (const { key, digest = manifest.digest } of entries) {
    const statement = sightingStatement(sighting({ reference: ALPINE, digest, observedAt: authority.time }));
    log.append(signCertified(statement, key));
  }
  return log;
}

async function judge(setting: Setting, log = logWith()): Promise<Surroundings & { judgement: Judgement }> {
  const { now = () => authority.time, ...rest } = setting;
  const around = surroundings({ served: SERVED, authorityTrusted: authority, now, ...rest }, log);
  const [judgement] = await openCheck(around.context)(consumed(`${ALPINE}@${manifest.digest}`));
  if (judgement === undefined) throw new Error("nothing was judged");
  return { ...around, judgement };
}

const token = (claims = CI, names?: typeof CI): NonNullable<Setting["token"]> => ({
  authority,
  claims,
  ...(names && { names }),
});
const policyOf = (...who: (typeof CI)[]): NonNullable<Setting["policy"]> => ({
  trust: trusting(...who.map((each) => parseIdentity(each))),
});

describe("a build with an identity token", () => {
  test("records a new tag, and passes the next time", async () => {
    const log = logWith();
    const first = await judge({ token: token() }, log);
    expect(first.judgement).toMatchObject({
      outcome: "pass",
      verdict: { kind: "first-seen", record: { signer: { kind: "identity", ...CI } } },
    });
    expect(first.asked).toEqual([
      "ready",
      "find",
      `manifest https ${ALPINE}`,
      "record https://fulcio.example.org",
      "find again",
    ]);
    const second = await judge({ token: token() }, log);
    expect(second.judgement.verdict.kind).toBe("unchanged");
    expect(second.asked).toEqual(["ready", "find"]);
  });

  test("is refused a tag that its identity recorded otherwise", async () => {
    const log = logWith([{ key: await certify(authority.issuing, CI), digest: OTHER_DIGEST }]);
    const { judgement } = await judge({ token: token() }, log);
    expect(judgement).toMatchObject({
      outcome: "refuse",
      verdict: { kind: "moved", record: { digest: OTHER_DIGEST } },
    });
  });

  test("does not take the records of another identity of the same issuer for its own", async () => {
    const log = logWith([{ key: await certify(authority.issuing, COLLEAGUE), digest: OTHER_DIGEST }]);
    const { judgement } = await judge({ token: token() }, log);
    expect(judgement.verdict.kind).toBe("first-seen");
    expect(judgement.rejected).toEqual(new Map([["untrusted-signer", 1]]));
  });

  test("that loses the race is refused", async () => {
    const winner = signCertified(
      sightingStatement(sighting({ reference: ALPINE, digest: OTHER_DIGEST, observedAt: authority.time })),
      await certify(authority.issuing, CI),
    );
    const log = logWith();
    const { judgement } = await judge({ token: token(), beforeRecord: () => void log.append(winner) }, log);
    expect(judgement).toMatchObject({ outcome: "refuse", verdict: { kind: "moved" } });
  });

  test("that cannot sign says why, and nothing is judged", async () => {
    const setting = { signerProblem: 'identity-token-expired: secret "tlog-identity-token" cannot sign: …' };
    await expect(judge(setting)).rejects.toThrow(CheckError);
  });

  test.for([
    { row: "no URL for an issuer", claims: { ...CI, issuer: "accounts.google.com" } },
    { row: "an identity that moves the cursor", claims: { ...CI, identity: "\u001b[2J" } },
    { row: "nobody", claims: { ...CI, identity: "" } },
  ])("whose courier names $row is refused", async ({ claims }) => {
    await expect(judge({ token: token(claims) })).rejects.toThrow(TrustError);
  });
});

describe("when the authority names somebody else than the token", () => {
  const NAMED = { ...CI, identity: "https://acme.example/ci" };

  test("the certificate's word counts for what was recorded", async () => {
    const { judgement } = await judge({ token: token(CI, NAMED) });
    expect(judgement.verdict).toMatchObject({ kind: "first-seen", record: { signer: NAMED } });
  });

  test("a tag that this identity recorded before is found after all, and has moved", async () => {
    const log = logWith([{ key: await certify(authority.issuing, NAMED), digest: OTHER_DIGEST }]);
    const { judgement } = await judge({ token: token(CI, NAMED) }, log);
    expect(judgement).toMatchObject({
      outcome: "refuse",
      verdict: { kind: "moved", record: { signer: NAMED } },
    });
  });

  test("a policy that names the certificate's identity finds its records without writing more", async () => {
    const log = logWith([{ key: await certify(authority.issuing, NAMED) }]);
    const { judgement, asked } = await judge({ token: token(CI, NAMED), policy: policyOf(NAMED) }, log);
    expect(judgement.verdict.kind).toBe("unchanged");
    expect(asked).toEqual(["find"]);
  });

  test("an entry of somebody else that the courier points at makes nobody trusted", async () => {
    const log = logWith([{ key: await certify(authority.issuing, COLLEAGUE) }]);
    const [other] = log.log.entries;
    const courier = { record: async () => ({ uuid: other?.uuid ?? "" }) };
    const { judgement } = await judge({ token: token(), courier }, log);
    expect(judgement.verdict).toMatchObject({ kind: "unknown" });
    expect(judgement.rejected).toEqual(new Map([["untrusted-signer", 1]]));
  });
});

describe("when the policy names identities", () => {
  test("their records count without any secret", async () => {
    const log = logWith([{ key: await certify(authority.issuing, COLLEAGUE) }]);
    const { judgement, started } = await judge({ policy: policyOf(COLLEAGUE) }, log);
    expect(judgement.verdict).toMatchObject({ kind: "unchanged", record: { signer: COLLEAGUE } });
    expect(started).toEqual([false]);
  });

  test("nobody can wedge a tag, or claim it, in their name", async () => {
    const log = logWith();
    const large = Buffer.from(json.canonicalize({ note: "x".repeat(150_000) }));
    for (const key of [await certify(foreign.issuing, CI), await certify(authority.unlogged, CI)]) {
      const statement = sightingStatement(
        sighting({ reference: ALPINE, digest: OTHER_DIGEST, observedAt: authority.time }),
      );
      log.append(signCertified(statement, key));
      const { body, uuid } = log.append(signCertified(large, key));
      // Where it can be found does not matter to what it is worth.
      expect([body.length > 0, log.log.byUuid(uuid)?.uuid]).toEqual([true, uuid]);
    }
    const changeFound = () => log.log.entries.map((entry) => log.found(entry));
    const { judgement } = await judge({ token: token(), policy: policyOf(CI), changeFound }, log);
    expect(judgement.verdict.kind).toBe("first-seen");
    expect(judgement.rejected).toEqual(new Map([["bad-certificate", 4]]));
  });

  test("a statement of theirs that the log does not show makes the tag unknown", async () => {
    const log = logWith([{ key: await certify(authority.issuing, CI) }]);
    const changeFound: Setting["changeFound"] = (entries) =>
      entries.map(({ uuid, entry }) => ({ uuid, entry: { ...(entry as object), attestation: undefined } }));
    const { judgement } = await judge({ policy: policyOf(CI), changeFound }, log);
    expect(judgement).toMatchObject({ outcome: "refuse", verdict: { kind: "unknown" } });
    expect(judgement.rejected).toEqual(new Map([["no-payload", 1]]));
  });
});

test("a record whose authority the trusted root does not have is told as that", async () => {
  const { judgement } = await judge({ token: { authority: foreign, claims: CI } });
  expect(judgement.verdict).toMatchObject({
    kind: "unknown",
    detail: expect.stringContaining(
      "no authority of the trusted root stands behind the certificate that signed it; is trusted_root.json",
    ) as string,
  });
});
