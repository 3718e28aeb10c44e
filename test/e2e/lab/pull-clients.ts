// SPDX-License-Identifier: Apache-2.0
import { labDirectory } from "./chroot.ts";
import { type Outcome, run } from "./command.ts";
import { ownRoot } from "./own-root.ts";

/** What one of these clients is run with. */
export interface PullClientOptions {
  /** A directory of the machine that is `/mnt` there, where images are kept; a `registries.conf` in it takes the place of the system's. */
  readonly directory: string;
  readonly timeoutMs: number;
}

/** Clients of registries other than Docker's. */
export type PullClient = "podman" | "buildah";

/** They start themselves anew for their own processes, so they run with their root as `/`. Their network is the machine's. */
const SCRIPT = `#!/bin/sh
root="\${0%/*}/root"
exec setpriv --pdeathsig KILL -- unshare --mount --propagation private -- /bin/sh -c '
  root=$1; shift
  mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/tmp" &&
    mount --rbind /sys "$root/sys" && mount -t tmpfs tmpfs "$root/run" && mount --bind "$1" "$root/mnt" || exit 1
  [ -e "$1/registries.conf" ] && mount --bind "$1/registries.conf" "$root/etc/containers/registries.conf"
  shift
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt chroot "$root" "$@"
' sh "$root" "$@"
`;

/**
 * Runs one of them as Debian builds it; they are installed once in the lab's directory. Its images are plain directories, for which
 * no file system has to be mounted. Throws LabError.
 */
export async function pullClient(
  client: PullClient,
  args: readonly string[],
  { directory, timeoutMs }: PullClientOptions,
): Promise<Outcome> {
  const packages = ["podman", "buildah"];
  const what = "Podman and Buildah";
  const script = await ownRoot({ name: "pull-clients", what, packages, script: SCRIPT }, labDirectory());
  const storage = ["--storage-driver", "vfs", "--root", "/mnt/storage", "--runroot", "/run/storage"];
  return run(script, [directory, client, ...storage, ...args], { timeoutMs });
}
