// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import { failureByStatus } from "../../log/json-api.ts";
import { Failure } from "./failure.ts";
import { followRedirects, shownUrl } from "./http.ts";

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

const LOOPBACK = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/**
 * A file's bytes, or undefined when the mirror has none of this name (404). No credentials are sent, and redirects are
 * followed only on the mirror's own origin. Throws Failure.
 */
export async function fetchMirrorFile(file: MirrorFile, signal: AbortSignal): Promise<Buffer | undefined> {
  const url = fileUrl(file);
  const { answer, from } = await followRedirects(
    { method: "GET", url, maxBytes: file.maxBytes, signal },
    (next) =>
      next.origin === url.origin && next.username === "" && next.password === ""
        ? undefined
        : "which is not the mirror that was named",
  );
  const { status, bytes } = answer;
  if (status === 200) return bytes;
  if (status === 404) return undefined;
  throw new Failure(failureByStatus(status), `GET ${shownUrl(from)}: status ${status}: "${excerpt(bytes)}"`);
}

function fileUrl({ mirror, path, plainHttp = false }: MirrorFile): URL {
  const base = URL.parse(mirror);
  // Only the host is shown: the rest of such a URL may hold credentials.
  const refused = (why: string) =>
    new Failure("refused", `mirror with host "${excerpt(base?.host ?? "")}" ${why}`);
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
    throw new Failure("refused", `"${excerpt(path)}" is not the name of a file of a TUF repository`);
  }
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return new URL(path, base);
}
