// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { cp, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { type Chroot, MULTIARCH } from "./chroot.ts";
import { mustRun } from "./command.ts";
import { LabError } from "./lab-error.ts";
import type { FileContent, Files } from "./tar.ts";

/** The repository's root, the context of `Dockerfile.frontend`. */
export const REPOSITORY = join(import.meta.dirname, "../../..");

/**
 * What an image needs to run Node: the pinned npm package's binary (as the official images have it), the chroot's
 * libraries that it links to, and the usual certificates. Stands in for `NODE_IMAGE` where there is no network.
 */
export async function nodeFiles(chroot: Chroot): Promise<Files> {
  const node = nodeBinary();
  const libraries = join(chroot.root, MULTIARCH.libraries);
  const loader = join(chroot.root, MULTIARCH.loader);
  const { stdout } = await mustRun(loader, ["--library-path", libraries, "--list", node], {
    timeoutMs: 10_000,
  });
  const files: Record<string, FileContent> = {
    "usr/local/bin/node": { content: await readFile(node), mode: 0o755 },
    [MULTIARCH.loader]: { content: await readFile(loader), mode: 0o755 },
    "etc/ssl/certs/ca-certificates.crt": await readFile(
      join(chroot.root, "etc/ssl/certs/ca-certificates.crt"),
    ),
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n",
    "etc/group": "root:x:0:\n",
    "tmp/.keep": "",
  };
  // "	libdl.so.2 => /…/libdl.so.2 (0x00007f…)"
  for (const [, name = "", path = ""] of stdout.matchAll(/^\s*(\S+) => (\/\S+) \(0x/gm)) {
    if (!path.startsWith(chroot.root)) {
      throw new LabError(
        "NOT_MADE",
        `node needs "${name}", which the chroot has not: it would come from "${path}"`,
      );
    }
    files[`${MULTIARCH.libraries.replace(/^usr\//, "")}/${basename(name)}`] = await readFile(path);
  }
  return files;
}

/** The Node 24 of the npm package for this platform; it is there whatever Node the machine has. */
function nodeBinary(): string {
  const name = `node-linux-${process.arch}`;
  let packageFile: string;
  try {
    packageFile = createRequire(import.meta.url).resolve(`${name}/package.json`);
  } catch (cause) {
    throw new LabError("NOT_MADE", `the npm package "${name}" is not installed, run npm ci`, { cause });
  }
  return join(packageFile, "../bin/node");
}

/** Copies what `Dockerfile.frontend` takes from a context to another one, where a test may change it. */
export async function copyContext(from: string, to: string): Promise<void> {
  for (const name of ["dist", "rehearsal", "scripts/image-root.ts"])
    await cp(join(from, name), join(to, name), { recursive: true });
}

/** Throws LabError NOT_MADE when the context has no bundle to put into the image. */
export function checkBundle(context: string): void {
  const bundle = join(context, "dist/frontend.cjs");
  if (!existsSync(bundle)) throw new LabError("NOT_MADE", `there is no "${bundle}", run npm run build`);
}
