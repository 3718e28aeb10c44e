// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { type Digest, parseDigest } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readSigning } from "../../src/observer/signing.ts";
import { openCourier } from "../../src/standalone/in-process-courier.ts";
import { openStandalone, type Standalone } from "../../src/standalone/standalone.ts";
import { type Observing, startObserving } from "../observer/observing.ts";

let at: Observing;
beforeEach(async () => {
  at = await startObserving();
  const { close } = at;
  onTestFinished(close);
});

const POLICY = () => `
version: 1
logs: [{ url: "${at.sigstore.url}", api: 1 }]
registries: [{ host: "${at.registry.host}", plain-http: true }]
rules: [{ match: "${at.registry.host}/**", private: true }]
`;

async function program({
  policy = POLICY(),
  signs = true,
  environment = {},
}: {
  readonly policy?: string;
  readonly signs?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
} = {}): Promise<Standalone> {
  writeFileSync(join(at.directory, "policy.yaml"), policy);
  const outside = { environment: {}, now: () => new Date(), signal: AbortSignal.timeout(30_000) };
  const secret = signs
    ? await readSigning({ kind: "key", file: join(at.directory, "observer.pem") }, outside)
    : undefined;
  const opened = await openStandalone({
    own: join(at.directory, "sigstore"),
    policyFile: "policy.yaml",
    directory: at.directory,
    shipped: new URL("../../dist", import.meta.url).pathname,
    environment,
    now: () => new Date(),
    secret,
  });
  onTestFinished(() => opened.close());
  return opened;
}

/** Judges that `team/app:1.4.2` names this digest, in a check of its own. */
async function judge(by: Standalone, digest: string): Promise<Judgement> {
  const { context, close } = by.openContext(by.openLedgers(AbortSignal.timeout(30_000)));
  const named = parseReference(`${at.registry.host}/team/app:1.4.2`);
  const reference = { ...named, digest: parseDigest(digest) satisfies Digest };
  const [judgement] = await openCheck(context)([{ reference, platforms: [], claimed: false }]);
  close();
  if (judgement === undefined) throw new Error("no judgement");
  return judgement;
}

describe("a program outside builds judges as a build does", () => {
  test("a new tag is recorded, is the same to another program, and is refused once it moved", async () => {
    const first = at.registry.image("team/app", "1.4.2", "one");
    const one = await program();
    expect(await judge(one, first)).toMatchObject({ verdict: { kind: "first-seen" }, outcome: "pass" });
    const other = await program();
    expect(await judge(other, first)).toMatchObject({ verdict: { kind: "unchanged" }, outcome: "pass" });
    const second = at.registry.image("team/app", "1.4.2", "two");
    const moved = { verdict: { kind: "moved", record: { digest: first } }, outcome: "refuse" };
    expect(await judge(other, second)).toMatchObject(moved);
    expect(await judge(one, second)).toMatchObject(moved);
  });

  test("without a key nothing is recorded", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const judgement = await judge(await program({ signs: false }), digest);
    expect(judgement.verdict).toMatchObject({ kind: "unrecorded", reason: "no-signer" });
    expect(at.sigstore.log.size).toBe(0);
  });

  test("by the ledgers of TLOG_LEDGERS, and no log is asked", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    await at.run();
    const key = createPublicKey(readFileSync(join(at.directory, "observer.pem")));
    const observer = { key: key.export({ type: "spki", format: "pem" }) };
    const ledgers = [{ repository: `${at.registry.host}/team/ledger`, observer }];
    const reader = await program({ signs: false, environment: { TLOG_LEDGERS: JSON.stringify(ledgers) } });
    const before = at.sigstore.requests.length;
    expect(await judge(reader, digest)).toMatchObject({ verdict: { kind: "unchanged" } });
    const other = at.registry.image("team/app", "1.4.2", "two");
    expect(await judge(reader, other)).toMatchObject({ verdict: { kind: "moved" }, outcome: "refuse" });
    expect(at.sigstore.requests.slice(before)).toEqual([]);
  });

  test("an outage of the log is none of a tag without a record", async () => {
    const digest = at.registry.image("team/app", "1.4.2", "one");
    const stop = at.sigstore.misbehave({ fault: { kind: "answer", status: 503, body: "" } });
    const by = await program({ policy: `${POLICY()}timeout: 1\n` });
    expect(await judge(by, digest)).toMatchObject({ verdict: { kind: "unknown" }, outcome: "refuse" });
    stop();
    expect(await judge(by, digest)).toMatchObject({ verdict: { kind: "first-seen" } });
  });
});

describe("a courier in this process", () => {
  test("says who it signs as, and nothing when it has no secret", async () => {
    const deadline = { signal: AbortSignal.timeout(30_000) };
    const none = openCourier({ secret: undefined, deadlineMs: 1_000 });
    expect(await none.ready(deadline)).toEqual({});
    none.close();
    const key = { key: { publicKey: readFileSync(join(at.directory, "sigstore", "rekor.pub"), "utf8") } };
    const signing = openCourier({ secret: key as never, deadlineMs: 1_000 });
    expect(await signing.ready(deadline)).toMatchObject(key.key && { publicKey: key.key.publicKey });
    signing.close();
  });

  test("answers nothing once it is closed", async () => {
    const courier = openCourier({ secret: undefined, deadlineMs: 1_000 });
    await courier.ready({ signal: AbortSignal.timeout(30_000) });
    courier.close();
    const what = { registry: at.registry.host, repository: "team/app", tag: "1.4.2", plainHttp: true };
    await expect(courier.manifest(what, { signal: AbortSignal.timeout(30_000) })).rejects.toMatchObject({
      code: "channel-broken",
    });
  });
});
