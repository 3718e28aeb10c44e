// SPDX-License-Identifier: Apache-2.0
import { CallError, errorStatus, type SourceSnippet } from "../gateway/status.ts";
import { formatReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { refusalMessage } from "../report/messages.ts";
import { BuildRefused } from "./respond.ts";

/** Errors of ours whose message is made for the person at the terminal. */
const TOLD_AS_THEY_ARE = new Set([
  "BuildFileError",
  "CheckError",
  "ContainerError",
  "ConversionError",
  "CourierError",
  "DefinitionError",
  "EngineError",
  "EvidenceError",
  "GateError",
  "ImageReferenceError",
  "LockError",
  "PolicyError",
  "RequestError",
  "ResultError",
  "SingleFileError",
  "SigningConfigError",
  "TrustError",
  "TrustUpdateError",
  "VerificationError",
]);

/** The encoded google.rpc.Status that ends a build which failed with this error. Never throws. */
export function failureStatus(error: unknown): Uint8Array {
  if (error instanceof BuildRefused)
    return errorStatus(refusalMessage(error.judgements, error.told), snippets(error));
  // BuildKit's own words about a Dockerfile go back as they came, so that they look as they do without us.
  if (error instanceof CallError) return error.status;
  if (error instanceof Error && TOLD_AS_THEY_ARE.has(error.name))
    return errorStatus(`tlog-dockerfile: ${error.message}`);
  // The engine's log is where the defect can be read in full; the terminal gets one line of it.
  console.error(error);
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return errorStatus(
    `tlog-dockerfile failed, and so the build is refused (this is a defect of it, please report it): ${excerpt(said, 500)}`,
  );
}

/** The Dockerfile lines of the refused images, the first image's last: the client prints them in reverse. */
function snippets({ judgements, images }: BuildRefused): SourceSnippet[] {
  const refused = new Set(judgements.map(({ reference }) => formatReference(reference)));
  return images
    .filter(({ reference }) => refused.has(formatReference(reference)))
    .flatMap(({ locations }) => locations)
    .map(({ filename, data, language, start, end }) => ({
      filename,
      data,
      language,
      ranges: [{ start, end }],
    }))
    .toReversed();
}
