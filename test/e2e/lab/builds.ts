// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Chroot } from "./chroot.ts";
import { type Outcome, run } from "./command.ts";

/** One `docker buildx build` over a context of its own. */
export interface BuildRequest {
  /** The context's `Dockerfile`; none is written if it is null or not given. */
  readonly dockerfile?: string | Uint8Array | null;
  /** The context's other files. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** The image that converts the Dockerfile: written in front of it as `# syntax=…` line. */
  readonly syntax?: string;
  /** More arguments, before the context's: `["--build-arg", "V=1"]`. Relative paths are relative to the context. */
  readonly args?: readonly string[];
  /** What is built instead of the written directory: a URL, or `-` for `input`. */
  readonly context?: string;
  readonly input?: string | Uint8Array;
  /** Build secrets by id. */
  readonly secrets?: Readonly<Record<string, string | Uint8Array>>;
  /** More environment of the client. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** How a build ended; `dir` is its context's directory, kept until the lab is stopped. */
export interface BuildOutcome extends Outcome {
  readonly dir: string;
}

/** What every docker command of a lab runs with. */
export interface Client {
  readonly docker: string;
  readonly scratch: string;
  readonly env: Readonly<Record<string, string>>;
}

const BUILD_TIMEOUT_MS = 120_000;

/** Writes the lab's own Docker configuration, so that the user's one (contexts, logins, builders) plays no part. */
export async function dockerClient(chroot: Chroot, scratch: string): Promise<Client> {
  const config = join(scratch, "config");
  const plugin = join(config, "cli-plugins", "docker-buildx");
  await mkdir(dirname(plugin), { recursive: true });
  await writeFile(join(config, "config.json"), "{}");
  await writeFile(plugin, `#!/bin/sh\nexec "${chroot.tool("docker-buildx")}" "$@"\n`);
  await chmod(plugin, 0o755);
  // What a person types is `docker`.
  const bin = join(scratch, "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "docker"), `#!/bin/sh\nexec "${chroot.tool("docker")}" "$@"\n`);
  await chmod(join(bin, "docker"), 0o755);
  const PATH = `${bin}:${process.env["PATH"] ?? "/usr/bin:/bin"}`;
  return { docker: chroot.tool("docker"), scratch, env: { PATH, HOME: scratch, DOCKER_CONFIG: config } };
}

/** Builds with plain progress output and waits for the end, good or bad. Throws LabError TIMEOUT. */
export async function build(
  client: Client,
  dockerHost: string,
  request: BuildRequest,
): Promise<BuildOutcome> {
  const base = await mkdtemp(join(client.scratch, "build-"));
  const dir = join(base, "context");
  await writeFiles(dir, request.files ?? {});
  const { dockerfile, syntax } = request;
  if (dockerfile !== undefined && dockerfile !== null) {
    const first = Buffer.from(syntax === undefined ? "" : `# syntax=${syntax}\n`);
    await writeFile(join(dir, "Dockerfile"), Buffer.concat([first, Buffer.from(dockerfile)]));
  } else if (syntax !== undefined) {
    throw new RangeError("a syntax line needs a Dockerfile to stand in");
  }
  const secrets = join(base, "secrets");
  await writeFiles(secrets, request.secrets ?? {});

  const outcome = await run(
    client.docker,
    [
      "buildx",
      "build",
      "--progress=plain",
      ...Object.keys(request.secrets ?? {}).flatMap((id) => [
        "--secret",
        `id=${id},src=${join(secrets, id)}`,
      ]),
      ...(request.args ?? []),
      request.context ?? dir,
    ],
    {
      cwd: dir,
      env: { ...client.env, DOCKER_HOST: dockerHost, ...request.env },
      timeoutMs: request.timeoutMs ?? BUILD_TIMEOUT_MS,
      ...(request.input === undefined ? {} : { input: request.input }),
    },
  );
  return { ...outcome, output: inOneWording(outcome.output), dir };
}

/**
 * A frontend's error comes to the client twice, as the answer to its call and as the build's end, and buildx says
 * "failed to solve" or "failed to run Build function" by which of them is first. That is no matter of ours.
 */
function inOneWording(output: string): string {
  return output.replaceAll(
    "failed to build: failed to run Build function: ",
    "failed to build: failed to solve: ",
  );
}

/** Writes files below a directory, readable for us alone. */
export async function writeFiles(
  dir: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content, { mode: 0o600 });
  }
}
