// SPDX-License-Identifier: Apache-2.0
import { sha256 } from "../image/digest.ts";
import { LogEntryError, parseLogEntry } from "../log/entry.ts";
import { identityOf } from "./certificate.ts";
import { placeOf, readKind } from "./candidate.ts";
import { RecordError } from "./error.ts";
import { readIntotoBody } from "./logged-body.ts";
import type { TrustedIdentity } from "./signer.ts";

/**
 * Whom the certificate names that signed this statement in this entry; undefined when the entry is another's or was
 * signed with a key. What an authority makes of a token's claims is known for certain only from there. Nothing is
 * proven here: that is for the history to do.
 */
export function certifiedSigner(
  { uuid, entry }: { readonly uuid: string; readonly entry: unknown },
  statement: Uint8Array,
): TrustedIdentity | undefined {
  try {
    const logged = parseLogEntry(uuid, entry);
    const { payloadHash, verifier } = readIntotoBody(readKind(logged), placeOf(logged));
    if (verifier.label !== "CERTIFICATE" || sha256(statement) !== `sha256:${payloadHash}`) return undefined;
    const named = identityOf(verifier.der);
    return named === undefined ? undefined : { kind: "identity", ...named };
  } catch (error) {
    if (error instanceof RecordError || error instanceof LogEntryError) return undefined;
    throw error;
  }
}
