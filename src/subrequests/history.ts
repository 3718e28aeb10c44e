// SPDX-License-Identifier: Apache-2.0
import type { CheckContext } from "../check/context.ts";
import { askPlaces } from "../history/asked.ts";
import { isAhead, readMoment } from "../history/moment.ts";
import { diffText, historyText } from "../history/text.ts";
import { statusOf, timelineOf } from "../history/timeline.ts";
import { diffStatus, toldDiff, toldHistory } from "../history/told.ts";
import { type Digest, DigestError, parseDigest } from "../image/digest.ts";
import { formatReference, type Reference, taggedName } from "../image/reference.ts";
import type { LockFile } from "../lock/file.ts";
import { excerpt } from "../log/excerpt.ts";
import type { Commands } from "../policy/commands.ts";
import { textAnswer } from "./answer.ts";
import { RequestError } from "./request.ts";

/**
 * The history of a tag by the build's own policy, lock file and ledgers, and by its log: the encoded Result that answers with a
 * table, and with status 1 where a place could not be read or contradicts another, 3 where no record counts. Or how two of its
 * images differ, with the statuses of `history diff`. Throws RequestError for commands that cannot be answered, and CheckError for
 * a secret that cannot sign.
 */
export async function showHistory(
  { image, at: when, diff }: Pick<Commands, "image" | "at" | "diff">,
  { context, lock }: { readonly context: CheckContext; readonly lock: LockFile | undefined },
): Promise<Uint8Array> {
  const reference = tagIn(image);
  const at = when === undefined ? undefined : momentIn(when, context.now());
  const digests = diff === undefined ? undefined : digestsIn(diff);
  if (at !== undefined && digests !== undefined)
    throw new RequestError(
      "show a history: TLOG_AT is not for TLOG_DIFF, which names the digests; leave one out",
    );
  const { places, ...asked } = await askPlaces({ reference, context, lock, asksLogs: true });
  const name = taggedName(reference);
  if (digests !== undefined) {
    const told = toldDiff(name, places, digests);
    return textAnswer({ text: diffText(told), json: told, status: diffStatus(told) });
  }
  const timeline = timelineOf(places, { ...asked, until: at });
  const told = toldHistory(name, timeline, { ...asked, at });
  return textAnswer({ text: historyText(told), json: told, status: statusOf(timeline) });
}

function tagIn(image: Reference | undefined): Reference {
  if (image === undefined)
    throw new RequestError(
      "show a history: nothing says of which tag; name it with --build-arg TLOG_IMAGE=alpine:3.16.0",
    );
  if (image.tag === undefined || image.digest !== undefined)
    throw new RequestError(
      `show a history: TLOG_IMAGE="${formatReference(image)}" is to be a tag without a digest, as in alpine:3.16.0`,
    );
  return image;
}

function momentIn(text: string, now: Date): Date {
  const moment = readMoment(text);
  if (moment !== undefined && !isAhead(text, now)) return moment;
  const why = moment === undefined ? "is neither a day nor a time" : "is in the future";
  throw new RequestError(
    `show a history: TLOG_AT="${excerpt(text)}" ${why}; write a day as in 2026-03-01, or a time as in 2026-03-01T12:00:00Z`,
  );
}

function digestsIn(text: string): readonly [Digest, Digest] {
  const [one = "", other, extra] = text.split(",");
  try {
    if (other !== undefined && extra === undefined) return [parseDigest(one), parseDigest(other)];
  } catch (error) {
    if (!(error instanceof DigestError)) throw error;
  }
  throw new RequestError(
    `show a history: TLOG_DIFF="${excerpt(text, 200)}" is not two digests, as in sha256:…,sha256:…`,
  );
}
