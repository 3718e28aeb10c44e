// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { parseReference } from "../../../src/image/reference.ts";
import { openRegistry } from "../../../src/registry/client.ts";
import { imageConfiguration } from "../../../src/registry/image-configuration.ts";
import { openRegistryLedgers } from "../../../src/ledger/registry/ledgers.ts";
import { parseTrustedRoot } from "../../../src/trust/trusted-root.ts";
import { startObserving } from "../../observer/observing.ts";

const until = () => AbortSignal.timeout(30_000);

test("a program outside builds reads a ledger by the same rules as a build", async () => {
  const at = await startObserving();
  onTestFinished(() => at.close());
  const digest = at.registry.image("team/app", "1.0", "one");
  await at.run();
  const registry = openRegistry({
    credentials: { of: async () => undefined },
    plainHttp: () => true,
  });
  onTestFinished(() => registry.close());
  const root = parseTrustedRoot(JSON.stringify(at.sigstore.trustedRoot), "trusted_root.json");
  const read = (repository: string, tag: string) => {
    const [ledger] = openRegistryLedgers(
      registry,
      [{ repository, observer: at.signer, approvers: [], maxAgeMs: 3_600_000 }],
      { trustedRoot: async () => root, logs: undefined, now: () => new Date(), signal: until() },
    );
    const trust = [{ signer: at.signer, may: new Set(["record"] as const) }];
    return ledger?.read(parseReference(`${at.registry.host}/team/app:${tag}`), trust);
  };
  const ledger = `${at.registry.host}/team/ledger`;
  expect(await read(ledger, "1.0")).toMatchObject({ kind: "watched", history: { records: [{ digest }] } });
  expect(await read(ledger, "2.0")).toMatchObject({ kind: "not-watched", reach: { sequence: 1 } });
  expect(await read(`${at.registry.host}/team/other`, "1.0")).toMatchObject({ reason: "ledger-not-there" });
  expect(await read("127.0.0.1:9/team/ledger", "1.0")).toMatchObject({ reason: "ledger-unreachable" });
});

test("what is no image is told, and not taken for one that is missing", async () => {
  const at = await startObserving();
  onTestFinished(() => at.close());
  const bytes = Buffer.from('{"manifests": 1}');
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const registry = openRegistry({ credentials: { of: async () => undefined }, plainHttp: () => true });
  onTestFinished(() => registry.close());
  const repository = { registry: at.registry.host, repository: "team/odd" };
  await registry.pushManifest(repository, "v1", { bytes, mediaType }, { signal: until() });
  const platform = { os: "linux", architecture: "amd64" };
  const ask = (name: string) =>
    imageConfiguration(registry, repository, { name, platform, maxBytes: 1024, signal: until() });
  await expect(ask("v1")).rejects.toMatchObject({ code: "bad-answer" });
  expect(await ask("v2")).toBeUndefined();
});
