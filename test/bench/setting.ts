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
import { type Lab, startLab } from "../e2e/lab/lab.ts";
import { LabError, lastLines } from "../e2e/lab/lab-error.ts";
import { type Sigstore, startSigstore } from "../sigstore/sigstore.ts";
import { KINDS, type Kind, dockerfileName, dockerfileOf } from "./builds.ts";
import type { BenchOptions } from "./options.ts";

/** Engine, registry, log, images and Dockerfiles of one benchmark. */
export interface Setting {
  readonly images: readonly string[];
  readonly frontends: Readonly<Record<Kind, string | undefined>>;
  /** What "upstream" is: a module's version, or the image that was named. */
  readonly upstream: string;
  /** The Docker Engine's version. */
  readonly engine: string;
  /** Builds the Dockerfile of this kind in the one context of all. */
  build(kind: Kind, args?: readonly string[]): Promise<Outcome>;
  /** Stops and removes all of it. */
  close(): Promise<void>;
}

/** Makes a setting. Throws LabError, and what the development log throws. */
export async function openSetting(options: BenchOptions, say: (text: string) => void): Promise<Setting> {
  const lab = await startLab();
  const directory = mkdtempSync(join(tmpdir(), "tlog-bench-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const forget = atExit(remove);
  let sigstore: Sigstore | undefined;
  const close = async () => {
    await lab.stop();
    await sigstore?.close();
    remove();
    forget();
  };
  try {
    sigstore = await startSigstore({ listen: `${lab.hostAddress}:0` });
    return await furnish(options, { lab, sigstore, directory, close, say });
  } catch (error) {
    await close();
    throw error;
  }
}

async function furnish(
  options: BenchOptions,
  parts: {
    readonly lab: Lab;
    readonly sigstore: Sigstore;
    readonly directory: string;
    readonly close: () => Promise<void>;
    readonly say: (text: string) => void;
  },
): Promise<Setting> {
  const { lab, sigstore, directory } = parts;
  const images = await pushImages(lab, options.images);
  const upstream =
    options.upstream === undefined
      ? { ...(await lab.upstreamFrontend()), origin: `BuildKit ${RELEASE.buildkit}` }
      : // As BuildKit shows it in its progress.
        { reference: taggedName(parseReference(options.upstream)), origin: options.upstream };
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ours = await lab.deriveFrontend(
    configurationFiles({
      logUrl: sigstore.url,
      registry: lab.registry.address,
      trustedRoot: sigstore.trustedRoot,
      publicKey: publicKey.export({ format: "pem", type: "spki" }).toString(),
    }),
    await lab.buildFrontend(options.context === undefined ? {} : { context: options.context }),
  );
  const ledger = await observedFrontend({ lab, sigstore, directory, context: options.context, images });
  const frontends = { none: undefined, upstream: upstream.reference, locked: ours, ledger, ours };

  writeFileSync(join(directory, "hello.txt"), "hello\n");
  writeFileSync(join(directory, ".dockerignore"), "*\n!hello.txt\n");
  for (const kind of KINDS) {
    mkdirSync(join(directory, kind));
    writeFileSync(join(directory, dockerfileName(kind)), dockerfileOf(images, frontends[kind]));
  }
  const build = (kind: Kind, args: readonly string[] = []) => {
    const file = join(directory, dockerfileName(kind));
    return lab.docker(["buildx", "build", "--progress=plain", "-f", file, ...args, directory]);
  };
  // The one build that signs: the timed ones find the records in the log, and need no secret.
  const keyFile = join(directory, "signing-key.pem");
  writeFileSync(keyFile, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  await build("ours", ["--secret", `id=tlog-signing-key,src=${keyFile}`]);
  await build("locked", ["--build-arg", "TLOG_LOCK=update", "--output", join(directory, "locked")]);

  const { stdout } = await lab.docker(["version", "--format", "{{.Server.Version}}"]);
  return { images, frontends, upstream: upstream.origin, engine: stdout.trim(), build, close: parts.close };
}

/** A frontend that knows nothing but a ledger, in which an observer has all images. */
async function observedFrontend({
  lab,
  sigstore,
  directory,
  context,
  images,
}: {
  readonly lab: Lab;
  readonly sigstore: Sigstore;
  readonly directory: string;
  readonly context: string | undefined;
  readonly images: readonly string[];
}): Promise<string> {
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
async function pushImages(lab: Lab, count: number): Promise<readonly string[]> {
  const system = await lab.busybox();
  const images: string[] = [];
  for (let number = 1; number <= count; number += 1) {
    const files = { ...(number === 1 ? system : {}), number: `${number}\n` };
    images.push((await lab.push(`bench/base-${number}:1.0`, { files })).reference);
  }
  return images;
}
