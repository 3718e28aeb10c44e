// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from "node:crypto";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import type { LoggedEntry } from "../../sigstore/rekor-v1-log.ts";
import { newSigningKey, sha256Of } from "../../sigstore/signed-statement.ts";
import { sha256 } from "../../../src/image/digest.ts";
import type { BuildOutcome, BuildRequest } from "../lab/builds.ts";
import { REPOSITORY } from "../lab/frontend-image.ts";
import { type EngineName, type Lab, startLab } from "../lab/lab.ts";
import type { PushedImage, ImageContent } from "../lab/images.ts";

/** Where users of this frontend build: an engine, a registry, a log of their own, a policy that names it, a key. */
export interface Site {
  readonly lab: Lab;
  readonly sigstore: Sigstore;
  /** Our frontend with the site's policy in it. */
  readonly frontend: string;
  /** The private key that this site's builds sign with, PEM. */
  readonly key: string;
  /** Its public half, PEM. */
  readonly publicKey: string;
  /** How messages name the key. */
  readonly signer: string;
  /** Builds through the frontend with the signing key; what the request says comes first. Nothing is kept of the image. */
  build(request: SiteRequest): Promise<BuildOutcome>;
  /** Pushes a small system whose file /version has this word in it. */
  pushSystem(name: string, version: string, more?: ImageContent): Promise<PushedImage>;
  /** What the log holds under this tag's name, in log order. */
  entriesOf(reference: string): readonly LoggedEntry[];
  /** The frontend of another context, with another policy or with more `files` beside it, made like the site's own. */
  derive(options: {
    readonly policy?: string;
    readonly context?: string;
    readonly files?: Readonly<Record<string, string>>;
  }): Promise<string>;
  /** The policy that is baked into the frontend. */
  readonly policy: string;
  /** The same for the other log: Rekor v2 has no search, and takes its time from an authority. */
  readonly policyV2: string;
  /** How often anything of Sigstore was asked so far. */
  requests(): number;
  stop(): Promise<void>;
}

export type SiteRequest = Omit<BuildRequest, "syntax"> & {
  /** Another frontend than the site's; undefined: no syntax line. */
  readonly syntax?: string | undefined;
  readonly engine?: EngineName;
  /** False: the build gets no signing key. */
  readonly sign?: false | undefined;
};

/** Where the frontend's dist/ is: the repository, or another directory, to try these tests on a frontend that was changed. */
export const FRONTEND_CONTEXT = process.env["TLOG_FRONTEND_CONTEXT"] ?? REPOSITORY;

/** Starts all of it, with these lines in the baked policy besides; throws what the parts throw. */
export async function startSite({ lines = [] }: { readonly lines?: readonly string[] } = {}): Promise<Site> {
  const lab = await startLab();
  try {
    const sigstore = await startSigstore({ listen: `${lab.hostAddress}:0` });
    const stop = async () => {
      await sigstore.close();
      await lab.stop();
    };
    const privateKey = newSigningKey();
    const key = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    const sitePolicy = policyFor(lab, sigstore.url, { api: 1, lines });
    const derive: Site["derive"] = async ({ policy = sitePolicy, context = FRONTEND_CONTEXT, files = {} }) =>
      lab.deriveFrontend(
        { "policy.yaml": policy, "trusted_root.json": JSON.stringify(sigstore.trustedRoot), ...files },
        await lab.buildFrontend({ context }),
      );
    const frontend = await derive({});
    const system = await lab.busybox();
    return {
      lab,
      sigstore,
      frontend,
      key,
      signer: `key ${sha256(spki).slice(0, "sha256:".length + 12)}…`,
      policy: sitePolicy,
      policyV2: policyFor(lab, sigstore.url, { api: 2, lines }),
      requests: () => sigstore.requests.length,
      publicKey: createPublicKey(privateKey).export({ format: "pem", type: "spki" }).toString(),
      build: ({ sign, ...request }) => {
        const syntax = "syntax" in request ? request.syntax : frontend;
        const { syntax: _, ...rest } = request;
        return lab.build({
          ...(sign === false ? {} : { secrets: { "tlog-signing-key": key } }),
          ...rest,
          // There is nothing for a syntax line to stand in without a Dockerfile.
          ...(syntax === undefined || typeof rest.dockerfile !== "string" ? {} : { syntax }),
          args: [...(rest.args ?? []), ...(keepsOutput(rest.args) ? [] : ["--output", "type=cacheonly"])],
        });
      },
      pushSystem: (name, version, more) =>
        lab.push(name, { files: { ...system, version: `${version}\n` }, ...more }),
      entriesOf: (reference) => {
        const uuids = sigstore.log.search([`sha256:${sha256Of(reference)}`]);
        return sigstore.log.entries.filter(({ uuid }) => uuids.has(uuid));
      },
      derive,
      stop,
    };
  } catch (error) {
    await lab.stop();
    throw error;
  }
}

function policyFor(
  { registry }: Lab,
  logUrl: string,
  { api, lines }: { readonly api: 1 | 2; readonly lines: readonly string[] },
): string {
  const hosts = [registry.address, new URL(logUrl).host];
  return [
    "version: 1",
    // Every tag is written once, whatever its shape.
    "profile: strict",
    // The registry has no public name.
    `log: { url: "${logUrl}", api: ${api}, private: true }`,
    ...(api === 2 ? [`signing: { timestamps: ["${logUrl}/api/v1/timestamp"] }`] : []),
    "registries:",
    ...hosts.map((host) => `  - { host: "${host}", plain-http: true }`),
    ...lines,
    "",
  ].join("\n");
}

function keepsOutput(args: readonly string[] = []): boolean {
  return args.some((arg) => /^(-o|--output|-t|--load|--push|--call|--check|--print)(=|$)/.test(arg));
}
