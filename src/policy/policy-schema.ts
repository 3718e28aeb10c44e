// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { REGISTRY } from "./address.ts";
import { choice, described, flag, list, mapping, number, type Shape, text } from "./key.ts";
import { KEYS, LOG, LOOSENABLE } from "./keys.ts";
import { LEDGER } from "./ledgers.ts";
import { ACTIONS, BY_DIGEST, UNSEEN, WARN_OR_BLOCK } from "./rule.ts";
import { SIGNER, SIGNER_NAME } from "./trust.ts";

/** The version of the format that this program reads. */
export const VERSION = 1;

const MAX_RULES = 500;
const MAX_DAYS = 3_650;

const DAYS = "days that a tag must have been in the log, by the log's proven time; 0 is no minimum";
const MIN_AGE = {
  days: number(0, { to: MAX_DAYS, description: DAYS }),
  otherwise: v.optional(choice(WARN_OR_BLOCK, "what happens to a younger tag; `block` when not given")),
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
    choice(WARN_OR_BLOCK, "the log cannot be asked, or not be written: `block` the build, or `warn`"),
  ),
  "min-age": v.optional(
    described(
      v.union(
        [number(0, { to: MAX_DAYS, description: DAYS }), mapping(MIN_AGE, "the days, and what else happens")],
        `a whole number of days from 0 to ${MAX_DAYS}, or a mapping with "days" and "otherwise"`,
      ),
      "how long a tag must have been in the log before it is accepted; a number of days blocks",
    ),
  ),
  private: v.optional(
    flag("the image may be named to the log although its registry does not show it to everybody"),
  ),
  "by-digest": v.optional(
    choice(
      BY_DIGEST,
      "an image that is named by a digest alone, without a tag: `allow` it (also when not given), or `block` the build",
    ),
  ),
};
const PATTERN = text("a pattern over names and tags");
const RULE = {
  match: described(
    v.union(
      [PATTERN, list(PATTERN, { description: "patterns, of which one must match" })],
      "a pattern or a list of patterns",
    ),
    "which images the rule is for",
  ),
  ...PARTS,
};
const SIGNING = {
  fulcio: v.optional(KEYS.fulcio.schema),
  timestamps: v.optional(KEYS.timestamps.schema),
};
const { profile, logs, fulcio: _, timestamps: __, trust, ...others } = KEYS;
/** The keys of a file, in the order of the reference. */
const FILE: Readonly<Record<string, v.GenericSchema>> = {
  version: described(v.literal(VERSION, `the number ${VERSION}`), "the version of this format; always there"),
  profile: v.optional(profile.schema),
  log: v.optional(mapping(LOG, "the one log; short for `logs` with one entry")),
  logs: v.optional(logs.schema),
  signing: v.optional(mapping(SIGNING, "who helps to sign new records")),
  trust: v.optional(trust.schema),
  rules: v.optional(
    list(mapping(RULE, "one rule"), {
      max: MAX_RULES,
      description: "what applies to which images; the first rule that matches an image counts",
    }),
  ),
  default: v.optional(mapping(PARTS, "what applies where no rule matches, or a rule does not say")),
  ...Object.fromEntries(Object.values(others).map(({ at, schema }) => [at[0], v.optional(schema)])),
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

export type PartsShape = Shape<typeof PARTS>;
export type RuleShape = Shape<typeof RULE>;

/** A policy file's content, its shape checked; the values of the table of keys are read by their rows. */
export interface PolicyShape {
  readonly [key: string]: unknown;
  readonly log?: Shape<typeof LOG>;
  readonly rules?: readonly RuleShape[];
  readonly default?: PartsShape;
  readonly "allow-looser"?: readonly string[];
}

/** The keys of each mapping, by the mapping's path, with `*` for a place in a list. */
export const ALLOWED_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(FILE)],
  ["log", Object.keys(LOG)],
  ["logs.*", Object.keys(LOG)],
  ["signing", Object.keys(SIGNING)],
  ["trust.*", Object.keys(SIGNER)],
  ["ledgers.*", Object.keys(LEDGER)],
  ["ledgers.*.observer", Object.keys(SIGNER_NAME)],
  ["ledgers.*.approvers.*", Object.keys(SIGNER_NAME)],
  ["rules.*", Object.keys(RULE)],
  ["rules.*.min-age", Object.keys(MIN_AGE)],
  ["default", Object.keys(PARTS)],
  ["default.min-age", Object.keys(MIN_AGE)],
  ["registries.*", Object.keys(REGISTRY)],
]);
