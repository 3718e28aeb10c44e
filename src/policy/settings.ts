// SPDX-License-Identifier: Apache-2.0
import type { Key } from "./key.ts";
import type { KEYS } from "./keys.ts";
import type { PatternRule, RuleParts, Setting, Source } from "./rule.ts";

/** The settings that have one value for the whole build, by their names in the table of keys. */
export type SingleSettings = {
  readonly [Name in keyof typeof KEYS]: (typeof KEYS)[Name] extends Key<infer T> ? T : never;
};

/** What one file, or the build arguments together, say; what they do not say is not there. */
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
