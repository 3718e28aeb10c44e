// SPDX-License-Identifier: Apache-2.0
import type { Trust } from "../record/signer.ts";

/** What may happen to a tag that nobody has recorded, the loosest first: a later one is stricter. */
export const UNSEEN = ["allow", "record", "block"] as const;
/** What may happen when a log could not be asked, the loosest first. */
export const UNKNOWN = ["warn", "block"] as const;

/** What happens to a tag that nobody has recorded. */
export type Unseen = (typeof UNSEEN)[number];
/** What happens when a log could not be asked. */
export type Unknown = (typeof UNKNOWN)[number];

/** How one registry is reached. */
export interface RegistryAccess {
  /** `host[:port]` in lower case, as in references. */
  readonly host: string;
  readonly plainHttp: boolean;
}

/** Where a part of a policy was set: nowhere, at a line (`policy.yaml:3`), or by a build argument (`TLOG_UNSEEN`). */
export type Source = string;

/** The source of what nobody has set. */
export const NOT_SET: Source = "default";

/** One part of a policy and where it was set. */
export interface Setting<T> {
  readonly value: T;
  readonly source: Source;
}

/** All parts of a policy, before they become one value. */
export interface Settings {
  readonly logUrl: Setting<string>;
  /** The certificate authority for who signs with an identity token. */
  readonly fulcioUrl: Setting<string>;
  readonly trust: Setting<readonly Trust[]>;
  readonly unseen: Setting<Unseen>;
  readonly unknown: Setting<Unknown>;
  readonly registries: Setting<readonly RegistryAccess[]>;
  readonly timeoutMs: Setting<number>;
}

/** What holds without a policy file and build arguments: the public log and authority, and nobody trusted but who signs in this build. */
export const DEFAULTS: Settings = {
  logUrl: { value: "https://rekor.sigstore.dev", source: NOT_SET },
  fulcioUrl: { value: "https://fulcio.sigstore.dev", source: NOT_SET },
  trust: { value: [], source: NOT_SET },
  unseen: { value: "record", source: NOT_SET },
  unknown: { value: "block", source: NOT_SET },
  registries: { value: [], source: NOT_SET },
  timeoutMs: { value: 30_000, source: NOT_SET },
};
