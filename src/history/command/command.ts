// SPDX-License-Identifier: Apache-2.0
import { BuildFileError } from "../../build/build-file.ts";
import { useProxies } from "../../courier/server/proxies.ts";
import { type Digest, DigestError, parseDigest } from "../../image/digest.ts";
import {
  canonicalReference,
  ImageReferenceError,
  parseReference,
  type Reference,
  taggedName,
} from "../../image/reference.ts";
import { excerpt } from "../../log/excerpt.ts";
import { SigningConfigError } from "../../log/signing-config.ts";
import {
  type CommandIo,
  EXIT,
  optionsHelp,
  type OptionRow,
  readArguments,
  UsageError,
} from "../../program/command-line.ts";
import { LOCK_FILE } from "../../lock/name.ts";
import { POLICY_FILE } from "../../policy/name.ts";
import { PolicyError } from "../../policy/policy-error.ts";
import { TrustError } from "../../trust/error.ts";
import { type Asked, askPlaces } from "../asked.ts";
import { isAhead, readMoment } from "../moment.ts";
import { diffText, historyText, NARROW, WIDE } from "../text.ts";
import { statusOf, timelineOf } from "../timeline.ts";
import { diffStatus, toldDiff, toldHistory } from "../told.ts";
import { openPlaces, PlaceFileError } from "./places.ts";

const PLACES = {
  json: { does: "print JSON" },
  lock: {
    value: "FILE",
    does: `the lock file; the policy's, or "${LOCK_FILE}" if it is there, when not given`,
  },
  policy: { value: "FILE", does: `the policy; "${POLICY_FILE}" if it is there, when not given` },
  "no-log": { does: "search no log" },
  help: { short: "h", does: "show this" },
} as const satisfies Readonly<Record<string, OptionRow>>;

const OPTIONS = {
  at: {
    value: "WHEN",
    does: 'what was known on a day (its end in UTC), as in "2026-03-01", or at a time (RFC 3339)',
  },
  ...PLACES,
} as const satisfies Readonly<Record<string, OptionRow>>;

const HELP = `Usage: history IMAGE:TAG [options]
       history diff IMAGE:TAG DIGEST DIGEST [options]

Shows which images a tag named, since when, and by whose records: from the lock file, the ledgers and the logs of
the policy. Each record is proven anew. "diff" shows which platforms changed between two of the images.

${optionsHelp(OPTIONS)}
Exit status: 0 when records of the tag count, 1 when a place could not be read or contradicts another, 2 when the
command line or a file of it cannot be used, 3 when no record of the tag counts. For "diff": 3 when a record is
missing, or names no platforms.
`;

/** The command `history`. Resolves with the exit status. Throws UsageError. */
export async function history(args: readonly string[], io: CommandIo): Promise<number> {
  const isDiff = args[0] === "diff";
  const { values, switches, positionals } = readArguments(isDiff ? args.slice(1) : args, OPTIONS);
  if (switches.has("help")) {
    io.stdout.write(HELP);
    return EXIT.well;
  }
  const [image, ...rest] = positionals;
  if (image === undefined) throw new UsageError("no image is given; name a tag as IMAGE:TAG");
  const reference = readTag(image);
  const at = values.at === undefined ? undefined : readAt(values.at, io.now());
  const digests = isDiff ? readDigests(rest) : undefined;
  if (isDiff && at !== undefined) throw new UsageError('"--at" is not for "diff": name the digests');
  const [extra] = isDiff ? [] : rest;
  if (extra !== undefined) throw new UsageError(`one image at a time: "${excerpt(extra)}" is another one`);
  const noProxy = useProxies(io.environment);
  if (noProxy !== undefined) throw new UsageError(noProxy);

  const asked = await ask(reference, {
    io,
    lock: values.lock,
    policy: values.policy,
    asksLogs: !switches.has("no-log"),
  });
  if (io.signal.aborted) {
    io.stderr.write("tlog-dockerfile history: interrupted\n");
    return EXIT.incomplete;
  }
  const name = taggedName(reference);
  const width = Math.min(Math.max(io.stdout.columns ?? NARROW, NARROW), WIDE);
  const write = (told: object, text: string): void =>
    void io.stdout.write(switches.has("json") ? `${JSON.stringify(told, undefined, 2)}\n` : text);
  if (digests !== undefined) {
    const told = toldDiff(name, asked.places, digests);
    write(told, diffText(told, width));
    return diffStatus(told);
  }
  const timeline = timelineOf(asked.places, { isFollowed: asked.isFollowed, until: at });
  const told = toldHistory(name, timeline, { ...asked, at });
  write(told, historyText(told, width));
  return statusOf(timeline);
}

/** Throws UsageError for files and configurations that cannot be used. */
async function ask(
  reference: Reference,
  {
    io,
    asksLogs,
    ...options
  }: {
    readonly io: CommandIo;
    readonly asksLogs: boolean;
    readonly lock: string | undefined;
    readonly policy: string | undefined;
  },
): Promise<Asked> {
  try {
    const opened = await openPlaces(options, io);
    try {
      const { context, lock } = opened;
      return await askPlaces({ reference, context, lock, asksLogs });
    } finally {
      opened.close();
    }
  } catch (error) {
    if (UNUSABLE.some((kind) => error instanceof kind))
      throw new UsageError((error as Error).message, { cause: error });
    throw error;
  }
}

const UNUSABLE = [PlaceFileError, PolicyError, TrustError, SigningConfigError, BuildFileError];

function readTag(text: string): Reference {
  try {
    const reference = canonicalReference(parseReference(text));
    if (reference.tag !== undefined && reference.digest === undefined) return reference;
  } catch (cause) {
    if (!(cause instanceof ImageReferenceError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
  throw new UsageError(`"${excerpt(text)}": write a tag without a digest, IMAGE:TAG; a digest never changes`);
}

function readAt(text: string, now: Date): Date {
  const moment = readMoment(text);
  if (moment === undefined)
    throw new UsageError(
      `"--at": "${excerpt(text)}" is neither a day, as in "2026-03-01", nor a time, as in "2026-03-01T12:00:00Z"`,
    );
  if (isAhead(text, now)) throw new UsageError(`"--at": "${excerpt(text)}" is in the future`);
  return moment;
}

function readDigests([one, other, extra]: readonly string[]): readonly [Digest, Digest] {
  if (one === undefined || other === undefined)
    throw new UsageError('"diff" needs two digests: history diff IMAGE:TAG DIGEST DIGEST');
  if (extra !== undefined) throw new UsageError(`two digests at a time: "${excerpt(extra)}" is a third one`);
  try {
    return [parseDigest(one), parseDigest(other)];
  } catch (cause) {
    if (!(cause instanceof DigestError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}
