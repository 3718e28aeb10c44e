// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RELEASE } from "../../src/conversion/release.ts";
import { parseReference, taggedName } from "../../src/image/reference.ts";
import { configurationFiles } from "../e2e/demo/configuration.ts";
import { atExit } from "../e2e/lab/at-exit.ts";
import type { Outcome } from "../e2e/lab/command.ts";
import { openObserver } from "../e2e/cases/observer.ts";
import type { ImageContent } from "../e2e/lab/images.ts";
import { type Lab, startLab } from "../e2e/lab/lab.ts";
import { LabError, lastLines } from "../e2e/lab/lab-error.ts";
import { type Sigstore, startSigstore } from "../sigstore/sigstore.ts";
import { dockerfileOf } from "./builds.ts";
import { type DelayedLog, startDelayedLog, type Traffic } from "./delayed-log.ts";
import type { AskingFrontend, Kind } from "./kinds.ts";
import type { BenchOptions } from "./options.ts";

/** Engine, registry, log, images and frontends of one benchmark. */
export interface Setting {
  /** What "upstream" is: a module's version, or the image that was named. */
  readonly upstream: string;
  /** The Docker Engine's version. */
  readonly engine: string;
  /** The builds of a Dockerfile of so many images; at most as many as the options name. */
  bench(images: number): Promise<Bench>;
  /** Stops and removes all of it. */
  close(): Promise<void>;
}

/** The builds of one Dockerfile. */
export interface Bench {
  /** Builds the Dockerfile as this kind does; `args` are more for `docker buildx build`. */
  build(kind: Kind, args?: readonly string[]): Promise<TimedBuild>;
}

/** A build, and what it was to go through. */
export interface TimedBuild {
  readonly outcome: Outcome;
  readonly images: readonly string[];
  /** The frontend's image; undefined without a syntax line. */
  readonly frontend: string | undefined;
  /** What it asked the log, where that is counted. */
  readonly traffic: Traffic | undefined;
}

interface Parts {
  readonly lab: Lab;
  readonly sigstore: Sigstore;
  readonly directory: string;
  /** By their delays. */
  readonly logs: Map<number, DelayedLog>;
  readonly kinds: readonly Kind[];
  readonly close: () => Promise<void>;
}

/** Makes a setting for builds of these kinds. Throws LabError, and what the development log throws. */
export async function openSetting(options: BenchOptions, kinds: readonly Kind[]): Promise<Setting> {
  const lab = await startLab();
  const directory = mkdtempSync(join(tmpdir(), "tlog-bench-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const forget = atExit(remove);
  const logs = new Map<number, DelayedLog>();
  let sigstore: Sigstore | undefined;
  const close = async () => {
    await lab.stop();
    for (const log of logs.values()) await log.close();
    await sigstore?.close();
    remove();
    forget();
  };
  try {
    sigstore = await startSigstore({ listen: `${lab.hostAddress}:0` });
    return await furnish(options, { lab, sigstore, directory, logs, kinds, close });
  } catch (error) {
    await close();
    throw error;
  }
}

async function furnish(options: BenchOptions, parts: Parts): Promise<Setting> {
  const { lab, directory, kinds } = parts;
  const contents = await contentsOf(lab, Math.max(...options.images));
  const images: string[] = [];
  for (const [index, content] of contents.entries()) images.push(await push(lab, index, content));
  const upstream =
    options.upstream === undefined
      ? { ...(await lab.upstreamFrontend()), origin: `BuildKit ${RELEASE.buildkit}` }
      : // As BuildKit shows it in its progress.
        { reference: taggedName(parseReference(options.upstream)), origin: options.upstream };
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keyFile = join(directory, "signing-key.pem");
  writeFileSync(keyFile, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  const pem = publicKey.export({ format: "pem", type: "spki" }).toString();

  const ours = await lab.buildFrontend(options.context === undefined ? {} : { context: options.context });
  const asking = new Map<string, string>();
  const askingFrontend = async (frontend: AskingFrontend): Promise<string> => {
    const key = JSON.stringify(frontend);
    const known = asking.get(key);
    if (known !== undefined) return known;
    const files = await configurationOf(parts, { frontend, publicKey: pem });
    const reference = await lab.deriveFrontend(files, ours);
    asking.set(key, reference);
    return reference;
  };
  const frontends = new Map<string, string | undefined>();
  for (const { name, frontend } of kinds) {
    if (frontend === "none") frontends.set(name, undefined);
    else if (frontend === "upstream") frontends.set(name, upstream.reference);
    else if (frontend === "ledger")
      frontends.set(name, await observedFrontend(parts, { images, context: options.context }));
    else frontends.set(name, await askingFrontend(frontend));
  }

  writeFileSync(join(directory, "hello.txt"), "hello\n");
  writeFileSync(join(directory, ".dockerignore"), "*\n!hello.txt\n");
  const build = (file: string, args: readonly string[] = []) =>
    lab.docker(["buildx", "build", "--progress=plain", "-f", file, ...args, directory]);
  const signing = ["--secret", `id=tlog-signing-key,src=${keyFile}`];
  // The one build that signs: those that find records need no secret.
  const recording = join(directory, "Dockerfile.recording");
  writeFileSync(recording, dockerfileOf(images, await askingFrontend({})));
  await build(recording, signing);

  let recordings = 0;
  const bench = async (count: number): Promise<Bench> => {
    const named = images.slice(0, count);
    const place = (kind: Kind) => join(directory, String(count), kind.name);
    for (const kind of kinds) {
      mkdirSync(place(kind), { recursive: true });
      const file = join(place(kind), "Dockerfile");
      writeFileSync(file, dockerfileOf(named, frontends.get(kind.name)));
      if (kind.hasLockFile === true)
        await build(file, ["--build-arg", "TLOG_LOCK=update", "--output", place(kind)]);
    }
    return {
      async build(kind, args = []) {
        const file = join(place(kind), "Dockerfile");
        const frontend = frontends.get(kind.name);
        let built = named;
        if (kind.records === true) {
          recordings += 1;
          const fresh: string[] = [];
          for (const [index, content] of contents.slice(0, count).entries())
            fresh.push(await push(lab, index, content, `recording-${recordings}`));
          built = fresh;
          writeFileSync(file, dockerfileOf(built, frontend));
        }
        const log = logOf(parts, kind);
        log?.take();
        const outcome = await build(file, [...(kind.records === true ? signing : []), ...args]);
        return { outcome, images: built, frontend, traffic: log?.take() };
      },
    };
  };
  const { stdout } = await lab.docker(["version", "--format", "{{.Server.Version}}"]);
  return { upstream: upstream.origin, engine: stdout.trim(), bench, close: parts.close };
}

function logOf({ logs }: Parts, { frontend }: Kind): DelayedLog | undefined {
  return typeof frontend === "string" ? undefined : logs.get(frontend.delayMs ?? NaN);
}

/** The files of /etc/tlog-dockerfile of a frontend that asks the log, as this frontend does. */
async function configurationOf(
  { lab, sigstore, logs }: Parts,
  { frontend, publicKey }: { readonly frontend: AskingFrontend; readonly publicKey: string },
): Promise<Readonly<Record<string, string>>> {
  const { delayMs, policy = "" } = frontend;
  let logUrl = sigstore.url;
  let { trustedRoot } = sigstore;
  if (delayMs !== undefined) {
    const log = logs.get(delayMs) ?? (await startDelayedLog(sigstore.url, delayMs));
    logs.set(delayMs, log);
    logUrl = log.url;
    // The same log with the same key, under another address.
    const text = JSON.stringify(trustedRoot).replaceAll(sigstore.url, logUrl);
    trustedRoot = JSON.parse(text) as object;
  }
  const files = configurationFiles({ logUrl, registry: lab.registry.address, trustedRoot, publicKey });
  return { ...files, "policy.yaml": `${files["policy.yaml"]}${policy}` };
}

/** A frontend that knows nothing but a ledger, in which an observer has all images. */
async function observedFrontend(
  { lab, sigstore, directory }: Parts,
  { images, context }: { readonly images: readonly string[]; readonly context: string | undefined },
): Promise<string> {
  const watcher = openObserver(lab, sigstore, {
    directory: join(directory, "observer"),
    ledger: "bench/ledger",
    watch: images.map((image) => {
      const { repository, tag = "" } = parseReference(image);
      return { repository, tags: [tag] };
    }),
  });
  const { code, output } = await watcher.program("observe", "--once", "--quiet");
  if (code !== 0) throw new LabError("COMMAND_FAILED", `the observer failed:\n${lastLines(output)}`);
  return watcher.frontend(context === undefined ? {} : { context });
}

/** Base images, all different; the first one can run commands. */
async function contentsOf(lab: Lab, count: number): Promise<readonly ImageContent[]> {
  const system = await lab.busybox();
  return Array.from({ length: count }, (_, index) => ({
    files: { ...(index === 0 ? system : {}), number: `${index + 1}\n` },
  }));
}

async function push(lab: Lab, index: number, content: ImageContent, tag = "1.0"): Promise<string> {
  return (await lab.push(`bench/base-${index + 1}:${tag}`, content)).reference;
}
