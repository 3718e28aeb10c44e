// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { quotedList } from "./near-miss.ts";
import { ACTIONS, DOUBTS, PROFILES, UNSEEN } from "./rule.ts";
import { LOOSENABLE, RECHECKS, SYNTAX } from "./settings.ts";
import { PERMISSIONS } from "./trust.ts";

// The messages are what the file should have had at that place, as in `"default" must be …`; the descriptions become
// docs/policy.schema.json and the tables in docs/policy.md.

/** The version of the format that this program reads. */
export const VERSION = 1;

const MAX_ENTRIES = 100;
const MAX_RULES = 500;
const MAX_DAYS = 3_650;
const MAX_TIMEOUT_S = 600;

function text(description: string) {
  return v.pipe(v.string("text"), v.description(description));
}

function flag(description: string) {
  return v.pipe(v.boolean("true or false"), v.description(description));
}

function choice<const T extends readonly string[]>(choices: T, description: string) {
  return v.pipe(v.picklist(choices, quotedList(choices)), v.description(description));
}

function number(from: number, { to, description }: { to: number; description: string }) {
  const allowed = `a whole number from ${from} to ${to}`;
  return v.pipe(
    v.number(allowed),
    v.integer(allowed),
    v.minValue(from, allowed),
    v.maxValue(to, allowed),
    v.description(description),
  );
}

function mapping<const T extends v.ObjectEntries>(entries: T, description: string) {
  return v.pipe(v.strictObject(entries, "a mapping of keys to values"), v.description(description));
}

function list<const T extends v.GenericSchema>(
  item: T,
  { min = 1, max = MAX_ENTRIES, description }: { min?: number; max?: number; description: string },
) {
  return v.pipe(v.array(item, "a list"), v.minLength(min), v.maxLength(max), v.description(description));
}

const API = v.pipe(
  v.picklist([1, 2], "1 or 2"),
  v.description(
    "the version of Rekor's API there; not given, it is what the signing configuration says of this log, or 1",
  ),
);
const URL_OF_LOG = text("the log's address; plain http is for loopback and for `registries` that say so");
const LOG = { url: URL_OF_LOG, api: v.optional(API) };
const SIGNING = {
  fulcio: v.optional(
    text("the certificate authority (Fulcio) that is asked when a build signs with an identity token"),
  ),
  timestamps: v.optional(
    list(text("the whole address to which requests for timestamps are posted (RFC 3161)"), {
      description: "the timestamp authorities that vouch for the time of records in logs of API 2",
    }),
  ),
};
// Which of them stand together is looked at where they are read.
const SIGNER = {
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
const DAYS = "days that a tag must have been in the log, by the log's proven time; 0 is no minimum";
const MIN_AGE = {
  days: number(0, { to: MAX_DAYS, description: DAYS }),
  otherwise: v.optional(choice(DOUBTS, "what happens to a younger tag; `block` when not given")),
};
const PARTS = {
  action: v.optional(
    choice(
      ACTIONS,
      "what happens when a tag moved: `block` the build, `pin` it to what was recorded, `warn`, `follow` the tag and record the change, or `ignore` the image altogether",
    ),
  ),
  unseen: v.optional(
    choice(
      UNSEEN,
      "a tag without a record: `record` it when the build can sign, `allow` it without recording, or `block` the build",
    ),
  ),
  unknown: v.optional(
    choice(DOUBTS, "the log cannot be asked, or not be written: `block` the build, or `warn`"),
  ),
  "min-age": v.optional(
    v.pipe(
      v.union(
        [number(0, { to: MAX_DAYS, description: DAYS }), mapping(MIN_AGE, "the days, and what else happens")],
        `a whole number of days from 0 to ${MAX_DAYS}, or a mapping with "days" and "otherwise"`,
      ),
      v.description(
        "how long a tag must have been in the log before it is accepted; a number of days blocks",
      ),
    ),
  ),
  private: v.optional(
    flag("the image may be named to the log although its registry does not show it to everybody"),
  ),
};
const PATTERN = text("a pattern over names and tags");
const RULE = {
  match: v.pipe(
    v.union(
      [PATTERN, list(PATTERN, { description: "patterns, of which one must match" })],
      "a pattern or a list of patterns",
    ),
    v.description("which images the rule is for"),
  ),
  ...PARTS,
};
const REGISTRY = {
  host: text("with its port, as in image references"),
  "plain-http": v.optional(flag("whether it, or a log at this host, may be asked without TLS")),
};
const FILE = {
  version: v.pipe(
    v.literal(VERSION, `the number ${VERSION}`),
    v.description("the version of this format; always there"),
  ),
  profile: v.optional(
    choice(
      PROFILES,
      "the set of defaults: `default` goes by the shape of tags, `strict` blocks every tag that moved, `observe` is `default` and stops no build",
    ),
  ),
  log: v.optional(mapping(LOG, "the one log; short for `logs` with one entry")),
  logs: v.optional(
    list(mapping(LOG, "one log"), { description: "the logs that are asked; the first is written to" }),
  ),
  signing: v.optional(mapping(SIGNING, "who helps to sign new records")),
  trust: v.optional(
    list(mapping(SIGNER, "one signer"), {
      description: "whose records count, besides those of who signs in the build",
    }),
  ),
  rules: v.optional(
    list(mapping(RULE, "one rule"), {
      max: MAX_RULES,
      description: "what applies to which images; the first rule that matches an image counts",
    }),
  ),
  default: v.optional(mapping(PARTS, "what applies where no rule matches, or a rule does not say")),
  registries: v.optional(
    list(mapping(REGISTRY, "one registry"), { min: 0, description: "how registries are reached" }),
  ),
  lock: v.optional(
    text("the lock file's path in the build context; `tlog.lock` beside the Dockerfile when not given"),
  ),
  recheck: v.optional(
    choice(
      RECHECKS,
      "how often the log is asked whether it contradicts the lock file; `never` when not given",
    ),
  ),
  attest: v.optional(
    flag("whether the image that was built carries the evidence as an attestation; true when not given"),
  ),
  conversion: v.optional(
    text(
      "the image that converts Dockerfiles in place of the built-in conversion, with a tag or a digest; it is checked like every image",
    ),
  ),
  syntax: v.optional(
    choice(
      SYNTAX,
      "whether a syntax image that a Dockerfile itself names may convert it; `allow` when not given, and then that image is checked like every image",
    ),
  ),
  tuf: v.optional(
    text(
      "a TUF repository that has newer trusted roots; that of the public Sigstore instance when not given",
    ),
  ),
  timeout: v.optional(
    number(1, {
      to: MAX_TIMEOUT_S,
      description: "how long one question to a log or registry may take, in seconds; 30 when not given",
    }),
  ),
  "allow-looser": v.optional(
    list(choice(LOOSENABLE, "one key"), {
      max: LOOSENABLE.length,
      description:
        "in the baked file alone: the keys about which the repository's file and the build arguments have the last word",
    }),
  ),
};

/** The shape of a policy file, in the words of the file. Keys are added to it in time, never renamed. */
export const POLICY_SCHEMA = v.strictObject(FILE, "a mapping of keys to values");

/** A policy file's content, its shape checked and nothing else. */
export type PolicyShape = v.InferOutput<typeof POLICY_SCHEMA>;

/** What a rule and `default` say, its shape checked. */
export type PartsShape = NonNullable<PolicyShape["default"]>;

/** The keys of each mapping, by the mapping's path, with `*` for a place in a list. */
export const ALLOWED_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(FILE)],
  ["log", Object.keys(LOG)],
  ["logs.*", Object.keys(LOG)],
  ["signing", Object.keys(SIGNING)],
  ["trust.*", Object.keys(SIGNER)],
  ["rules.*", Object.keys(RULE)],
  ["rules.*.min-age", Object.keys(MIN_AGE)],
  ["default", Object.keys(PARTS)],
  ["default.min-age", Object.keys(MIN_AGE)],
  ["registries.*", Object.keys(REGISTRY)],
]);
