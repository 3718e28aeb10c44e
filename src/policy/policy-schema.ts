// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { UNKNOWN, UNSEEN } from "./settings.ts";

/** The version of the format that this program reads. */
export const VERSION = 1;

const MAX_ENTRIES = 100;

const LOG = { url: v.string() };
const SIGNING = { fulcio: v.string() };
// Which of them stand together is looked at where they are read.
const SIGNER = {
  key: v.optional(v.string()),
  issuer: v.optional(v.string()),
  identity: v.optional(v.string()),
};
const DEFAULT = { unseen: v.optional(v.picklist(UNSEEN)), unknown: v.optional(v.picklist(UNKNOWN)) };
const REGISTRY = { host: v.string(), "plain-http": v.optional(v.boolean(), false) };
const FILE = {
  version: v.literal(VERSION),
  log: v.optional(v.strictObject(LOG)),
  signing: v.optional(v.strictObject(SIGNING)),
  trust: v.optional(v.pipe(v.array(v.strictObject(SIGNER)), v.minLength(1), v.maxLength(MAX_ENTRIES))),
  default: v.optional(v.strictObject(DEFAULT)),
  registries: v.optional(v.pipe(v.array(v.strictObject(REGISTRY)), v.maxLength(MAX_ENTRIES))),
};

/** The shape of a policy file, in the words of the file. Keys are added to it in time, never renamed. */
export const POLICY_SCHEMA = v.strictObject(FILE);

/** A policy file's content, its shape checked and nothing else. */
export type PolicyShape = v.InferOutput<typeof POLICY_SCHEMA>;

/** The keys of each mapping, by the mapping's path, with `*` for a place in a list. */
export const ALLOWED_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(FILE)],
  ["log", Object.keys(LOG)],
  ["signing", Object.keys(SIGNING)],
  ["trust.*", Object.keys(SIGNER)],
  ["default", Object.keys(DEFAULT)],
  ["registries.*", Object.keys(REGISTRY)],
]);

/**
 * Keys that belong to the format and that this version does not act on, by path as above. They are refused: a rule
 * that is read over would be a rule that somebody relies on.
 */
export const KEYS_NOT_YET: ReadonlyMap<string, readonly string[]> = new Map([
  ["", ["profile", "rules", "private", "min-age"]],
  ["trust.*", ["identity-pattern"]],
  ["default", ["private", "min-age"]],
  ["registries.*", ["private"]],
]);
