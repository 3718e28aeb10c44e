// SPDX-License-Identifier: Apache-2.0
import { HEAD_PREDICATE_TYPE } from "../ledger/head.ts";
import type { Signer, TrustedSigner } from "../record/signer.ts";
import type { TagRecord } from "../record/record.ts";
import { SIGHTING_PREDICATE_TYPE } from "../record/statement.ts";
import { LEDGER_TAG } from "../ledger/layout.ts";
import { shellArgument, webUrl } from "./markup.ts";

/** The options by which cosign is told who signed; undefined for a pattern, which it would need as a regular expression. */
function signerOptions(signer: TrustedSigner): string | undefined {
  switch (signer.kind) {
    case "key":
      return `--key ${signer.fingerprint.slice("sha256:".length)}.pub`;
    case "identity":
      return `--certificate-identity ${shellArgument(signer.identity)} --certificate-oidc-issuer ${shellArgument(signer.issuer)}`;
    case "identity-pattern":
      return undefined;
  }
}

function attestation(type: string, { bundle, signer }: { bundle: string; signer: string }): string[] {
  return [
    `cosign verify-blob-attestation --bundle ${bundle} --trusted-root trusted_root.json \\`,
    `  --type ${type} \\`,
    `  ${signer} tag.txt`,
  ];
}

/** How others prove a record without us: by its bundle, and in the log. */
export function recordCommands(
  { reference, logUrl, logIndex, bundle, signer }: TagRecord,
  file: string,
): readonly string[] {
  const proof = attestation(SIGHTING_PREDICATE_TYPE, { bundle: file, signer: signerOptions(signer) ?? "" });
  const server = webUrl(logUrl);
  // Only Rekor v1 can be asked for an entry.
  const isSearched = bundle?.verificationMaterial.tlogEntries[0].kindVersion.kind !== "hashedrekord";
  return [
    `printf %s ${shellArgument(reference)} > tag.txt     # the tag's name, without a line feed`,
    ...proof,
    ...(server !== undefined && isSearched
      ? [`rekor-cli get --rekor_server ${shellArgument(server)} --log-index ${logIndex}`]
      : []),
  ];
}

/** How others prove the ledger's head; undefined when only a pattern of its signer is known. */
export function headCommands(ledger: string, signer: TrustedSigner | Signer): readonly string[] | undefined {
  const options = signerOptions(signer);
  if (options === undefined) return undefined;
  return [
    `printf %s ${shellArgument(`${ledger}:${LEDGER_TAG}`)} > tag.txt     # the ledger's name, without a line feed`,
    ...attestation(HEAD_PREDICATE_TYPE, { bundle: "head.sigstore.json", signer: options }),
  ];
}

/** How a build is made of the image of a tag by its digest, whatever the tag names. */
export function buildCommands({ reference, digest }: TagRecord): readonly string[] {
  const pinned = `${reference}@${digest}`;
  return [
    `docker buildx imagetools inspect ${shellArgument(pinned)}`,
    `echo ${shellArgument(`FROM ${pinned}`)} | docker buildx build -f - .`,
    `docker buildx build --build-context ${shellArgument(`${reference}=docker-image://${pinned}`)} .`,
  ];
}

/** How a log is searched for all that it has of a tag. */
export function searchCommands(name: string): readonly string[] {
  return [`rekor-cli search --sha "$(printf %s ${shellArgument(name)} | sha256sum | cut -d' ' -f1)"`];
}
