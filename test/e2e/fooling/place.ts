// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, type KeyObject } from "node:crypto";
import { newSigningKey, proposeIntoto } from "../../sigstore/signed-statement.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { sighting } from "../cases/sightings.ts";
import { FRONTEND_CONTEXT } from "../cases/site.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import type { Files } from "../lab/tar.ts";
import { POLICIES } from "./case.ts";
import { type LyingRegistry, startLyingRegistry } from "./lying-registry.ts";

/** What all cases share: one lab, one log, a registry that lies, a frontend of each policy. */
export interface Place {
  readonly lab: Lab;
  readonly system: Files;
  readonly lying: LyingRegistry;
  readonly frontends: Readonly<Record<keyof typeof POLICIES, string>>;
  /** The private key that builds sign with, PEM. */
  readonly key: string;
  /** Puts into the log that this tag named this digest, signed like builds do. */
  record(reference: string, digest: string): void;
  stop(): Promise<void>;
}

/** Starts all of it; throws what the parts throw. */
export async function startPlace(): Promise<Place> {
  const lab = await startLab();
  const started: { close(): Promise<void> }[] = [];
  const stop = async () => {
    for (const one of started.splice(0)) await one.close();
    await lab.stop();
  };
  try {
    const sigstore = await startSigstore({ listen: `${lab.hostAddress}:0` });
    const lying = await startLyingRegistry(lab.registry);
    started.push(sigstore, lying);
    const key = newSigningKey().export({ format: "pem", type: "pkcs8" }).toString();
    const signer = createPrivateKey(key);
    return {
      lab,
      system: await lab.busybox(),
      lying,
      key,
      frontends: await deriveFrontends(lab, sigstore, lying),
      record: (reference, digest) => record(sigstore, signer, { reference, digest }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function record(
  { log }: Sigstore,
  signer: KeyObject,
  { reference, digest }: { readonly reference: string; readonly digest: string },
): void {
  log.append(proposeIntoto(sighting(reference, digest), signer));
}

async function deriveFrontends(
  lab: Lab,
  sigstore: Sigstore,
  lying: LyingRegistry,
): Promise<Place["frontends"]> {
  const base = await lab.buildFrontend({ context: FRONTEND_CONTEXT });
  const hosts = [lab.registry.address, lying.address, new URL(sigstore.url).host];
  const common = [
    "version: 1",
    "profile: strict",
    `log: { url: "${sigstore.url}", api: 1, private: true }`,
    "registries:",
    ...hosts.map((host) => `  - { host: "${host}", plain-http: true }`),
    "",
  ].join("\n");
  const root = JSON.stringify(sigstore.trustedRoot);
  const derive = (own: string) =>
    lab.deriveFrontend({ "policy.yaml": common + own, "trusted_root.json": root }, base);
  return {
    strict: await derive(POLICIES.strict),
    pin: await derive(POLICIES.pin),
    unseen: await derive(POLICIES.unseen),
  };
}
