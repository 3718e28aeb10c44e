// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { sameUrl } from "../log/json-api.ts";
import type { LogService, SigningServices } from "../log/signing-config.ts";
import {
  mayUsePlainHttp,
  readHosts,
  readRegistries,
  readServiceUrl,
  REGISTRY,
  type RegistryAccess,
} from "./address.ts";
import {
  choice,
  described,
  type FileReading,
  fixed,
  flag,
  type Key,
  key,
  list,
  listed,
  mapping,
  number,
  type Objecting,
  ordered,
  quoted,
  same,
  type Shape,
  text,
} from "./key.ts";
import { LEDGERS, ledgersObjection, readLedgers } from "./ledgers.ts";
import { CACHE_SOURCE, cacheObjection, type CacheSource, readCacheSources } from "./cache-from.ts";
import { choose, whyRefused, WrongValue } from "./policy-error.ts";
import { PART_KEYS, type PatternRule, PROFILES, type RuleParts, type Setting, type Source } from "./rule.ts";
import { readSigners, SIGNER, trustObjection } from "./trust.ts";

/** When the log is asked about what a lock file has already, or the builder remembers, the loosest first. */
const RECHECKS = ["never", "daily", "always"] as const;
export type Recheck = (typeof RECHECKS)[number];

/** Whether a syntax image that a Dockerfile names may convert it, the loosest first. */
const SYNTAX = ["allow", "block"] as const;

const MAX_PATH = 255;
const MAX_TIMEOUT_S = 600;

/** An entry of `logs`. */
export const LOG = {
  url: text("the log's address; plain http is for loopback and for `registries` that say so"),
  api: v.optional(
    described(
      v.picklist([1, 2], "1 or 2"),
      "the version of Rekor's API there; not given, it is what the signing configuration says of this log, or 1",
    ),
  ),
  private: v.optional(
    flag(
      "in the baked file alone: only the organisation reads this log, so names that are not of the public internet are recorded in it, and only in such a log",
    ),
  ),
};

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
    floor: { freedBy: "logs", objection: logsObjection, onlyBaked: true },
  }),
  fulcio: key({
    at: ["signing", "fulcio"],
    schema: text(
      "the certificate authority (Fulcio) that is asked when a build signs with an identity token",
    ),
    read: (value, { url }) => url(value),
    floor: { ...fixed<string>("signing", { what: "certificate authority" }), onlyBaked: true },
    arg: { name: "TLOG_FULCIO_URL", read: (value, url) => url(value) },
  }),
  timestamps: key({
    at: ["signing", "timestamps"],
    schema: list(text("the whole address to which requests for timestamps are posted (RFC 3161)"), {
      description: "the timestamp authorities that vouch for the time of records in logs of API 2",
    }),
    read: (value, { at, attempt, url }): readonly string[] =>
      value.flatMap((each, index) => attempt([...at, index], () => url(each, readServiceUrl)) ?? []),
    floor: {
      freedBy: "signing",
      objection: (above: readonly string[], floor: readonly string[] = [], { isBaked }) =>
        (above.length === floor.length || !isBaked) && above.every((each) => floor.includes(each))
          ? undefined
          : `${listed(above)} is not the timestamp authority ${listed(floor) || "of the signing configuration, which has none"}`,
      onlyBaked: true,
    },
  }),
  trust: key({
    at: ["trust"],
    schema: list(mapping(SIGNER, "one signer"), {
      description: "whose records count, besides those of who signs in the build",
    }),
    read: readSigners,
    floor: { freedBy: "trust", objection: trustObjection },
  }),
  ledgers: key({
    at: ["ledgers"],
    schema: LEDGERS,
    read: readLedgers,
    floor: { freedBy: "ledgers", objection: ledgersObjection, mayTighten: true },
  }),
  registries: key({
    at: ["registries"],
    schema: list(mapping(REGISTRY, "one registry"), { min: 0, description: "how registries are reached" }),
    read: readRegistries,
    floor: {
      freedBy: "registries",
      objection: (above: readonly RegistryAccess[], floor: readonly RegistryAccess[] = []) => {
        const other = above.find(({ host, plainHttp }) => plainHttp && !mayUsePlainHttp(host, floor));
        return other && `"${other.host}" is not among the hosts for plain http`;
      },
      onlyBaked: true,
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
      "how often the log is asked about a tag that the lock file has; `never` when not given. `always` also asks about what the builder remembers of the same day",
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
  cacheFrom: key({
    at: ["cache-from"],
    schema: list(CACHE_SOURCE, {
      min: 0,
      description:
        "where results of steps may be imported from (`--cache-from`); an empty list forbids all; not given, anywhere, and nowhere under `profile: strict`",
    }),
    read: readCacheSources,
    floor: { freedBy: "cache-from", objection: cacheObjection, mayTighten: true },
    show: (value: readonly CacheSource[]) =>
      `[${value.map(({ text: written }) => quoted(written)).join(", ")}]`,
    unsaid: "anywhere, and nowhere when the profile is strict",
  }),
  tuf: key({
    at: ["tuf"],
    schema: text(
      "a TUF repository that has newer trusted roots; that of the public Sigstore instance when not given",
    ),
    read: (value, { url }) => url(value),
    floor: { ...fixed<string>("tuf", { what: "TUF repository" }), onlyBaked: true },
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

/** The settings that have one value for the whole build, by their names in the table of keys. */
export type SingleSettings = {
  readonly [Name in keyof typeof KEYS]: (typeof KEYS)[Name] extends Key<infer T> ? T : never;
};

/** The settings of one file, or of all build arguments. A key that is not set is absent. */
export type Settings = { readonly [Name in keyof SingleSettings]?: Setting<SingleSettings[Name]> } & {
  /** Where each log of a list stands, by its URL. */
  readonly logSources?: ReadonlyMap<string, Source>;
  /** In the file's order: the first that matches counts. */
  readonly rules: readonly PatternRule[];
  /** For what no rule says. */
  readonly default: RuleParts;
  /** The keys that others may loosen, by their names under `allow-looser`. */
  readonly mayLoosen: ReadonlySet<string>;
};

/** Settings that say nothing. */
export const NO_SETTINGS: Settings = { rules: [], default: {}, mayLoosen: new Set() };

type KeyName = keyof typeof KEYS;

/** The names of the table's keys, in its order. */
export const KEY_NAMES = Object.keys(KEYS) as readonly KeyName[];

/** The settings of the keys that have one. */
export function eachKey(settingOf: (name: KeyName) => Setting<unknown> | undefined): Pick<Settings, KeyName> {
  const given = KEY_NAMES.flatMap((name) => {
    const setting = settingOf(name);
    return setting === undefined ? [] : [[name, setting] as const];
  });
  // Each name has the setting of its own row, which TypeScript cannot see in a list.
  return Object.fromEntries(given) as Pick<Settings, KeyName>;
}

/** The names that a baked file may have under `allow-looser`. */
export const LOOSENABLE: readonly string[] = [
  ...new Set([
    ...Object.values(PART_KEYS),
    ...Object.values<Pick<Key<never>, "floor">>(KEYS).flatMap(({ floor }) => floor?.freedBy ?? []),
  ]),
];

/** A path below the build context, written without detours. An update writes there: only lock files may be overwritten. */
function readLockPath(path: string): string {
  const isInside =
    path.length <= MAX_PATH &&
    !/[\\\p{Cc}\p{Cf}]/u.test(path) &&
    path.endsWith(".lock") &&
    path.split("/").every((part) => part !== "" && !part.startsWith("."));
  if (isInside) return path;
  throw new WrongValue(
    `"${excerpt(path)}" is not the path of a ".lock" file within the build context, such as "ci/tlog.lock"`,
  );
}

/** The conversion image. Its tag is mandatory, so that no build runs `latest` by an oversight. */
function readConversion(written: string): Reference {
  const shown = excerpt(written, 200);
  let reference: Reference;
  try {
    reference = parseReference(written);
  } catch (error) {
    throw new WrongValue(`"${shown}": ${whyRefused(error)}`);
  }
  if (/[:@]/.test(written.slice(written.lastIndexOf("/") + 1))) return reference;
  throw new WrongValue(`"${shown}": it has no tag and no digest; write one, as in "docker/dockerfile:1.19"`);
}

function readSeconds(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value) || Number(value) > MAX_TIMEOUT_S) {
    throw new WrongValue(`"${excerpt(value)}" is not a whole number of seconds from 1 to ${MAX_TIMEOUT_S}`);
  }
  return Number(value) * 1_000;
}

/** Reads the entries of `logs`, or the one of `log`. */
function readLogs(
  entries: readonly Shape<typeof LOG>[],
  { at, services, isBaked, attempt, url }: FileReading,
): readonly LogService[] {
  const logs: LogService[] = [];
  for (const [index, { url: written, api, private: isPrivate }] of entries.entries()) {
    // `log` is one entry without a place in a list.
    const path = at[0] === "log" ? at : [...at, index];
    attempt([...path, "url"], () => {
      const read = url(written);
      if (logs.some((each) => each.url === read)) throw new WrongValue(`"${read}" is there twice`);
      logs.push({
        url: read,
        api: api ?? apiOf(read, services),
        ...(isPrivate === true && { private: true }),
      });
    });
    attempt([...path, "private"], () => {
      if (isPrivate === true && !isBaked)
        throw new WrongValue("only the policy in the frontend image may say which log only you read");
    });
  }
  return logs;
}

/** The API of a log that is named without one. */
export function apiOf(url: string, { logs }: SigningServices): 1 | 2 {
  return logs.find((each) => sameUrl(each.url, url))?.api ?? 1;
}

/** Why the floor refuses these logs: they must be the baked file's, in any order, or some of those that are shipped. */
function logsObjection(
  above: readonly LogService[],
  floor: readonly LogService[] = [],
  { isBaked }: Objecting,
): string | undefined {
  const isIn = (log: LogService, logs: readonly LogService[]) =>
    logs.some(({ url, api }) => sameUrl(url, log.url) && api === log.api);
  const other = above.find((log) => !isIn(log, floor));
  const missing = floor.find((log) => !isIn(log, above));
  const known = listed(floor.map(shownLog));
  if (other !== undefined) return `"${shownLog(other)}" is not the log ${known}`;
  if (!isBaked) return undefined;
  // A log that is not asked cannot show that a tag moved.
  return missing && `the log "${shownLog(missing)}" is missing: the logs are ${known}`;
}

function shownLog({ url, api }: LogService): string {
  return api === 1 ? url : `${url} (API ${api})`;
}
