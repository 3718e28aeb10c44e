// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { LogService, SigningServices } from "../log/signing-config.ts";
import { plainUrl, readLogUrl } from "./address.ts";
import { type FileReading, listed } from "./key.ts";
import { text } from "./schema.ts";

/** An entry of `logs`. */
export const LOG = {
  url: text("the log's address; plain http is for loopback and for `registries` that say so"),
  api: v.optional(
    v.pipe(
      v.picklist([1, 2], "1 or 2"),
      v.description(
        "the version of Rekor's API there; not given, it is what the signing configuration says of this log, or 1",
      ),
    ),
  ),
};

/** Reads the entries of `logs`, or the one of `log`. */
export function readLogs(
  entries: readonly { readonly url: string; readonly api?: 1 | 2 | undefined }[],
  { at, services, url, wrong }: FileReading,
): readonly LogService[] {
  const logs: LogService[] = [];
  for (const [index, { url: written, api }] of entries.entries()) {
    // `log` is one entry without a place in a list.
    const place = at[0] === "log" ? [...at, "url"] : [...at, index, "url"];
    const read = url(place, { text: written, read: readLogUrl });
    if (read !== "" && logs.some((each) => each.url === read)) wrong(place, `"${read}" is there twice`);
    logs.push({ url: read, api: api ?? apiOf(read, services) });
  }
  return logs;
}

/** The API of a log of which nobody says it. */
export function apiOf(url: string, { logs }: SigningServices): 1 | 2 {
  return logs.find((each) => plainUrl(each.url) === plainUrl(url))?.api ?? 1;
}

/** What the floor has against these logs: they are to be the same, in any order. */
export function logsObjection(
  above: readonly LogService[],
  floor: readonly LogService[],
): string | undefined {
  const isIn = (log: LogService, logs: readonly LogService[]) =>
    logs.some(({ url, api }) => plainUrl(url) === plainUrl(log.url) && api === log.api);
  const other = above.find((log) => !isIn(log, floor));
  const missing = floor.find((log) => !isIn(log, above));
  const known = listed(floor.map(shownLog));
  if (other !== undefined) return `"${shownLog(other)}" is not the log ${known}`;
  // A log that is not asked cannot say that a tag moved.
  return missing && `the log "${shownLog(missing)}" is missing: the logs are ${known}`;
}

function shownLog({ url, api }: LogService): string {
  return api === 1 ? url : `${url} (API ${api})`;
}
