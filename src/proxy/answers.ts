// SPDX-License-Identifier: Apache-2.0
import { formatReference, taggedName } from "../image/reference.ts";
import { BUNDLE_MEDIA_TYPE } from "../log/entry.ts";
import { excerpt } from "../log/excerpt.ts";
import { messageUrl } from "../report/messages.ts";
import { textsOf } from "../report/message-table.ts";
import { type Asked, BUNDLES } from "./asked.ts";
import { ProxyError } from "./error.ts";
import { type AskedTag, type JudgedTag, recordBehind, type TagJudge } from "./judging.ts";
import type { UpstreamManifest, Upstreams } from "./upstreams.ts";

/** An answer that is whole before it is sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

/** What answering takes. */
export interface Answering {
  readonly judge: TagJudge;
  readonly upstreams: Upstreams;
  readonly signal: AbortSignal;
}

type Of<Kind extends Asked["kind"]> = Extract<Asked, { readonly kind: Kind }>;

/** The manifest of a tag, after the tag was judged; `accept` is the client's header. Throws ProxyError. */
export async function answerTag(
  asked: Of<"tag">,
  accept: string | undefined,
  { judge, upstreams, signal }: Answering,
): Promise<Answer> {
  const judged = await judge.judge(asked);
  if (judged === undefined) throw unknownManifest(taggedName(asked));
  const headers = recordHeaders(asked, judged);
  const { judgement, digest } = judged;
  if (judgement.outcome === "refuse") throw refusal(judged, headers);
  const manifest = await upstreams.manifest({ ...asked, digest }, signal);
  if (manifest === undefined) throw unknownManifest(formatReference({ ...asked, digest }));
  return manifestAnswer(manifest, { accept, headers, name: taggedName(asked) });
}

/** The manifest of a digest: there is no tag in it that could move. Throws ProxyError. */
export async function answerManifest(
  asked: Of<"manifest">,
  accept: string | undefined,
  { upstreams, signal }: Answering,
): Promise<Answer> {
  const name = formatReference(asked);
  const manifest = await upstreams.manifest(asked, signal);
  if (manifest === undefined) throw unknownManifest(name);
  return manifestAnswer(manifest, { accept, headers: {}, name });
}

/** The bundle that proves the record behind a tag, which anybody can verify. Throws ProxyError. */
export async function answerBundle(asked: Of<"bundle">, { judge }: Answering): Promise<Answer> {
  const judged = await judge.judge(asked);
  const bundle = judged && recordBehind(judged)?.bundle;
  if (judged === undefined || bundle === undefined)
    throw new ProxyError("MANIFEST_UNKNOWN", `there is no bundle about "${taggedName(asked)}"`);
  return {
    status: 200,
    headers: { ...recordHeaders(asked, judged), "content-type": BUNDLE_MEDIA_TYPE },
    body: JSON.stringify(bundle),
  };
}

function manifestAnswer(
  { bytes, mediaType, digest }: UpstreamManifest,
  {
    accept,
    headers,
    name,
  }: {
    readonly accept: string | undefined;
    readonly headers: Readonly<Record<string, string>>;
    readonly name: string;
  },
): Answer {
  if (!takes(accept, mediaType))
    throw new ProxyError(
      "MANIFEST_UNKNOWN",
      `"${name}" is of the type "${mediaType}", which the client does not take`,
      { headers },
    );
  return {
    status: 200,
    headers: {
      ...headers,
      "content-type": mediaType,
      "docker-content-digest": digest,
      vary: "Accept",
    },
    body: bytes,
  };
}

/** Whether a client takes a media type, by its Accept header; without one it takes any. */
export function takes(accept: string | undefined, mediaType: string): boolean {
  if (accept === undefined || accept.trim() === "") return true;
  const [main = ""] = mediaType.split("/", 1);
  return accept.split(",").some((part) => {
    const [range = "", ...parameters] = part.split(";").map((each) => each.trim().toLowerCase());
    if (parameters.some((each) => /^q=0(?:\.0*)?$/.test(each))) return false;
    return range === "*/*" || range === `${main}/*` || range === mediaType.toLowerCase();
  });
}

/** What is said of the record behind a tag, as tlogistry said it, and where its bundle is. */
function recordHeaders(tag: AskedTag, judged: JudgedTag): Record<string, string> {
  const { verdict, outcome } = judged.judgement;
  const { name, trouble, line } = textsOf(judged.judgement);
  const record = recordBehind(judged);
  return {
    "tlog-verdict": verdict.kind,
    ...(outcome === "warn" && { warning: `299 - "${quotable(`${name}: ${trouble?.short ?? line}`)}"` }),
    ...(record && {
      "tlog-integratedtime": `${record.loggedAt.toISOString().slice(0, 19)}Z`,
      "tlog-logindex": String(record.logIndex),
      ...(record.uuid !== undefined && { "tlog-uuid": record.uuid }),
      "tlog-first-seen": String(verdict.kind === "first-seen"),
      ...(record.bundle && {
        link: `<${bundlePath(tag)}>; rel="describedby"; type="${BUNDLE_MEDIA_TYPE}"`,
      }),
    }),
  };
}

function bundlePath({ registry, repository, tag }: AskedTag): string {
  return `${BUNDLES}${registry}/${repository}/${tag}`;
}

/** What the client is told instead of an image. `docker pull` shows code and message. */
function refusal({ judgement }: JudgedTag, headers: Readonly<Record<string, string>>): ProxyError {
  const { verdict, rule } = judgement;
  const { name, line, trouble } = textsOf(judgement);
  const reason = "reason" in verdict ? verdict.reason : undefined;
  const detail = {
    verdict: verdict.kind,
    ...(reason !== undefined && { reason }),
    rule: `${rule.source}: ${rule.why}`,
    more: messageUrl(name),
  };
  // Nobody said that the image is wrong, and asking again may help.
  const code = verdict.kind === "unknown" ? "UNAVAILABLE" : "TAG_INVALID";
  return new ProxyError(code, trouble?.headline ?? line, { headers, detail });
}

function unknownManifest(name: string): ProxyError {
  return new ProxyError("MANIFEST_UNKNOWN", `the registry has no "${name}"`);
}

/** Text for a quoted string in a header. */
function quotable(text: string): string {
  return printable(text).replaceAll(/["\\]/g, "'");
}

/** Text for a header or a status line: printable ASCII, and not too much of it. */
export function printable(text: string): string {
  return excerpt(text, 500).replaceAll(/[^ -~]/g, "?");
}
