// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sigstore } from "../../sigstore/sigstore.ts";
import { newSigningKey } from "../../sigstore/signed-statement.ts";
import { type Outcome, run } from "../lab/command.ts";
import { REPOSITORY } from "../lab/frontend-image.ts";
import type { Lab } from "../lab/lab.ts";

/** What an observer watches, and where it keeps that. */
export interface ObserverOptions {
  /** Its own: its configuration, key and state. It is made. */
  readonly directory: string;
  /** The ledger's repository in the lab's registry. */
  readonly ledger: string;
  /** Repositories in the lab's registry, and their tags where these are not all. */
  readonly watch: readonly { readonly repository: string; readonly tags?: readonly string[] }[];
  /** Where the ledger is kept: the lab's registry when not given. */
  readonly ledgerHost?: string;
  /** More lines for the configuration. */
  readonly more?: string;
}

/** Who watches tags in a lab, and what those build with who rely on it. */
export interface LabObserver {
  /** The ledger, as a policy names it. */
  readonly ledger: string;
  /** PEM. */
  readonly publicKey: string;
  /** The configuration's path. */
  readonly file: string;
  /** The value of the frontend image's build argument `LEDGERS`; what is given replaces the parts of the one ledger in it. */
  ledgers(change?: Readonly<Record<string, unknown>>): string;
  /** Runs the program that the frontend image ships, from the same files, as a person does. */
  program(...args: readonly string[]): Promise<Outcome>;
  /** A frontend that reads this ledger and has no policy: made by the build argument, with the log's trusted root in it. */
  frontend(options?: {
    readonly context?: string;
    readonly change?: Readonly<Record<string, unknown>>;
    readonly trustedRoot?: object;
  }): Promise<string>;
}

/** Opens an observer; nothing is watched before its program runs. */
export function openObserver(
  lab: Lab,
  sigstore: Sigstore,
  { directory, ledger, watch, ledgerHost = lab.registry.address, more = "" }: ObserverOptions,
): LabObserver {
  const { address } = lab.registry;
  const repository = `${ledgerHost}/${ledger}`;
  mkdirSync(directory, { recursive: true });
  const privateKey: KeyObject = newSigningKey();
  const publicKey = createPublicKey(privateKey).export({ format: "pem", type: "spki" }).toString();
  const file = join(directory, "tlog-observer.yaml");
  writeFileSync(join(directory, "observer.pem"), privateKey.export({ format: "pem", type: "pkcs8" }), {
    mode: 0o600,
  });
  writeFileSync(join(directory, "trusted_root.json"), JSON.stringify(sigstore.trustedRoot));
  const watched = watch.map(({ repository: name, tags }) =>
    JSON.stringify({ repository: `${address}/${name}`, ...(tags && { tags }), private: true }),
  );
  writeFileSync(
    file,
    `ledger: ${repository}
log: ${sigstore.url}
signing: { key: observer.pem }
trusted-root: trusted_root.json
state: state
watch:
${watched.map((each) => `  - ${each}\n`).join("")}registries:
${[...new Set([address, ledgerHost])].map((host) => `  - { host: "${host}", plain-http: true }\n`).join("")}  - { host: "${new URL(sigstore.url).host}", plain-http: true }
${more}`,
  );
  const ledgers: LabObserver["ledgers"] = (change = {}) =>
    JSON.stringify([{ repository, observer: { key: publicKey }, ...change }]);
  return {
    ledger: repository,
    publicKey,
    file,
    ledgers,
    program: (...args) =>
      run(process.execPath, [join(REPOSITORY, "dist/frontend.cjs"), ...args], {
        cwd: directory,
        env: { HOME: directory },
        timeoutMs: 120_000,
      }),
    frontend: async ({ context, change, trustedRoot = sigstore.trustedRoot } = {}) =>
      lab.deriveFrontend(
        { "trusted_root.json": JSON.stringify(trustedRoot) },
        await lab.buildFrontend({ ...(context && { context }), ledgers: ledgers(change) }),
      ),
  };
}
