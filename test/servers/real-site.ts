// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from "node:crypto";
import { parsePublicKey, type TrustedKey } from "../../src/record/signer.ts";
import type { BuildOutcome, BuildRequest } from "../e2e/lab/builds.ts";
import type { ImageContent, PushedImage } from "../e2e/lab/images.ts";
import { type Lab, startLab } from "../e2e/lab/lab.ts";
import { newSigningKey } from "../sigstore/signed-statement.ts";
import { signingConfig } from "../sigstore/signing-config.ts";
import { type RealSigstore, startRealSigstore } from "./real-sigstore.ts";
import type { LogApi } from "./target.ts";

/** Where users build whose organisation runs a Sigstore of its own: an engine, a registry, real servers. */
export interface RealSite {
  readonly lab: Lab;
  readonly sigstore: RealSigstore;
  /** A key to sign with, and how it is trusted. */
  readonly key: { readonly pem: string; readonly publicPem: string; readonly trusted: TrustedKey };
  /** Our frontend, set up for this Sigstore with the log of this API, and with these lines in its policy. */
  frontend(api: LogApi, policy?: readonly string[]): Promise<string>;
  build(request: BuildRequest): Promise<BuildOutcome>;
  /** Pushes a small system whose file /version has this word in it. */
  pushSystem(name: string, version: string, more?: ImageContent): Promise<PushedImage>;
  stop(): Promise<void>;
}

/** Starts all of it; throws what the parts throw. */
export async function startRealSite(): Promise<RealSite> {
  const lab = await startLab();
  const started: { stop(): Promise<void> }[] = [lab];
  const stop = async () => {
    for (const part of started.splice(0).toReversed()) await part.stop();
  };
  try {
    const sigstore = await startRealSigstore({ host: lab.hostAddress });
    started.push({ stop: sigstore.close });
    const system = await lab.busybox();
    return {
      lab,
      sigstore,
      key: keyTexts(newSigningKey()),
      frontend: async (api, policy = []) =>
        lab.deriveFrontend({
          "policy.yaml": [...policyFor(lab, sigstore), ...policy, ""].join("\n"),
          "trusted_root.json": JSON.stringify(sigstore.trustedRoot),
          "signing_config.json": JSON.stringify(signingConfigFor(sigstore, api)),
        }),
      build: (request) => lab.build({ ...request, args: [...(request.args ?? []), ...output(request.args)] }),
      pushSystem: (name, version, more) =>
        lab.push(name, { files: { ...system, version: `${version}\n` }, ...more }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function keyTexts(key: KeyObject): RealSite["key"] {
  const publicPem = createPublicKey(key).export({ format: "pem", type: "spki" }).toString();
  const pem = key.export({ format: "pem", type: "pkcs8" }).toString();
  return { pem, publicPem, trusted: parsePublicKey(publicPem) };
}

function signingConfigFor({ rekorV1, rekorV2, fulcio, timestamp }: RealSigstore, api: LogApi): object {
  return signingConfig({ ...(api === "v1" ? { rekorV1 } : { rekorV2 }), fulcio, timestamp });
}

/** Every tag is written once, whatever its shape; all servers of the site speak plain HTTP. */
function policyFor({ registry }: Lab, { rekorV1, rekorV2, fulcio, timestamp }: RealSigstore): string[] {
  const hosts = [rekorV1, rekorV2, fulcio, timestamp].map((url) => new URL(url).host);
  return [
    "version: 1",
    "profile: strict",
    // The registry is one of this machine, whose names are kept out of logs otherwise.
    "default: { private: true }",
    "registries:",
    ...[registry.address, ...hosts].map((host) => `  - { host: "${host}", plain-http: true }`),
  ];
}

/** Nothing is kept of an image, unless the request says what. */
function output(args: readonly string[] = []): readonly string[] {
  return args.some((arg) => /^(-o|--output|--call)(=|$)/.test(arg)) ? [] : ["--output", "type=cacheonly"];
}
