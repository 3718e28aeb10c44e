// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { newSigningKey } from "../../sigstore/signed-statement.ts";
import { type Sigstore, startSigstore } from "../../sigstore/sigstore.ts";
import { atExit } from "../lab/at-exit.ts";
import { REPOSITORY } from "../lab/frontend-image.ts";
import type { Registry } from "../lab/registry.ts";
import { startForwarder } from "./forwarder.ts";

/** A line of a proxy's log. */
export type ProxyLogLine = Readonly<Record<string, unknown>> & { readonly event: string };

/** The program that ships, as a process of its own. */
export interface ServedProxy {
  /** `host:port`, as image references begin. */
  readonly host: string;
  readonly log: readonly ProxyLogLine[];
}

/** A log, proxies, and the lab's registry under two more names: its address without a port, and Docker Hub. */
export interface ProxySite {
  readonly directory: string;
  readonly sigstore: Sigstore;
  /** PEM. */
  readonly publicKey: string;
  /** Ends the log, as when its machine goes down. */
  stopLog(): Promise<void>;
  /** Starts it again where it was, with what it had. */
  startLog(): Promise<void>;
  /** The policy of the proxies; `lines` are more of it. */
  policy(lines?: readonly string[]): string;
  /** Starts a proxy on the address at which engines reach this machine. It signs, and remembers nothing. */
  proxy(options?: { readonly policy?: string; readonly args?: readonly string[] }): Promise<ServedProxy>;
  stop(): Promise<void>;
}

/** Starts all but the proxies, whose policy names `hosts` besides. */
export async function startProxySite(
  registry: Registry,
  { hosts = [] }: { readonly hosts?: readonly string[] } = {},
): Promise<ProxySite> {
  const { hostname } = registry;
  const served = ["docker.io", hostname, ...hosts];
  const directory = mkdtempSync(join(tmpdir(), "proxies-"));
  const out = join(directory, "sigstore");
  let sigstore = await startSigstore({ out });
  const { url } = sigstore;
  // Names behind a prefix have no port.
  const portless = await startForwarder({ hostname, port: 80 }, [registry.address]);
  const privateKey = newSigningKey();
  writeFileSync(join(directory, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(directory, "hosts"), `127.0.0.1 localhost\n${hostname} registry-1.docker.io\n`);
  const running: ChildProcess[] = [];
  const forget = atExit(() => running.forEach((each) => each.kill("SIGKILL")));

  const site: ProxySite = {
    directory,
    get sigstore() {
      return sigstore;
    },
    publicKey: createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString(),
    stopLog: () => sigstore.close(),
    async startLog() {
      sigstore = await startSigstore({ out, listen: new URL(url).host });
    },
    policy: (lines = []) =>
      [
        "version: 1",
        `logs: [{ url: "${url}", api: 1 }]`,
        "registries:",
        ...served.map((host) => `  - { host: "${host}", plain-http: true }`),
        "rules:",
        ...served.map((host) => `  - { match: "${host}/**", private: true, action: block }`),
        ...lines,
        "",
      ].join("\n"),
    async proxy({ policy = site.policy(), args = [] } = {}) {
      const file = `policy-${running.length}.yaml`;
      writeFileSync(join(directory, file), policy);
      const options = ["--policy", file, "--config", "sigstore", "--key", "key.pem", "--remember", "0s"];
      const serve = [
        join(REPOSITORY, "dist/main.js"),
        "serve",
        "--listen",
        `${hostname}:0`,
        ...options,
        ...args,
      ];
      // For this process alone, Docker Hub is the lab's registry.
      const script = 'mount --bind hosts /etc/hosts && exec "$@"';
      const isolated = ["--mount", "--propagation", "private", "--", "/bin/sh", "-c", script, "sh"];
      const child = spawn("unshare", [...isolated, process.execPath, ...serve], {
        cwd: directory,
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      running.push(child);
      const log: ProxyLogLine[] = [];
      const { promise: host, resolve, reject } = Promise.withResolvers<string>();
      child.once("exit", () => reject(new Error("the proxy ended before it listened")));
      createInterface(child.stdout).on("line", (line) => {
        const entry = JSON.parse(line) as ProxyLogLine;
        log.push(entry);
        if (entry.event === "listening") resolve(String(entry["address"]));
      });
      return { host: await host, log };
    },
    async stop() {
      const ended = running
        .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
        .map((each) => once(each, "exit"));
      for (const each of running) each.kill("SIGKILL");
      await Promise.all(ended);
      forget();
      await portless.close();
      await sigstore.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return site;
}
