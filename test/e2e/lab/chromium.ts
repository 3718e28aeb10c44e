// SPDX-License-Identifier: Apache-2.0
import { labDirectory } from "./chroot.ts";
import { ownRoot } from "./own-root.ts";

/**
 * Chromium starts itself anew for its own processes, by the path of its program. So it runs with its root as `/`; what it mounts ends
 * with it. The pipes by which it is told what to do, and the loopback network, are the machine's.
 */
const SCRIPT = `#!/bin/sh
root="\${0%/*}/root"
exec setpriv --pdeathsig KILL -- unshare --mount --propagation private -- /bin/sh -c '
  root=$1; shift
  mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/tmp" || exit 1
  exec chroot "$root" /usr/bin/chromium-headless-shell "$@"
' sh "$root" "$@"
`;

/**
 * The path of a script that runs Chromium without a window, as Debian builds it, with these arguments; it is installed once in the
 * lab's directory. It writes nothing outside of a directory that ends with it. Throws LabError NOT_POSSIBLE or NOT_MADE.
 */
export async function chromium(labDir = labDirectory()): Promise<string> {
  const packages = ["chromium-headless-shell", "fonts-dejavu-core"];
  return ownRoot({ name: "chromium", what: "Chromium", packages, script: SCRIPT }, labDir);
}
