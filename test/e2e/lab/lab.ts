// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { RELEASE } from "../../../src/conversion/release.ts";
import { atExit } from "./at-exit.ts";
import { type BuildOutcome, type BuildRequest, build, dockerClient, writeFiles } from "./builds.ts";
import { type Chroot, chroot, labDirectory } from "./chroot.ts";
import { type Outcome, mustRun, run } from "./command.ts";
import { type Channel, conversionProgram } from "./conversion-program.ts";
import { type Engine, startEngine } from "./engine.ts";
import { findEngine } from "./found-engine.ts";
import { REPOSITORY, checkBundle, nodeFiles } from "./frontend-image.ts";
import { type ImageContent, type PushedImage, busybox, pushImage } from "./images.ts";
import { say } from "./progress.ts";
import { type Registry, startRegistry } from "./registry.ts";
import {
  type RunDirectory,
  newRun,
  removeLeftovers,
  removeOldLogs,
  removeRun,
  removeRunNow,
} from "./runs.ts";
import type { Files } from "./tar.ts";

/**
 * A real Docker Engine and a real registry for tests, the demonstration and benchmarks:
 *
 *     const lab = await startLab();                        // beforeAll; the first time ever takes half a minute
 *     const base = await lab.push("base:1.0", { files: { ...(await lab.busybox()), version: "1\n" } });
 *     const frontend = await lab.buildFrontend();          // needs dist/, from `npm run build`
 *     const built = await lab.build({ syntax: frontend, dockerfile: `FROM ${base.reference}\nRUN cat /version\n` });
 *     expect(built.code, built.output).toBe(0);
 *     lab.registry.requests();                             // ["HEAD /v2/base/manifests/1.0", …]
 *     await lab.stop();                                    // afterAll
 *
 * Servers that a test starts listen on `lab.hostAddress`: engines and containers of builds reach them there, and
 * nothing outside of this machine.
 */
export interface Lab {
  /** The machine's address as engines and builds' containers reach it. */
  readonly hostAddress: string;
  readonly registry: Registry;
  readonly engine: Engine;
  /** A second engine with the legacy image store; started when first asked for. */
  legacyEngine(): Promise<Engine>;
  /** Runs `docker buildx build`, on the legacy engine if told so. */
  build(request: BuildRequest & { readonly engine?: EngineName }): Promise<BuildOutcome>;
  /** Runs `docker` with these arguments and waits for its end, good or bad. */
  docker(args: readonly string[], options?: DockerOptions): Promise<Outcome>;
  /** Runs a command as a person types it into a shell in this directory, with this lab's `docker`; waits for its end, good or bad. */
  shell(command: string, options: { readonly cwd: string }): Promise<Outcome>;
  /** Pushes an image made of this content; pushing other content under the same tag moves the tag. */
  push(name: string, content: ImageContent): Promise<PushedImage>;
  /** Files of a small system for `push`. */
  busybox(): Promise<Files>;
  /**
   * Builds `Dockerfile.frontend` over `context` (the repository) and pushes it; gives its reference. `ledgers` is its build
   * argument `LEDGERS`, `isRelease` compresses it as for a release, which takes longer. Done once for each of them.
   */
  buildFrontend(options?: {
    readonly context?: string;
    readonly ledgers?: string;
    readonly isRelease?: boolean;
  }): Promise<string>;
  /** Pushes the image of BuildKit's own Dockerfile frontend, of the release that we bring along, once per channel. */
  upstreamFrontend(channel?: Channel): Promise<PushedImage>;
  /** An image from our frontend (or `from`) with these files in /etc/tlog-dockerfile, under a tag of its own. */
  deriveFrontend(files: Readonly<Record<string, string | Uint8Array>>, from?: string): Promise<string>;
  /** What the engine logged so far, with what frontends wrote to standard error; empty for a found engine. */
  engineLog(engine?: EngineName): Promise<string>;
  /** Stops everything and removes what it left, but not the logs. */
  stop(): Promise<void>;
}

/** As on the upstream frontend's own image; without the first one every build would also set up a network for it. */
const UPSTREAM_LABELS = {
  "moby.buildkit.frontend.network.none": "true",
  "moby.buildkit.frontend.caps":
    "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring,moby.buildkit.frontend.contexts.zstd",
};

/** How a released image is compressed. */
const RELEASE_OUTPUT = "type=image,push=true,compression=zstd,force-compression=true";

export type EngineName = "main" | "legacy";

export interface DockerOptions {
  readonly engine?: EngineName;
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
}

export interface LabOptions {
  /** The directory of chroot, logs and engines' data. */
  readonly labDir?: string;
  /** True: do not use an engine that is on this machine already. Also `TLOG_LAB_ENGINE=own` in the environment. */
  readonly ownEngine?: boolean;
}

/** Starts a lab. Throws LabError when this machine cannot have one, or something does not start. */
export async function startLab({
  labDir = labDirectory(),
  ownEngine = process.env["TLOG_LAB_ENGINE"] === "own",
}: LabOptions = {}): Promise<Lab> {
  const system = await chroot(labDir);
  await removeLeftovers(labDir);
  await removeOldLogs(labDir);
  const directory = await newRun(labDir);
  const forget = atExit(() => removeRunNow(directory));
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    for (const part of started.splice(0).toReversed()) await part.stop();
    await removeRun(directory);
    forget();
  };
  try {
    const found = ownEngine ? undefined : await findEngine();
    if (found !== undefined && "unfit" in found)
      say(`not using the Docker Engine of this machine: ${found.unfit}`);
    const engine =
      found !== undefined && !("unfit" in found)
        ? found
        : await startEngine(system, directory, { name: "main", store: "containerd" });
    started.push(engine);
    const registry = await startRegistry(system, directory, engine.hostAddress);
    started.push(registry);
    return await assemble({ system, directory, engine, registry, started, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(parts: {
  readonly system: Chroot;
  readonly directory: RunDirectory;
  readonly engine: Engine;
  readonly registry: Registry;
  readonly started: { stop(): Promise<void> }[];
  readonly stop: () => Promise<void>;
}): Promise<Lab> {
  const { system, directory, engine, registry, started } = parts;
  const client = await dockerClient(system, directory.scratch);

  let legacy: Promise<Engine> | undefined;
  const legacyEngine = () => {
    legacy ??= startEngine(system, directory, { name: "legacy", store: "legacy" }).then((second) => {
      started.push(second);
      return second;
    });
    return legacy;
  };
  const engineOf = (name: EngineName = "main") =>
    name === "main" ? Promise.resolve(engine) : legacyEngine();

  const docker = async (
    args: readonly string[],
    { engine: name, input, timeoutMs = 120_000 }: DockerOptions = {},
  ) => {
    const { dockerHost } = await engineOf(name);
    const env = { ...client.env, DOCKER_HOST: dockerHost };
    return run(client.docker, args, { env, timeoutMs, ...(input === undefined ? {} : { input }) });
  };
  const push = (name: string, content: ImageContent) => pushImage(registry, name, content);

  const upstream = new Map<Channel, Promise<PushedImage>>();
  const upstreamFrontend = (channel: Channel = "mainline") => {
    const pushed = upstream.get(channel) ?? pushUpstream(channel);
    upstream.set(channel, pushed);
    return pushed;
  };
  const pushUpstream = async (channel: Channel) => {
    const program = await conversionProgram(channel, system.labDir);
    return push(`docker/dockerfile:${RELEASE.dockerfile}${channel === "labs" ? "-labs" : ""}`, {
      files: { "bin/dockerfile-frontend": { content: await readFile(program), mode: 0o755 } },
      entrypoint: ["/bin/dockerfile-frontend"],
      labels: UPSTREAM_LABELS,
    });
  };

  let nodeImage: Promise<PushedImage> | undefined;
  const frontends = new Map<string, Promise<string>>();
  let bases = 0;
  const buildFrontendFrom = async (context: string, ledgers: string, isRelease: boolean) => {
    const number = (bases += 1);
    checkBundle(context);
    // In the repository of the images built on it, so that its large layer is not uploaded again.
    nodeImage ??= nodeFiles(system).then((files) => push("tlog-dockerfile:node", { files, compress: false }));
    const [node, conversion] = await Promise.all([nodeImage, upstreamFrontend("mainline")]);
    const tag = number === 1 ? "dev" : `dev-${number}`;
    const reference = `${registry.address}/tlog-dockerfile:${tag}`;
    await mustBuild(
      [
        "-f",
        join(REPOSITORY, "Dockerfile.frontend"),
        "--build-arg",
        `NODE_IMAGE=${node.reference}`,
        "--build-arg",
        `DOCKERFILE_IMAGE=${conversion.reference}`,
        ...(ledgers === "" ? [] : ["--build-arg", `LEDGERS=${ledgers}`]),
        ...(isRelease ? ["--output", `${RELEASE_OUTPUT},name=${reference}`] : ["--push"]),
      ],
      reference,
      context,
    );
    return reference;
  };
  const mustBuild = async (args: readonly string[], reference: string, context: string) => {
    await mustRun(
      client.docker,
      ["buildx", "build", "--progress=plain", "--provenance=false", "-t", reference, ...args, context],
      { env: { ...client.env, DOCKER_HOST: engine.dockerHost }, timeoutMs: 120_000 },
    );
  };
  const buildFrontend: Lab["buildFrontend"] = ({
    context = REPOSITORY,
    ledgers = "",
    isRelease = false,
  } = {}) => {
    const key = JSON.stringify([context, ledgers, isRelease]);
    const built = frontends.get(key) ?? buildFrontendFrom(context, ledgers, isRelease);
    frontends.set(key, built);
    return built;
  };

  let derived = 0;
  return {
    hostAddress: engine.hostAddress,
    registry,
    engine,
    legacyEngine,
    docker,
    shell: (command, { cwd }) =>
      run("/bin/sh", ["-c", command], {
        cwd,
        env: { ...client.env, DOCKER_HOST: engine.dockerHost, BUILDKIT_PROGRESS: "plain" },
        timeoutMs: 120_000,
      }),
    push,
    busybox: () => busybox(system),
    build: async ({ engine: name, ...request }) => build(client, (await engineOf(name)).dockerHost, request),
    buildFrontend,
    upstreamFrontend,
    async deriveFrontend(files, from) {
      const base = from ?? (await buildFrontend());
      const number = (derived += 1);
      const reference = `${registry.address}/tlog-dockerfile:derived-${number}`;
      const context = join(directory.scratch, `derived-${number}`);
      await writeFiles(join(context, "files"), files);
      await writeFiles(context, { Dockerfile: `FROM ${base}\nCOPY files/ /etc/tlog-dockerfile/\n` });
      await mustBuild(["--push"], reference, context);
      return reference;
    },
    async engineLog(name) {
      const { logFile } = await engineOf(name);
      return logFile === undefined ? "" : readFileSync(logFile, "utf8");
    },
    stop: parts.stop,
  };
}
