// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { labDirectory } from "../e2e/lab/chroot.ts";
import { mustRun } from "../e2e/lab/command.ts";
import type { Lab } from "../e2e/lab/lab.ts";

/** The module and version that has the Dockerfile frontend of the lab's engine. */
const MODULE = "github.com/moby/buildkit";
const VERSION = "v0.25.2";
const PACKAGE = "./frontend/dockerfile/cmd/dockerfile-frontend";
/** As the frontend's own image is built: static, no cgo. */
const TAGS = "netgo,static_build,osusergo";
/** As on the frontend's own image; without the first one every build would also set up a network for it. */
const LABELS = {
  "moby.buildkit.frontend.network.none": "true",
  "moby.buildkit.frontend.caps":
    "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring",
};

const BUILD_TIMEOUT_MS = 15 * 60_000;

/** What was measured as "upstream", and its image in the lab's registry. */
export interface Upstream {
  readonly reference: string;
  readonly origin: string;
}

/**
 * Pushes an image of the upstream Dockerfile frontend, whose program is built once with the go command and kept in
 * the lab's directory. `say` is told when that takes a while. Throws LabError when there is no Go, or no module.
 */
export async function upstreamFromModule(lab: Lab, say: (text: string) => void): Promise<Upstream> {
  const program = join(labDirectory(), "bin", `dockerfile-frontend-${VERSION}`);
  if (!existsSync(program)) {
    say(`building ${MODULE}@${VERSION} ${PACKAGE} with the go command, once, a minute or two …`);
    await buildProgram(program);
  }
  const { reference } = await lab.push(`dockerfile-upstream:${VERSION}`, {
    files: { "bin/dockerfile-frontend": { content: await readFile(program), mode: 0o755 } },
    entrypoint: ["/bin/dockerfile-frontend"],
    labels: LABELS,
  });
  return { reference, origin: `${MODULE}@${VERSION}` };
}

async function buildProgram(program: string): Promise<void> {
  const env = goEnvironment();
  const { stdout } = await mustRun("go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], {
    env,
    timeoutMs: BUILD_TIMEOUT_MS,
  });
  const { Dir: directory } = JSON.parse(stdout) as { readonly Dir: string };
  // In the module's own directory, so that its go.sum decides about every dependency.
  const half = `${program}.${process.pid}`;
  await mustRun(
    "go",
    ["build", "-mod=readonly", "-trimpath", "-tags", TAGS, "-ldflags", "-d", "-o", half, PACKAGE],
    { cwd: directory, env, timeoutMs: BUILD_TIMEOUT_MS },
  );
  await rename(half, program);
}

function goEnvironment(): Record<string, string> {
  const inherited = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { ...Object.fromEntries(inherited), CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" };
}
