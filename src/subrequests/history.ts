// SPDX-License-Identifier: Apache-2.0
import type { CheckContext } from "../check/context.ts";
import { askPlaces } from "../history/asked.ts";
import { historyText } from "../history/text.ts";
import { statusOf, timelineOf } from "../history/timeline.ts";
import { toldHistory } from "../history/told.ts";
import { formatReference, type Reference, taggedName } from "../image/reference.ts";
import type { LockFile } from "../lock/file.ts";
import { textAnswer } from "./answer.ts";
import { RequestError } from "./request.ts";

/**
 * The history of a tag by the build's own policy, lock file and ledgers, and by its log: the encoded Result that answers with a
 * table, and with status 1 where a place could not be read or contradicts another, 3 where no record counts. Throws
 * RequestError for an image that is no tag, and CheckError for a secret that cannot sign.
 */
export async function showHistory(
  image: Reference | undefined,
  { context, lock }: { readonly context: CheckContext; readonly lock: LockFile | undefined },
): Promise<Uint8Array> {
  if (image === undefined)
    throw new RequestError(
      "show a history: nothing says of which tag; name it with --build-arg TLOG_IMAGE=alpine:3.16.0",
    );
  if (image.tag === undefined || image.digest !== undefined)
    throw new RequestError(
      `show a history: TLOG_IMAGE="${formatReference(image)}" is to be a tag without a digest, as in alpine:3.16.0`,
    );
  const { places, ...asked } = await askPlaces({ reference: image, context, lock, asksLogs: true });
  const timeline = timelineOf(places, asked);
  const told = toldHistory(taggedName(image), timeline, asked);
  return textAnswer({ text: historyText(told), json: told, status: statusOf(timeline) });
}
