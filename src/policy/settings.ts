// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import type { LogService } from "../log/signing-config.ts";
import type { Pattern } from "./pattern.ts";
import type { Profile, RuleParts } from "./rule.ts";
import type { Trust } from "../record/signer.ts";

/** How one registry is reached. */
export interface RegistryAccess {
  /** `host[:port]` in lower case, as in references. */
  readonly host: string;
  readonly plainHttp: boolean;
}

/** When the log is asked whether it contradicts the lock file, the loosest first. */
export const RECHECKS = ["never", "daily", "always"] as const;
export type Recheck = (typeof RECHECKS)[number];

/** Whether a syntax image that a Dockerfile names may convert it, the loosest first. */
export const SYNTAX = ["allow", "block"] as const;
export type Syntax = (typeof SYNTAX)[number];

/** Where a part of a policy was set: nowhere, at a line (`policy.yaml:3`), or by a build argument (`TLOG_UNSEEN`). */
export type Source = string;

/** The source of what nobody has set. */
export const NOT_SET: Source = "default";

/** One part of a policy and where it was set. */
export interface Setting<T> {
  readonly value: T;
  readonly source: Source;
}

/** One entry of `rules`: what applies to the images that one of its patterns matches. */
export interface PatternRule extends RuleParts {
  readonly patterns: readonly Pattern[];
  readonly source: Source;
}

/** The keys that a baked file may name under `allow-looser`: what the others then decide. */
export const LOOSENABLE = [
  "action",
  "unseen",
  "unknown",
  "min-age",
  "private",
  "profile",
  "logs",
  "signing",
  "trust",
  "registries",
  "recheck",
  "attest",
  "conversion",
  "syntax",
  "tuf",
] as const;
export type Loosenable = (typeof LOOSENABLE)[number];

/** The settings that have one value for the whole build. */
export interface SingleSettings {
  readonly profile: Profile;
  /** The log to write to comes first. */
  readonly logs: readonly LogService[];
  /** The certificate authority for who signs with an identity token. */
  readonly fulcio: string;
  readonly timestamps: readonly string[];
  readonly trust: readonly Trust[];
  readonly registries: readonly RegistryAccess[];
  /** The lock file's path within the build context. */
  readonly lock: string;
  readonly recheck: Recheck;
  readonly attest: boolean;
  /** The image that converts Dockerfiles. */
  readonly conversion: Reference;
  readonly syntax: Syntax;
  /** A TUF repository with the trusted root. */
  readonly tuf: string;
  readonly timeoutMs: number;
}

/** What one file, or the build arguments together, say; what they do not say is not there. */
export type Settings = { readonly [Key in keyof SingleSettings]?: Setting<SingleSettings[Key]> } & {
  /** Where each log of a list stands, by its URL. */
  readonly logSources?: ReadonlyMap<string, Source>;
  /** In the file's order: the first that matches counts. */
  readonly rules: readonly PatternRule[];
  /** For what no rule says. */
  readonly default: RuleParts;
  /** What others may loosen. */
  readonly mayLoosen: ReadonlySet<Loosenable>;
};

/** Settings that say nothing. */
export const NO_SETTINGS: Settings = { rules: [], default: {}, mayLoosen: new Set() };
