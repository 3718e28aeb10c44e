// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { conform, type Fail, parseJson } from "../log/foreign-json.ts";

/** A page of tags: as distribution writes it, `null` for none. */
const Page = v.object({
  tags: v.nullish(v.array(v.pipe(v.string(), v.regex(/^\w[\w.-]{0,127}$/, "is not a tag"))), []),
});

/** The tags of a page. Throws what `fail` makes. */
export function tagsIn(bytes: Uint8Array, fail: Fail): readonly string[] {
  return conform(Page, parseJson(bytes, fail), fail, "page of tags").tags ?? [];
}

/** The URL of the next page in a Link header (RFC 8288), as it stands there; undefined when this is the last one. */
export function nextPage(link: string): string | undefined {
  for (const [, target, parameters = ""] of link.matchAll(/<([^<>]*)>((?:\s*;[^,;<>]*)*)/g)) {
    const [, quoted, word = ""] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters) ?? [];
    if ((quoted ?? word).toLowerCase().split(/\s+/).includes("next")) return target;
  }
  return undefined;
}
