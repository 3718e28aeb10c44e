// SPDX-License-Identifier: Apache-2.0
import type { Digest } from "../image/digest.ts";
import type { Reference } from "../image/reference.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { Bundle } from "./bundle.ts";
import type { LoggedBody } from "./logged-body.ts";
import type { Permission, Signer, Trust } from "./signer.ts";
import type { Sighting } from "./statement.ts";

/** A sighting that is proven to be in a transparency log and to be signed by a trusted signer. */
export interface TagRecord extends Sighting {
  /** The entry's name in a Rekor v1 log, its hash checked against the entry's body; entries of v2 have no names. */
  readonly uuid?: string;
  /** The index in the whole log, proven. */
  readonly logIndex: bigint;
  /** Hex of the log's ID in the trusted root. */
  readonly logId: string;
  /** The log's base URL in the trusted root. */
  readonly logUrl: string;
  /** When it was logged, proven by the log's own signature (Rekor v1) or by a timestamp authority's (v2). */
  readonly loggedAt: Date;
  readonly signer: Signer;
  /** What the policy lets this signer's sightings do. */
  readonly may: ReadonlySet<Permission>;
  /** `tlogistry`: nothing but the log says that it was signed. */
  readonly strength: "full" | "tlogistry";
  /** The evidence, which anybody can verify again; a record of strength `tlogistry` has none. */
  readonly bundle?: Bundle;
}

/** Whose records of which tag count, and which logs are believed. */
export interface RecordContext {
  /** The tag asked about; a digest in it is ignored. */
  readonly subject: Reference;
  readonly trust: readonly Trust[];
  readonly trustedRoot: TrustedRoot;
  /** The base URLs of the logs that count; undefined: all logs of the trusted root. */
  readonly logs?: readonly string[] | undefined;
  /** Whether every signer counts, and may do nothing: to see what those who are not trusted saw. */
  readonly strangers?: true;
}

/**
 * What may be a record, in one form wherever it came from: a bundle, what the log's entry in it says, and whose key or
 * certificate that entry has. Nothing of it is proven.
 */
export interface Claim {
  /** Its name in messages: `log entry "24296f…"`, `the bundle in tlog.lock:12`. */
  readonly place: string;
  /** The entry's name in a Rekor v1 log. */
  readonly uuid?: string;
  readonly bundle: Bundle;
  readonly body: LoggedBody;
  readonly signer: Signer;
}

/** A claim that is about the tag asked about. Nothing of it is proven. */
export interface Candidate {
  readonly claim: Claim;
  readonly sighting: Sighting;
  readonly may: ReadonlySet<Permission>;
  /** When it says that it was logged. */
  readonly loggedAt: Date;
}

/** What was found or brought and may be a record. */
export type Evidence =
  /** An entry as the API of Rekor v1 answers it. */
  | { readonly kind: "entry"; readonly uuid: string; readonly entry: unknown }
  /** A Sigstore bundle, and where it came from: `tlog.lock:12`. */
  | { readonly kind: "bundle"; readonly bundle: unknown; readonly place: string };

/** What claims to be a record, wherever it came from. */
export interface Claimed {
  /** The same in copies of one statement. */
  readonly id: string;
  readonly digest: Digest;
  readonly loggedAt: Date;
  readonly logIndex: bigint;
  /** Throws RecordError. */
  readonly prove: () => TagRecord;
}
