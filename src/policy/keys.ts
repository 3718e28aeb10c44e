// SPDX-License-Identifier: Apache-2.0
import { formatReference, ImageReferenceError, parseReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import type { Trust } from "../record/signer.ts";
import {
  mayUsePlainHttp,
  readLogUrl,
  readHosts,
  readRegistries,
  readServiceUrl,
  REGISTRY,
  type RegistryAccess,
} from "./address.ts";
import { type FileReading, fixed, type Key, key, listed, ordered, quoted, same } from "./key.ts";
import { LOG, logsObjection, readLogs } from "./logs.ts";
import { choose, WrongValue } from "./near-miss.ts";
import { isArg } from "./policy-error.ts";
import { PART_KEYS, PROFILES } from "./rule.ts";
import { choice, flag, list, mapping, number, text } from "./schema.ts";
import { readSigners, SIGNER, trustObjection } from "./trust.ts";

/** When the log is asked whether it contradicts the lock file, the loosest first. */
const RECHECKS = ["never", "daily", "always"] as const;
export type Recheck = (typeof RECHECKS)[number];

/** Whether a syntax image that a Dockerfile names may convert it, the loosest first. */
const SYNTAX = ["allow", "block"] as const;
export type Syntax = (typeof SYNTAX)[number];

const MAX_PATH = 255;
const MAX_TIMEOUT_S = 600;

/** The table of keys. Schema, values, floor, printed policy and reference follow from it, in this order. */
export const KEYS = {
  profile: key({
    at: ["profile"],
    schema: choice(
      PROFILES,
      "the set of defaults: `default` goes by the shape of tags, `strict` blocks every tag that moved, `observe` is `default` and stops no build",
    ),
    read: same,
    floor: ordered("profile", PROFILES),
    arg: { name: "TLOG_PROFILE", read: (value) => choose(value, PROFILES) },
  }),
  /** The log to write to comes first. */
  logs: key({
    at: ["logs"],
    schema: list(mapping(LOG, "one log"), {
      description: "the logs that are asked; the first is written to",
    }),
    read: readLogs,
    floor: { freedBy: "logs", objection: logsObjection },
  }),
  fulcio: key({
    at: ["signing", "fulcio"],
    schema: text(
      "the certificate authority (Fulcio) that is asked when a build signs with an identity token",
    ),
    read: (value, { at, url }) => url(at, { text: value, read: readLogUrl }),
    floor: fixed<string>("signing", { what: "certificate authority" }),
    arg: { name: "TLOG_FULCIO_URL", read: (value, url) => url(value) },
  }),
  timestamps: key({
    at: ["signing", "timestamps"],
    schema: list(text("the whole address to which requests for timestamps are posted (RFC 3161)"), {
      description: "the timestamp authorities that vouch for the time of records in logs of API 2",
    }),
    read: (value, { at, url }): readonly string[] =>
      value.map((each, index) => url([...at, index], { text: each, read: readServiceUrl })),
    floor: {
      freedBy: "signing",
      objection: (above: readonly string[], floor: readonly string[]) =>
        above.length === floor.length && above.every((each) => floor.includes(each))
          ? undefined
          : `${listed(above)} is not the timestamp authority ${listed(floor)}`,
    },
  }),
  trust: key({
    at: ["trust"],
    schema: list(mapping(SIGNER, "one signer"), {
      description: "whose records count, besides those of who signs in the build",
    }),
    read: readSigners,
    floor: {
      freedBy: "trust",
      objection: (above: readonly Trust[], floor: readonly Trust[], source) =>
        trustObjection(above, floor, { isArg: isArg(source) }),
    },
  }),
  registries: key({
    at: ["registries"],
    schema: list(mapping(REGISTRY, "one registry"), { min: 0, description: "how registries are reached" }),
    read: (value, { at, wrong }) => readRegistries(value, (path, why) => wrong([...at, ...path], why)),
    floor: {
      freedBy: "registries",
      objection: (above: readonly RegistryAccess[], floor: readonly RegistryAccess[]) => {
        const other = above.find(({ host, plainHttp }) => plainHttp && !mayUsePlainHttp(host, floor));
        return other && `"${other.host}" is not among the hosts for plain http`;
      },
    },
    arg: { name: "TLOG_PLAIN_HTTP", read: readHosts },
  }),
  lock: key({
    at: ["lock"],
    schema: text(
      "the lock file's path in the build context; `tlog.lock` beside the Dockerfile when not given",
    ),
    read: readLockPath,
    show: quoted,
    unsaid: "tlog.lock beside the Dockerfile",
  }),
  recheck: key({
    at: ["recheck"],
    schema: choice(
      RECHECKS,
      "how often the log is asked whether it contradicts the lock file; `never` when not given",
    ),
    read: same,
    floor: ordered("recheck", RECHECKS),
    show: same,
  }),
  attest: key({
    at: ["attest"],
    schema: flag(
      "whether the image that was built carries the evidence as an attestation; true when not given",
    ),
    read: same,
    floor: ordered("attest", [false, true]),
    arg: { name: "TLOG_ATTEST", read: (value) => choose(value, ["true", "false"]) === "true" },
    show: String,
  }),
  conversion: key({
    at: ["conversion"],
    schema: text(
      "the image that converts Dockerfiles in place of the built-in conversion, with a tag or a digest; it is checked like every image",
    ),
    read: readConversion,
    floor: fixed("conversion", { what: "conversion image", show: formatReference }),
    show: (value) => quoted(formatReference(value)),
    unsaid: "the built-in one",
  }),
  syntax: key({
    at: ["syntax"],
    schema: choice(
      SYNTAX,
      "whether a syntax image that a Dockerfile itself names may convert it; `allow` when not given, and then that image is checked like every image",
    ),
    read: same,
    floor: ordered("syntax", SYNTAX),
    show: same,
  }),
  tuf: key({
    at: ["tuf"],
    schema: text(
      "a TUF repository that has newer trusted roots; that of the public Sigstore instance when not given",
    ),
    read: (value, { at, url }) => url(at, { text: value, read: readLogUrl }),
    floor: fixed<string>("tuf", { what: "TUF repository" }),
    show: quoted,
    unsaid: "that of the public Sigstore instance",
  }),
  timeoutMs: key({
    at: ["timeout"],
    schema: number(1, {
      to: MAX_TIMEOUT_S,
      description: "how long one question to a log or registry may take, in seconds; 30 when not given",
    }),
    read: (value) => value * 1_000,
    arg: { name: "TLOG_TIMEOUT", read: readSeconds },
    show: (value: number) => String(value / 1_000),
  }),
};

/** The names of the table's keys, in its order. */
export const KEY_NAMES = Object.keys(KEYS) as readonly (keyof typeof KEYS)[];

/** The names that a baked file may have under `allow-looser`. */
export const LOOSENABLE: readonly string[] = [
  ...new Set([
    ...Object.values(PART_KEYS),
    ...Object.values<Pick<Key<never>, "floor">>(KEYS).flatMap(({ floor }) => floor?.freedBy ?? []),
  ]),
];

/** A path below the build context, written without detours. An update writes there: only lock files may be overwritten. */
function readLockPath(path: string, { at, wrong }: FileReading): string | undefined {
  const isInside =
    path.length <= MAX_PATH &&
    !/[\\\p{Cc}\p{Cf}]/u.test(path) &&
    path.endsWith(".lock") &&
    path.split("/").every((part) => part !== "" && !part.startsWith("."));
  if (isInside) return path;
  wrong(
    at,
    `"${excerpt(path)}" is not the path of a ".lock" file within the build context, such as "ci/tlog.lock"`,
  );
  return undefined;
}

/** The conversion image. Its tag must be written out: nobody is to run whatever `latest` is by an oversight. */
function readConversion(written: string, { at, wrong }: FileReading) {
  const fail = (why: string) => void wrong(at, `"${excerpt(written, 200)}": ${why}`);
  try {
    const reference = parseReference(written);
    if (/[:@]/.test(written.slice(written.lastIndexOf("/") + 1))) return reference;
    fail('it has no tag and no digest; write one, as in "docker/dockerfile:1.19"');
  } catch (error) {
    if (!(error instanceof ImageReferenceError)) throw error;
    fail(error.message);
  }
  return undefined;
}

function readSeconds(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value) || Number(value) > MAX_TIMEOUT_S) {
    throw new WrongValue(`"${excerpt(value)}" is not a whole number of seconds from 1 to ${MAX_TIMEOUT_S}`);
  }
  return Number(value) * 1_000;
}
