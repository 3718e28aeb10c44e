// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";

const MAX_SERVICES = 64;
const MEDIA_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
const SELECTORS = ["ANY", "ALL", "EXACT"] as const;

/** An object of these fields alone: a field that was read over would be a rule that somebody relies on. */
const strict = <E extends v.ObjectEntries>(entries: E) =>
  v.strictObject(entries, ({ expected, input }) => {
    if (expected === "never") return `is not known; known here are ${Object.keys(entries).join(", ")}`;
    return input === undefined ? "is missing" : "is not an object";
  });
const text = (max: number) =>
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
    text(2048),
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
  operator: v.optional(text(255), ""),
});
const services = v.optional(
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
export const SigningConfigFile = strict({
  mediaType: v.literal(MEDIA_TYPE, `is not "${MEDIA_TYPE}"`),
  caUrls: services,
  oidcUrls: services,
  rekorTlogUrls: services,
  rekorTlogConfig: v.optional(Selection),
  tsaUrls: services,
  tsaConfig: v.optional(Selection),
});
export type SigningConfigFile = v.InferOutput<typeof SigningConfigFile>;

/** A service of a signing configuration. */
export type ConfiguredService = v.InferOutput<typeof Service>;
/** How many services of a kind a signing configuration wants to be used. */
export type ServiceSelection = v.InferOutput<typeof Selection>;

function isServiceUrl(written: string): boolean {
  // URL itself would silently drop or turn blanks and backslashes.
  return /^https?:\/\/[^\s\\@?#]+$/i.test(written) && URL.canParse(written);
}
