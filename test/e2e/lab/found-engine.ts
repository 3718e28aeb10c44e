// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { BlockList } from "node:net";
import type { Engine } from "./engine.ts";
import { httpRequest } from "./http-request.ts";
import { freePort } from "./ports.ts";

/** The part of Docker's `GET /info` that says whether the lab can use the engine. */
interface Info {
  readonly DriverStatus?: readonly (readonly [string, string])[] | null;
  readonly RegistryConfig?: { readonly InsecureRegistryCIDRs?: readonly string[] | null };
}
/** The part of `GET /networks/bridge` that has the address of the machine. */
interface Network {
  readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string }[] | null };
}

const CONTAINERD_STORE = "io.containerd.snapshotter.v1";

/**
 * The Docker Engine that is on this machine already, if builds on it can do what the tests need; otherwise why
 * not, or undefined when there is none. Nothing of it is changed.
 */
export async function findEngine(): Promise<Engine | { readonly unfit: string } | undefined> {
  const dockerHost = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const socketPath = dockerHost.startsWith("unix://") ? dockerHost.slice("unix://".length) : undefined;
  if (socketPath === undefined) return { unfit: `DOCKER_HOST is "${dockerHost}", not a unix socket` };
  if (!existsSync(socketPath)) return undefined;

  let info: Info;
  let network: Network;
  try {
    info = (await get(socketPath, "/info")) as Info;
    network = (await get(socketPath, "/networks/bridge")) as Network;
  } catch {
    return undefined;
  }
  if (!info.DriverStatus?.some(([, value]) => value === CONTAINERD_STORE)) {
    return { unfit: "it does not use the containerd image store" };
  }
  const gateway = network.IPAM?.Config?.find((config) => config.Gateway !== undefined)?.Gateway;
  // An engine in a virtual machine has an address there that no server of ours can listen on.
  if (gateway === undefined || (await freePort(gateway)) === undefined) {
    return { unfit: "the address of its bridge network is not on this machine" };
  }
  if (!isIn(gateway, info.RegistryConfig?.InsecureRegistryCIDRs ?? [])) {
    return { unfit: `it takes no plain HTTP registry on ${gateway} (its "insecure-registries")` };
  }
  return { dockerHost, hostAddress: gateway, logFile: undefined, stop: () => Promise.resolve() };
}

async function get(socketPath: string, path: string): Promise<unknown> {
  const { body } = await httpRequest({ socketPath, path, timeoutMs: 5_000 });
  return JSON.parse(body.toString("utf8"));
}

function isIn(address: string, networks: readonly string[]): boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [base = "", bits = ""] = network.split("/");
    list.addSubnet(base, Number(bits), base.includes(":") ? "ipv6" : "ipv4");
  }
  return list.check(address, "ipv4");
}
