// SPDX-License-Identifier: Apache-2.0

/** What an organisation with a log of its own bakes into its frontend image. */
export interface Configuration {
  /** The log's URL; plain http, as it is on this machine. */
  readonly logUrl: string;
  /** `host:port` of the registry, plain http too. */
  readonly registry: string;
  /** The log's trusted root in Sigstore's JSON form. */
  readonly trustedRoot: object;
  /** The public key whose records count, PEM. */
  readonly publicKey: string;
}

/** The files of /etc/tlog-dockerfile, by name. */
export function configurationFiles({
  logUrl,
  registry,
  trustedRoot,
  publicKey,
}: Configuration): Readonly<Record<string, string>> {
  const key = publicKey
    .trimEnd()
    .split("\n")
    .map((line) => `      ${line}`)
    .join("\n");
  return {
    "policy.yaml": `version: 1
log: { url: "${logUrl}", private: true }
trust:
  - key: |
${key}
registries:
  - { host: "${registry}", plain-http: true }
  - { host: "${new URL(logUrl).host}", plain-http: true }
`,
    "trusted_root.json": `${JSON.stringify(trustedRoot, undefined, 2)}\n`,
  };
}
