// SPDX-License-Identifier: Apache-2.0
import { CourierChannel } from "./channel.ts";
import { SECRET_NAMES, splitLines } from "../protocol.ts";
import type { Bridge } from "../../gateway/bridge.ts";
import { CallError } from "../../gateway/status.ts";
import { ContainerError, startContainer, within } from "../../gateway/container.ts";

const SECRETS_DIRECTORY = "/run/secrets/tlog-dockerfile";
/** Build args that Docker hands to every step of a build, and with which RUN steps reach the network. */
const PROXY_ARGS = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
/** What a derived image may set so that the courier trusts a private certificate authority. */
const CERTIFICATE_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/** How long the end of a build waits for a courier that is still starting, in milliseconds. */
const END_MS = 1_000;

export interface CourierOptions {
  /** Reads the encoded LLB of our own image, in which the courier runs. */
  readonly image: () => Promise<Uint8Array>;
  /** The command that runs the courier in it. */
  readonly command: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The command that runs the courier's file. Node would keep three times 16 MiB for what is new, and nearly all that a courier
 * reads is dropped at once: strangers decide how much that is.
 */
export function courierCommand(file: string): readonly [string, ...string[]] {
  return [process.execPath, "--max-semi-space-size=1", file];
}

/** Which courier is asked for. */
export interface CourierWish {
  /** Whether the build's signing secrets are mounted. */
  readonly signing: boolean;
  /** How long the courier may work on one request, in milliseconds. */
  readonly deadlineMs: number;
}

/** The couriers of one build: at most one without secrets and one with them, each in a container of its own. */
export interface Couriers {
  /** Starts the courier when it is first asked for. Throws ContainerError when BuildKit does not start it in time. */
  open(wish: CourierWish): Promise<CourierChannel>;
  /** Ends the couriers; takes at most a second. Never throws. */
  close(): Promise<void>;
}

/** The couriers of one build, none of them started; `startMs` is how long BuildKit may take to start one. */
export function couriersOf(bridge: Bridge, options: CourierOptions, startMs?: number): Couriers {
  const opened = new Map<boolean, Promise<CourierChannel>>();
  return {
    open(wish) {
      const courier = opened.get(wish.signing) ?? startCourier(bridge, options, { ...wish, startMs });
      // A courier that was started ahead may never be asked for: its failure must not be an unhandled rejection.
      courier.catch(() => undefined);
      opened.set(wish.signing, courier);
      return courier;
    },
    async close() {
      await Promise.all(
        [...opened.values()].map((courier) => within(END_MS, ended(courier), () => undefined)),
      );
    },
  };
}

/** Ends a courier as soon as it is started. */
function ended(courier: Promise<CourierChannel>): Promise<void> {
  return courier.then(
    (channel) => channel.close(),
    () => undefined,
  );
}

async function startCourier(
  bridge: Bridge,
  options: CourierOptions,
  { signing, deadlineMs, startMs }: CourierWish & { readonly startMs: number | undefined },
): Promise<CourierChannel> {
  const rootfs = await options.image();
  const container = {
    name: "the courier",
    rootfs,
    network: true,
    args: options.command,
    env: courierEnvironment(options, deadlineMs),
    secrets: signing
      ? Object.values(SECRET_NAMES).map((id) => ({ id, path: `${SECRETS_DIRECTORY}/${id}` }))
      : [],
  };
  try {
    const process = await startContainer(bridge, container, startMs);
    return new CourierChannel({
      write: (line) => process.write(Buffer.from(line)),
      close: () => process.close(),
      lines: splitLines(process.output),
    });
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    throw new ContainerError(
      `BuildKit does not start the container that asks the log: ${error.message}; Docker Engine 24 or newer is needed`,
      { cause: error },
    );
  }
}

function courierEnvironment(options: CourierOptions, deadlineMs: number): string[] {
  return [
    ...programEnvironment(options, deadlineMs),
    `TLOG_SECRETS_DIR=${SECRETS_DIRECTORY}`,
    ...proxyArgs(options).map(([name, value]) => `${name}=${value}`),
  ];
}

/** What a courier's program needs to run, whatever it runs in: `NAME=value` each. */
export function programEnvironment(
  { environment }: Pick<CourierOptions, "environment">,
  deadlineMs: number,
): string[] {
  const certificates = CERTIFICATE_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return [
    ["PATH", environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"] as const,
    ["TLOG_DEADLINE_MS", String(deadlineMs)] as const,
    ...certificates,
  ].map(([name, value]) => `${name}=${value}`);
}

/** The build args that name proxies, and their values, which may have passwords in them. */
export function proxyArgs({ buildArgs }: Pick<CourierOptions, "buildArgs">): [name: string, value: string][] {
  return Object.entries(buildArgs).filter(([name]) => PROXY_ARGS.includes(name.toUpperCase()));
}
