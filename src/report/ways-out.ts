// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import { familiarName, type Reference } from "../image/reference.ts";
import type { Record } from "../record/verification.ts";

/** What goes below a line that announces it, such as a command. */
const INDENT = "  ";

/** Name the tag with the digest that its record has: it is built whatever the tag names. */
export function keepRecorded(image: Reference, record: Record): string[] {
  return ["keep the recorded image:", `${INDENT}FROM ${familiarName({ ...image, digest: record.digest })}`];
}

/** Log that the new image is as good as the old: holds for everybody who trusts the one who signs it. */
export function approve({ registry, repository, tag = "latest" }: Reference, record: Record): string[] {
  // Who recorded the tag without a key has none to approve with.
  const secret =
    record.signer.kind === "key" ? "id=tlog-signing-key,src=key.pem" : "id=tlog-identity-token,src=token";
  return [
    "accept the new image for all builds that trust you:",
    `${INDENT}docker buildx build --call tlog \\`,
    `${INDENT}  --build-arg TLOG_APPROVE=${familiarName({ registry, repository })}:${tag} \\`,
    `${INDENT}  --secret ${secret} .`,
  ];
}

/** Have all tags of the Dockerfile recorded, and their records beside it. */
export function updateLockFile(saying: string): string[] {
  return [`${saying}:`, `${INDENT}docker buildx build --build-arg TLOG_LOCK=update -o . .`];
}

/** Name the image by digest alone: there is nothing to check then. */
export function takeByDigest(
  { registry, repository }: Reference,
  { digest, saying }: { readonly digest: Digest | undefined; readonly saying: string },
): string[] {
  if (digest === undefined) return [];
  return [`${saying}:`, `${INDENT}FROM ${familiarName({ registry, repository, digest })}`];
}
