// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { formatReference, ImageReferenceError, parseReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import type { LogService, SigningServices } from "../log/signing-config.ts";
import type { Trust } from "../record/signer.ts";
import {
  mayUsePlainHttp,
  plainUrl,
  readLogUrl,
  readRegistryHost,
  readServiceUrl,
  type RegistryAccess,
} from "./address.ts";
import { isArg, type KeyPath } from "./policy-error.ts";
import { PART_KEYS, PROFILES, type Source } from "./rule.ts";
import { choice, flag, list, mapping, number, text } from "./schema.ts";
import { PERMISSIONS, readTrust, trustId, trustObjection } from "./trust.ts";

/** When the log is asked whether it contradicts the lock file, the loosest first. */
const RECHECKS = ["never", "daily", "always"] as const;
export type Recheck = (typeof RECHECKS)[number];

/** Whether a syntax image that a Dockerfile names may convert it, the loosest first. */
const SYNTAX = ["allow", "block"] as const;
export type Syntax = (typeof SYNTAX)[number];

const MAX_PATH = 255;
const MAX_TIMEOUT_S = 600;

/** What the value of a key in a file is read with. */
export interface FileReading {
  /** Where the value stands. */
  readonly at: KeyPath;
  readonly services: SigningServices;
  readonly wrong: (path: KeyPath, why: string) => void;
  /** The address of a service; an empty text for one that is told to be wrong. */
  readonly url: (
    path: KeyPath,
    address: { readonly text: string; readonly read: typeof readLogUrl },
  ) => string;
}

/** How a baked file's value binds those above it. */
interface FloorRule<T> {
  /** The name under `allow-looser` that frees the key. */
  readonly freedBy: string;
  /** The beginning of a sentence that ends with where the floor says so; undefined where it lets the other through. */
  objection(above: T, floor: T, source: Source): string | undefined;
  /** Whether a stricter value takes the floor's place; elsewhere the floor's stays. */
  readonly mayTighten?: true;
}

/** A key of the policy that has one value for the whole build, and everything that follows from it. */
export interface Key<T> {
  /** Its name in a file. */
  readonly at: readonly [string, ...string[]];
  /** Its shape in a file; the description is what the reference says. */
  readonly schema: v.GenericSchema;
  /** Reads a value of that shape; undefined after `wrong`. */
  readonly read: (value: unknown, file: FileReading) => T | undefined;
  /** Without one, anybody may say it. */
  readonly floor?: FloorRule<T>;
  /** The value as the printed policy has it; keys without it are printed in lines of their own. */
  show?(value: T): string;
  /** The printed comment where it has no value. */
  readonly unsaid?: string;
}

function key<Schema extends v.GenericSchema, T>(
  row: Omit<Key<T>, "read" | "schema"> & {
    readonly schema: Schema;
    readonly read: (value: v.InferOutput<Schema>, file: FileReading) => T | undefined;
  },
): Key<T> & { readonly schema: Schema } {
  // Files are checked against the whole schema before any value is read.
  return { ...row, read: (value, file) => row.read(value as v.InferOutput<Schema>, file) };
}

function ordered<T>(freedBy: string, order: readonly T[]): FloorRule<T> {
  return {
    freedBy,
    objection: (above, floor) =>
      order.indexOf(above) < order.indexOf(floor)
        ? `"${String(above)}" is looser than "${String(floor)}"`
        : undefined,
    mayTighten: true,
  };
}

/** A value that stays as it is. */
function fixed<T>(
  freedBy: string,
  { what, show = String }: { what: string; show?: (value: T) => string },
): FloorRule<T> {
  return {
    freedBy,
    objection: (above, floor) =>
      show(above) === show(floor) ? undefined : `"${show(above)}" is not the ${what} "${show(floor)}"`,
  };
}

const same = <T>(value: T): T => value;
const quoted = (value: string): string => JSON.stringify(value);

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
/** An entry of `trust`. Which of them stand together is looked at where they are read. */
export const SIGNER = {
  key: v.optional(text("a public key in PEM, P-256 or Ed25519; alone, without an issuer")),
  issuer: v.optional(
    text("the OpenID Connect issuer that vouches for the identity, as certificates have it: a URL"),
  ),
  identity: v.optional(
    text("the certificates' subject, an email address or a URI, compared whole, letter by letter"),
  ),
  "identity-pattern": v.optional(
    text(
      "instead of `identity`: `*` matches any characters but `/`, `**` any at all; the whole subject must match",
    ),
  ),
  may: v.optional(
    list(choice(PERMISSIONS, "one permission"), {
      max: PERMISSIONS.length,
      description:
        "`record`: first sightings count; `approve`: may replace what stands; `vouch`: a tag that this signer recorded is not too new. `[record]` when not given",
    }),
  ),
  tlogistry: v.optional(
    flag("records that tlogistry wrote for this identity (in-toto 0.0.1) count too, as weaker evidence"),
  ),
};
/** An entry of `registries`. */
export const REGISTRY = {
  host: text("with its port, as in image references"),
  "plain-http": v.optional(flag("whether it, or a log at this host, may be asked without TLS")),
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

function readLogs(
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

function logsObjection(above: readonly LogService[], floor: readonly LogService[]): string | undefined {
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

function listed(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(", ");
}

/** The registries of a file, whose hosts are needed before any address is read. */
export function readRegistries(
  entries: readonly { readonly host: string; readonly "plain-http"?: boolean | undefined }[],
  wrong: (path: KeyPath, why: string) => void,
): readonly RegistryAccess[] {
  const access: RegistryAccess[] = [];
  for (const [index, entry] of entries.entries()) {
    const outcome = readRegistryHost(entry.host);
    if ("problem" in outcome) wrong([index, "host"], `"${excerpt(entry.host)}": ${outcome.problem}`);
    else if (access.some(({ host }) => host === outcome.host))
      wrong([index, "host"], `"${outcome.host}" is there twice`);
    else access.push({ host: outcome.host, plainHttp: entry["plain-http"] ?? false });
  }
  return access;
}

function readSigners(
  entries: readonly Parameters<typeof readTrust>[0][],
  { at, wrong }: FileReading,
): readonly Trust[] {
  const trust: Trust[] = [];
  for (const [index, entry] of entries.entries()) {
    try {
      const read = readTrust(entry);
      if (trust.some((each) => trustId(each) === trustId(read)))
        wrong([...at, index], "this signer is there twice; write one entry with all that it may");
      trust.push(read);
    } catch (error) {
      const path = [...at, index, ...(entry.key === undefined ? [] : ["key"])];
      wrong(path, error instanceof Error ? error.message : "it names nobody");
    }
  }
  return trust;
}

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
