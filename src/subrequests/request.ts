// SPDX-License-Identifier: Apache-2.0
import { isSbomWanted } from "../gateway/options.ts";
import { excerpt } from "../log/excerpt.ts";
import { formatReference } from "../image/reference.ts";
import type { Commands } from "../policy/commands.ts";

/** A question that is asked with `docker buildx build --call NAME` and answered with text instead of an image. */
export interface TextRequest {
  /** As it arrives in the option `requestid`; people write it without `frontend.`. */
  readonly id: string;
  readonly description: string;
  /** The options that make a difference to it. */
  readonly options: readonly { readonly name: string; readonly description: string }[];
}

const TARGET = { name: "target", description: "Stage to check" };
const PLATFORM = { name: "platform", description: "Platforms to check" };
const BUILT = [TARGET, PLATFORM];

/** The questions that this frontend answers besides those of the standard one. */
export const TEXT_REQUESTS = {
  check: {
    id: "frontend.tlog",
    description: "Check every image of the build against the transparency log, without building",
    options: [
      ...BUILT,
      { name: "build-arg:TLOG_APPROVE", description: "Image that is approved in the log: name:tag@digest" },
      { name: "build-arg:TLOG_REASON", description: "Why it is approved, for the log" },
    ],
  },
  policy: {
    id: "frontend.tlog.policy",
    description: "Show the policy in effect, and where each part of it comes from",
    options: [],
  },
  lock: {
    id: "frontend.tlog.lock",
    description: "Print the lock file with the evidence for every image of the build",
    options: [
      ...BUILT,
      { name: "build-arg:TLOG_LOCK", description: '"check": fail when the lock file is not up to date' },
    ],
  },
  verify: {
    id: "frontend.tlog.verify",
    description: "Check the evidence that a built image carries about its base images",
    options: [{ name: "build-arg:TLOG_IMAGE", description: "Image to verify" }],
  },
  history: {
    id: "frontend.tlog.history",
    description: "Show what a tag named when, by the lock file, the ledgers and the log",
    options: [
      { name: "build-arg:TLOG_IMAGE", description: "Tag to show the history of" },
      { name: "build-arg:TLOG_AT", description: "Day or time that is asked about: 2026-03-01" },
      { name: "build-arg:TLOG_DIFF", description: "Two digests to compare: sha256:…,sha256:…" },
    ],
  },
  sourcePolicy: {
    id: "frontend.tlog.source-policy",
    description: "Print a BuildKit source policy that pins every image of the build",
    options: BUILT,
  },
  regoData: {
    id: "frontend.tlog.rego-data",
    description: "Print the images of the build as data for policies in Rego",
    options: BUILT,
  },
} as const satisfies Readonly<Record<string, TextRequest>>;

/** BuildKit's own question for the list of all questions. */
export const DESCRIBE = "frontend.subrequests.describe";

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
export function ownRequest(
  options: Options,
  { approve, lock, image, at, diff }: Commands,
): OwnRequest | undefined {
  const id = options["requestid"];
  const [request] = Object.entries(TEXT_REQUESTS).find(([, each]) => each.id === id) ?? [];
  const own = request as OwnRequest | undefined;
  if (approve !== undefined && own !== "check" && lock !== "update") {
    throw new RequestError(
      `TLOG_APPROVE=${formatReference(approve)} is for "docker buildx build --call tlog", or beside TLOG_LOCK=update: a build that had it among its arguments would approve the image again after somebody took that back`,
    );
  }
  if (image !== undefined && own !== "verify" && own !== "history")
    throw new RequestError(
      'TLOG_IMAGE is for "docker buildx build --call tlog.verify" and "--call tlog.history" alone',
    );
  if ((at ?? diff) !== undefined && own !== "history")
    throw new RequestError('TLOG_AT and TLOG_DIFF are for "docker buildx build --call tlog.history" alone');
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
  if (own !== undefined && !isOfNoImage(own)) refuseLinked(options);
  return own;
}

/** Whether a request is answered without the images of the build. */
export function isOfNoImage(request: OwnRequest | undefined): boolean {
  return request === "policy" || request === "verify" || request === "history";
}

/**
 * Throws RequestError for a target of bake that is built on others: of a question buildx makes no image that another one could
 * have as its context, and the standard conversion would say only that it does not know such a context.
 */
function refuseLinked(options: Options): void {
  const [key, value] = Object.entries(options).find(
    ([name, each]) => name.startsWith("context:") && each.startsWith("target:"),
  ) ?? ["", ""];
  if (key === "") return;
  const context = excerpt(key.slice("context:".length));
  const target = excerpt(value.slice("target:".length));
  throw new RequestError(
    `context "${context}" is the bake target "${target}", which "bake --call" does not build: ask about "${target}" alone, and build this target with "--metadata-file FILE", which has the report of all of its images`,
  );
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
