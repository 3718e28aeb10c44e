// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { HttpError, sendHttp, shownUrl } from "./http.ts";

/** Which file of which mirror. */
export interface MirrorFile {
  /** The URL below which the files are. */
  readonly mirror: string;
  /** Names with slashes between, without `.` or `..`. */
  readonly path: string;
  /** Whether it may be asked over http although it is not this machine. */
  readonly plainHttp?: boolean | undefined;
  /** The largest file that is read. */
  readonly maxBytes: number;
}

/** Why a mirror has no file for us; the codes are those of the protocol. */
export class MirrorError extends Error {
  override readonly name = "MirrorError";
  readonly code: "refused" | "unreachable" | "bad-answer";
  constructor(code: MirrorError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const MAX_REDIRECTS = 3;
const LOOPBACK = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/**
 * A file's bytes, or undefined when the mirror has none of this name (404). Nobody's credentials are sent, and
 * redirects are followed only on the mirror's own origin. Throws MirrorError and HttpError.
 */
export async function fetchMirrorFile(file: MirrorFile, signal: AbortSignal): Promise<Buffer | undefined> {
  const start = fileUrl(file);
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const { status, headers, bytes } = await get(url, file.maxBytes, signal);
    const what = `GET ${shownUrl(url)}: status ${status}`;
    if (status === 200) return bytes;
    if (status === 404) return undefined;
    const location = headers["location"];
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      const code = status === 429 || status >= 500 ? "unreachable" : status >= 400 ? "refused" : "bad-answer";
      throw new MirrorError(code, `${what}: "${excerpt(bytes)}"`);
    }
    const next = URL.parse(location, url.href);
    if (next === null) throw new MirrorError("bad-answer", `${what}: redirects to what is no URL`);
    if (next.origin !== start.origin || next.username !== "" || next.password !== "") {
      throw new MirrorError(
        "bad-answer",
        `${what}: redirects to "${shownUrl(next)}", which is not the mirror that was named`,
      );
    }
    if (redirects === MAX_REDIRECTS) {
      throw new MirrorError("bad-answer", `${what}: redirects more than ${MAX_REDIRECTS} times`);
    }
    url = next;
  }
}

function fileUrl({ mirror, path, plainHttp = false }: MirrorFile): URL {
  const base = URL.parse(mirror);
  // Only the host is shown: anything else of a URL like this may be somebody's credentials.
  const refused = (why: string) =>
    new MirrorError("refused", `mirror with host "${excerpt(base?.host ?? "")}" ${why}`);
  if (base === null) throw refused("is not a URL");
  if (base.username !== "" || base.password !== "") throw refused("has credentials in it; remove them");
  if (base.search !== "" || base.hash !== "") throw refused("is not of the form https://HOST/PATH");
  const isPlain = base.protocol === "http:" && (plainHttp || LOOPBACK.test(base.hostname));
  if (base.protocol !== "https:" && !isPlain) {
    throw refused(
      "is not asked: it is not https, and plain http is for this machine and for hosts that the policy names for it",
    );
  }
  if (!path.split("/").every((part) => /^[\w-][\w.-]*$/.test(part))) {
    throw new MirrorError("refused", `"${excerpt(path)}" is not the name of a file of a TUF repository`);
  }
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return new URL(path, base);
}

async function get(url: URL, maxBytes: number, signal: AbortSignal): ReturnType<typeof sendHttp> {
  try {
    return await sendHttp({ method: "GET", url, maxBytes, signal });
  } catch (cause) {
    if (cause instanceof HttpError && cause.code === "too-large") {
      throw new MirrorError("bad-answer", cause.message, { cause });
    }
    throw cause;
  }
}
