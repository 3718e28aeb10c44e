// SPDX-License-Identifier: Apache-2.0
import { CourierChannel } from "./channel.ts";
import { splitLines } from "../lines.ts";
import type { Bridge } from "../../gateway/bridge.ts";
import { CallError } from "../../gateway/status.ts";
import { ContainerError, startContainer } from "../../gateway/container.ts";

/**
 * The ids of the build secrets that sign, and the names of their files in the courier's container: a key and its
 * password, an identity token, or what a job of GitHub Actions gets one with.
 */
const SIGNING_SECRETS = [
  "tlog-signing-key",
  "tlog-signing-password",
  "tlog-identity-token",
  "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
  "ACTIONS_ID_TOKEN_REQUEST_URL",
] as const;
const SECRETS_DIRECTORY = "/run/secrets/tlog-dockerfile";

/** Build args that Docker hands to every step of a build, and with which RUN steps reach the network. */
const PROXY_ARGS = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
/** What a derived image may set so that the courier trusts a private certificate authority. */
const CERTIFICATE_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"];

export interface CourierOptions {
  /** Whether the build's signing secrets are mounted. */
  readonly signing: boolean;
  /** How long the courier may work on one request, in milliseconds. */
  readonly deadlineMs: number;
  /** The encoded LLB of our own image. */
  readonly image: Uint8Array;
  /** The command that runs the courier in it. */
  readonly command: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A courier and the container it runs in. */
export interface Courier {
  readonly channel: CourierChannel;
  /** Ends both, without waiting for it. */
  close(): void;
}

/** Starts a courier in a container of its own. Throws ContainerError when BuildKit does not start it. */
export async function startCourier(bridge: Bridge, options: CourierOptions): Promise<Courier> {
  try {
    const process = await startContainer(bridge, {
      name: "the courier",
      rootfs: options.image,
      network: true,
      args: options.command,
      env: courierEnvironment(options),
      secrets: options.signing
        ? SIGNING_SECRETS.map((id) => ({ id, path: `${SECRETS_DIRECTORY}/${id}` }))
        : [],
    });
    const channel = new CourierChannel({
      write: (line) => process.write(Buffer.from(line)),
      close: () => process.close(),
      lines: splitLines(process.output),
    });
    return { channel, close: () => process.close() };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    throw new ContainerError(
      `BuildKit does not start the container that asks the log: ${error.message}; Docker Engine 24 or newer is needed`,
      { cause: error },
    );
  }
}

function courierEnvironment({ deadlineMs, buildArgs, environment }: CourierOptions): string[] {
  const proxies = Object.entries(buildArgs).filter(([name]) => PROXY_ARGS.includes(name.toUpperCase()));
  const certificates = CERTIFICATE_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return [
    ["PATH", environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"] as const,
    ["TLOG_DEADLINE_MS", String(deadlineMs)] as const,
    ["TLOG_SECRETS_DIR", SECRETS_DIRECTORY] as const,
    ...proxies,
    ...certificates,
  ].map(([name, value]) => `${name}=${value}`);
}
