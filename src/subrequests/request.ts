// SPDX-License-Identifier: Apache-2.0
import { DESCRIBE, TEXT_REQUESTS } from "./text-requests.ts";
import { isSbomWanted } from "../gateway/options.ts";
import { formatReference } from "../image/reference.ts";
import type { Commands } from "../policy/build-args.ts";

/** A text request that is ours to answer. */
export type OwnRequest = keyof typeof TEXT_REQUESTS;

type Options = Readonly<Record<string, string>>;

/** A request that contradicts itself. The message says what to do instead. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}

/**
 * The request of ours among a build's options; undefined for a build, or a request of the standard frontend. Throws
 * RequestError for commands that have no place in it: nothing is approved by the way, and nothing updated unseen.
 */
export function ownRequest(options: Options, { approve, lock, image }: Commands): OwnRequest | undefined {
  const id = options["requestid"];
  const [request] = Object.entries(TEXT_REQUESTS).find(([, each]) => each.id === id) ?? [];
  const own = request as OwnRequest | undefined;
  if (approve !== undefined && own !== "check" && lock !== "update") {
    throw new RequestError(
      `TLOG_APPROVE=${formatReference(approve)} is for "docker buildx build --call tlog", or beside TLOG_LOCK=update: a build that had it among its arguments would approve whatever the tag names then`,
    );
  }
  if (image !== undefined && own !== "verify")
    throw new RequestError('TLOG_IMAGE is for "docker buildx build --call tlog.verify" alone');
  if (lock === "update" && id !== undefined)
    throw new RequestError(
      'TLOG_LOCK=update is for "docker buildx build --build-arg TLOG_LOCK=update -o . ." without --call',
    );
  if (lock === "update" && isSbomWanted(options))
    throw new RequestError(
      "TLOG_LOCK=update goes without --sbom: its result is one file, and BuildKit would run the generator by its tag to look into it",
    );
  if (lock === "check" && own !== "lock")
    throw new RequestError('TLOG_LOCK=check is for "docker buildx build --call tlog.lock" alone');
  return own;
}

/** The options with which the Dockerfile is converted as for a build, when the request is ours. */
export function withoutRequest(options: Options, request: OwnRequest | undefined): Options {
  if (request === undefined) return options;
  const { requestid: _, ...others } = options;
  return others;
}

/** Questions about a Dockerfile that the conversion answers with text alone. */
const STANDARD_TEXTS = new Set(["frontend.lint", "frontend.outline", "frontend.targets", DESCRIBE]);

/** Whether a build's options ask for such a text. */
export function isStandardText(options: Options): boolean {
  return STANDARD_TEXTS.has(options["requestid"] ?? "");
}
