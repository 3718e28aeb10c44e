// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { type Digest, parseDigest } from "../image/digest.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { BUNDLE_MEDIA_TYPE } from "../log/entry.ts";
import { excerpt } from "../log/excerpt.ts";
import { isDeeper } from "../log/foreign-json.ts";
import { LockError, type LockErrorCode } from "./error.ts";
import type { TagRecord } from "../record/record.ts";

/** The columns of a line in a lock file that people read; its bundle follows them. */
export interface LockColumns {
  /** The canonical name of the tag, `docker.io/library/alpine:3.16.0`. */
  readonly reference: string;
  /** When the log took the record in: RFC 3339, UTC, whole seconds. */
  readonly loggedAt: string;
  readonly digest: Digest;
  /** The log's host, with port and path if it has them: `rekor.example.org`. */
  readonly log: string;
  readonly logIndex: bigint;
}

/** A line of a lock file. Nothing of it is proven. */
export interface LockedLine extends LockColumns {
  /** The line's number, 1-based. */
  readonly number: number;
  /** The parsed JSON. */
  readonly bundle: unknown;
  /** The whole line, without its end. */
  readonly text: string;
}

const ANY_BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v|\+json;version=)[\d.]+/;
/** A bundle has eight levels. */
const MAX_DEPTH = 16;

const COLUMNS = /^(\S+) (\S+) (\S+) (\S+)#(0|[1-9]\d{0,18}) (\{.*\})$/s;
const LOG_NAME = /^[!-"$-~]{1,255}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** How a lock file names a log: by what its URL has besides the scheme; by its ID when the URL is of no use. */
export function logName({ logUrl, logId }: Pick<TagRecord, "logUrl" | "logId">): string {
  const name = logUrl.replace(/^[a-z]+:\/\//, "").replace(/\/+$/, "");
  return LOG_NAME.test(name) ? name : logId;
}

/** The columns that a record has in a lock file. */
export function columnsOf(record: TagRecord): LockColumns {
  return {
    reference: record.reference,
    loggedAt: `${record.loggedAt.toISOString().slice(0, 19)}Z`,
    digest: record.digest,
    log: logName(record),
    logIndex: record.logIndex,
  };
}

/** The line of a record, without its end: equal columns and equal bundles give equal bytes. */
export function formatLine(columns: LockColumns, bundle: unknown): string {
  const { reference, loggedAt, digest, log, logIndex } = columns;
  // The library would write properties whose value is undefined.
  const plain: unknown = JSON.parse(JSON.stringify(bundle));
  return `${reference} ${loggedAt} ${digest} ${log}#${logIndex} ${json.canonicalize(plain)}`;
}

/** A line's key: the tag and the log's entry that it is about. */
export function entryKey({ reference, log, logIndex }: LockColumns): string {
  return `${reference} ${log}#${logIndex}`;
}

/** Reads one line, strictly: every column and the bundle have one spelling. Throws LockError. */
export function parseLine(text: string, file: string, number: number): LockedLine {
  const fail = (code: LockErrorCode, why: string, cause?: unknown) =>
    new LockError(code, `read "${file}", line ${number}: ${why}`, { line: number, cause });
  const [, reference = "", loggedAt = "", digest = "", log = "", index = "", bundleText = ""] =
    COLUMNS.exec(text) ?? [];
  if (bundleText === "") {
    throw fail(
      "bad-line",
      `"${excerpt(text, 60)}" is not a tag, a time, a digest, a log's name and index, and a bundle, one space between each; take the line from where it was right, or delete it and update the file`,
    );
  }
  const columns = {
    reference: readTag(reference, fail),
    loggedAt: readTime(loggedAt, fail),
    digest: readDigest(digest, fail),
    log,
    logIndex: BigInt(index),
  };
  if (!LOG_NAME.test(log)) throw fail("bad-line", `"${excerpt(log)}" is not the name of a log`);
  const bundle = readBundle(bundleText, fail);
  return { ...columns, number, bundle, text };
}

type Fail = (code: LockErrorCode, why: string, cause?: unknown) => LockError;

function readTag(text: string, fail: Fail): string {
  try {
    const reference = parseReference(text);
    if (formatReference(reference) === text && reference.tag !== undefined && reference.digest === undefined)
      return text;
  } catch (cause) {
    throw fail("bad-line", `"${excerpt(text)}" is not the name of a tag`, cause);
  }
  throw fail(
    "bad-line",
    `"${excerpt(text)}" is not the whole name of a tag, such as "docker.io/library/alpine:3.16.0"`,
  );
}

function readTime(text: string, fail: Fail): string {
  const time = new Date(text);
  // JavaScript rolls the 30th of February over into March.
  if (TIME.test(text) && !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text.slice(0, 19)))
    return text;
  throw fail("bad-line", `"${excerpt(text)}" is not a time such as "2022-06-28T13:30:02Z"`);
}

function readDigest(text: string, fail: Fail): Digest {
  try {
    return parseDigest(text);
  } catch (cause) {
    throw fail("bad-line", `"${excerpt(text)}" is not a digest`, cause);
  }
}

function readBundle(text: string, fail: Fail): unknown {
  let bundle: unknown;
  try {
    bundle = JSON.parse(text);
  } catch (cause) {
    throw fail("bad-bundle", "its bundle is not JSON", cause);
  }
  const mediaType = hasMediaType(bundle) ? bundle.mediaType : undefined;
  if (mediaType !== BUNDLE_MEDIA_TYPE) {
    const said = typeof mediaType === "string" ? excerpt(mediaType) : "";
    throw ANY_BUNDLE.test(said)
      ? fail(
          "newer-bundle",
          `its bundle is of the kind "${said}", and this version reads "${BUNDLE_MEDIA_TYPE}" only`,
        )
      : fail("bad-bundle", "its last column is no Sigstore bundle");
  }
  if (isDeeper(bundle, MAX_DEPTH)) throw fail("bad-bundle", `its bundle has more than ${MAX_DEPTH} levels`);
  // Another spelling is an edit, and tools differ in how they read an object that has a name twice.
  if (json.canonicalize(bundle) !== text)
    throw fail("bad-bundle", "its bundle is not in the one spelling that it was written in (canonical JSON)");
  return bundle;
}

function hasMediaType(value: unknown): value is { readonly mediaType: unknown } {
  return typeof value === "object" && value !== null && "mediaType" in value;
}
