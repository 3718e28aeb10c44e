// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "./excerpt.ts";
import { plainUrl } from "./json-api.ts";

/** A log that may be asked and written to: its URL without a slash at the end, and the version of Rekor's API there. */
export interface LogService {
  readonly url: string;
  readonly api: 1 | 2;
  /** Only the organisation reads it, so it may be told names that are not of the public internet. A policy alone says so. */
  readonly private?: true;
}

/** The services of one Sigstore instance that are used now. */
export interface SigningServices {
  /**
   * All logs that are valid now, at least one. The one to write to comes first: API 1 before 2, because only that
   * can be searched, then the newest.
   */
  readonly logs: readonly LogService[];
  /** The certificate authority's URL without a slash at the end. Undefined when none is valid now: keys can sign still. */
  readonly fulcio: string | undefined;
  /** The timestamp authorities' whole URLs, each of which is to be asked (RFC 3161 over HTTP POST). */
  readonly timestamps: readonly string[];
}

/**
 * `bad-config`: not of the format, and the text says which field and what is allowed there; `none-valid`: no log in
 * it is valid now; `too-few`: it wants more timestamp authorities than are valid now; `several-logs`: it wants
 * records in several logs, and a build writes to one.
 */
export type SigningConfigErrorCode = "bad-config" | "none-valid" | "too-few" | "several-logs";

/** A signing configuration that cannot be used. */
export class SigningConfigError extends Error {
  override readonly name = "SigningConfigError";
  readonly code: SigningConfigErrorCode;

  constructor(code: SigningConfigErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

type Fail = (code: SigningConfigErrorCode, why: string, cause?: unknown) => SigningConfigError;

const MAX_LENGTH = 256 * 1024;
const MAX_SERVICES = 64;
const MEDIA_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
const SELECTORS = ["ANY", "ALL", "EXACT"] as const;

/** An object with these fields only: to ignore a field would be to ignore a rule that somebody relies on. */
const strict = <E extends v.ObjectEntries>(entries: E) =>
  v.strictObject(entries, ({ expected, input }) => {
    if (expected === "never") return `is not known; known here are ${Object.keys(entries).join(", ")}`;
    return input === undefined ? "is missing" : "is not an object";
  });
const shortText = (max: number) =>
  v.pipe(v.string("is not a text"), v.maxLength(max, `is longer than ${max} characters`));
const count = (max: number) =>
  v.pipe(
    v.number("is not a number"),
    v.check((n) => Number.isInteger(n) && n >= 0 && n <= max, `is not a whole number from 0 to ${max}`),
  );
const time = v.pipe(
  v.string("is not a time in RFC 3339"),
  v.isoTimestamp("is not a time in RFC 3339"),
  v.transform((written) => new Date(written)),
);

const Service = strict({
  url: v.pipe(
    shortText(2048),
    v.check(
      isServiceUrl,
      'is not of the form "https://HOST" or "https://HOST/PATH", without credentials, query or fragment',
    ),
  ),
  // What protobuf's JSON leaves out is zero: a service that is not released.
  majorApiVersion: v.optional(count(2 ** 32 - 1), 0),
  validFor: v.optional(
    v.pipe(
      strict({ start: v.optional(time), end: v.optional(time) }),
      v.check(({ start, end }) => !(start && end && end < start), "ends before it starts"),
    ),
  ),
  /** Who runs it, as a URI without a scheme; nobody in particular when left out. */
  operator: v.optional(shortText(255), ""),
});
const serviceList = v.optional(
  v.pipe(
    v.array(Service, "is not a list"),
    v.maxLength(MAX_SERVICES, `has more than ${MAX_SERVICES} entries`),
  ),
  [],
);
const Selection = strict({
  selector: v.picklist(SELECTORS, `is none of ${SELECTORS.map((name) => `"${name}"`).join(", ")}`),
  count: v.optional(count(MAX_SERVICES), 0),
});

/** Sigstore's SigningConfig message, version 0.2, in protobuf's JSON form. */
const SigningConfigFile = strict({
  mediaType: v.literal(MEDIA_TYPE, `is not "${MEDIA_TYPE}"`),
  caUrls: serviceList,
  oidcUrls: serviceList,
  rekorTlogUrls: serviceList,
  rekorTlogConfig: v.optional(Selection),
  tsaUrls: serviceList,
  tsaConfig: v.optional(Selection),
});
type SigningConfigFile = v.InferOutput<typeof SigningConfigFile>;

/** A service of a signing configuration. */
type ConfiguredService = v.InferOutput<typeof Service>;
/** How many serviceList of a kind a signing configuration wants to be used. */
type ServiceSelection = v.InferOutput<typeof Selection>;

function isServiceUrl(written: string): boolean {
  // URL itself would silently drop or turn blanks and backslashes.
  return /^https?:\/\/[^\s\\@?#]+$/i.test(written) && URL.canParse(written);
}

/**
 * Reads a Sigstore signing configuration (version 0.2, JSON) and chooses what to use at `now`; `source` names the
 * file in messages. Throws SigningConfigError.
 *
 * A service counts when `now` is in its window of validity, ends included, and its API is known here: 1 and 2 of
 * logs, 1 of authorities. The specification wants the highest API that a client knows; of logs we prefer the lowest,
 * because only that one can be searched for what others recorded. A build writes to one log: a configuration that
 * wants records in more than one operator's log is refused. Whether a plain `http:` URL may be asked is not judged
 * here.
 */
export function readSigningConfig(text: string, source: string, now: Date): SigningServices {
  const fail: Fail = (code, why, cause) =>
    new SigningConfigError(code, `read signing configuration "${source}": ${why}`, { cause });
  const config = parse(text, fail);
  return {
    logs: chooseLogs(config, now, fail),
    fulcio: usable(config.caUrls, [1], now).map(({ url }) => plainUrl(url))[0],
    timestamps: chooseTimestamps(config, now, fail),
  };
}

function parse(text: string, fail: Fail): SigningConfigFile {
  if (text.length > MAX_LENGTH) throw fail("bad-config", `it is longer than ${MAX_LENGTH} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail("bad-config", "it is not JSON", cause);
  }
  const parsed = v.safeParse(SigningConfigFile, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const field = excerpt(v.getDotPath(issue) ?? "document", 160);
  throw fail("bad-config", `"${field}" ${issue.message}`);
}

function chooseLogs({ rekorTlogUrls, rekorTlogConfig }: SigningConfigFile, now: Date, fail: Fail) {
  const logs = usable(rekorTlogUrls, [1, 2], now).toSorted(
    (one, other) => one.majorApiVersion - other.majorApiVersion,
  );
  if (logs.length === 0) {
    throw fail(
      "none-valid",
      `"rekorTlogUrls" has no log that is valid at ${now.toISOString()} with "majorApiVersion" 1 or 2 (it has ${rekorTlogUrls.length} in all); add one`,
    );
  }
  const wanted = wantedOf(rekorTlogConfig, { field: "rekorTlogConfig", of: logs, fail });
  if (wanted > 1) {
    throw fail(
      "several-logs",
      `"rekorTlogConfig" wants records in ${wanted} logs, and a build writes to one; allowed are "ANY", "EXACT" with "count" 1, and "ALL" when the logs have one operator`,
    );
  }
  const chosen = logs.map(({ url, majorApiVersion }): LogService => ({
    url: plainUrl(url),
    api: majorApiVersion === 1 ? 1 : 2,
  }));
  return firstOfEach(chosen, ({ url, api }) => `${api} ${url}`);
}

function chooseTimestamps({ tsaUrls, tsaConfig }: SigningConfigFile, now: Date, fail: Fail): string[] {
  const authorities = firstOfEach(usable(tsaUrls, [1], now), ({ operator }) => operator);
  // No error here: only a log of API 2 needs timestamps, and says so; API 1 has times of its own.
  if (authorities.length === 0) return [];
  const wanted = wantedOf(tsaConfig, { field: "tsaConfig", of: authorities, fail });
  if (wanted > authorities.length) {
    throw fail(
      "too-few",
      `"tsaConfig" wants timestamps of ${wanted} operators, and "tsaUrls" has those of ${authorities.length} that are valid at ${now.toISOString()}`,
    );
  }
  return authorities.slice(0, wanted).map(({ url }) => url);
}

/** Those with a known API whose window holds `now`, the newest first; the file's order stands among equals. */
function usable(
  services: readonly ConfiguredService[],
  apis: readonly number[],
  now: Date,
): ConfiguredService[] {
  const started = ({ validFor }: ConfiguredService): number => validFor?.start?.getTime() ?? 0;
  return services
    .filter(({ majorApiVersion, validFor: { start, end } = {} }) => {
      const isValid = (start === undefined || start <= now) && (end === undefined || now <= end);
      return isValid && apis.includes(majorApiVersion);
    })
    .toSorted((one, other) => started(other) - started(one));
}

/** How many of these services are to be used, at most one of each operator. */
function wantedOf(
  selection: ServiceSelection | undefined,
  {
    field,
    of,
    fail,
  }: { readonly field: string; readonly of: readonly ConfiguredService[]; readonly fail: Fail },
): number {
  switch (selection?.selector) {
    case undefined:
      throw fail("bad-config", `"${field}" is missing; {"selector": "ANY"} uses one service`);
    case "ANY":
      return 1;
    case "ALL":
      return new Set(of.map(({ operator }) => operator)).size;
    case "EXACT":
      if (selection.count < 1)
        throw fail("bad-config", `"${field}.count" is not at least 1, as "EXACT" needs`);
      return selection.count;
  }
}

function firstOfEach<T>(all: readonly T[], key: (one: T) => string): T[] {
  const seen = new Set<string>();
  return all.filter((one) => !seen.has(key(one)) && seen.add(key(one)));
}
