// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  Metadata,
  MetadataKind,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from "@tufjs/models";
import { excerpt } from "../log/excerpt.ts";
import { TrustUpdateError } from "./error.ts";

/** A file of a TUF repository as it was served; `name` is for messages. */
export interface ServedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Metadata signed by the keys that count. */
export type ProvenRoot = Metadata<Root>;
export type ProvenTimestamp = Metadata<Timestamp>;
export type ProvenSnapshot = Metadata<Snapshot>;
export type ProvenTargets = Metadata<Targets>;

// The numbers in the comments are sections of the TUF specification, 1.0.31. All functions throw TrustUpdateError.

/** The root to start from, which is trusted as it is: it may have expired, but it must have signed itself (5.2). */
export function firstRoot(file: ServedFile): ProvenRoot {
  const root = parse(file, (value) => Metadata.fromJSON(MetadataKind.Root, value));
  signedBy(root, { file, role: "root", metadata: root });
  return root;
}

/** The root that follows `before`: signed by the keys of both, and one version on (5.3.4, 5.3.5). */
export function nextRoot(file: ServedFile, before: ProvenRoot): ProvenRoot {
  const root = parse(file, (value) => Metadata.fromJSON(MetadataKind.Root, value));
  signedBy(before, { file, role: "root", metadata: root });
  signedBy(root, { file, role: "root", metadata: root });
  isVersion(root.signed.version, before.signed.version + 1, file);
  return root;
}

/** The timestamp, which says what snapshot is the newest (5.4.2, 5.4.4). */
export function timestamp(file: ServedFile, root: ProvenRoot, now: Date): ProvenTimestamp {
  const metadata = parse(file, (value) => Metadata.fromJSON(MetadataKind.Timestamp, value));
  signedBy(root, { file, role: "timestamp", metadata });
  isFresh(metadata, now, file);
  return metadata;
}

/** The snapshot that the timestamp names (5.5.2, 5.5.3, 5.5.4, 5.5.6). */
export function snapshot(
  file: ServedFile,
  { root, timestamp: above }: { readonly root: ProvenRoot; readonly timestamp: ProvenTimestamp },
  now: Date,
): ProvenSnapshot {
  isNamed(file, above.signed.snapshotMeta);
  const metadata = parse(file, (value) => Metadata.fromJSON(MetadataKind.Snapshot, value));
  signedBy(root, { file, role: "snapshot", metadata });
  isVersion(metadata.signed.version, above.signed.snapshotMeta.version, file);
  isFresh(metadata, now, file);
  return metadata;
}

/** The list of targets that the snapshot names (5.6.2, 5.6.3, 5.6.4, 5.6.5). */
export function targets(
  file: ServedFile,
  { root, snapshot: above }: { readonly root: ProvenRoot; readonly snapshot: ProvenSnapshot },
  now: Date,
): ProvenTargets {
  const named = targetsMeta(above);
  isNamed(file, named);
  const metadata = parse(file, (value) => Metadata.fromJSON(MetadataKind.Targets, value));
  signedBy(root, { file, role: "targets", metadata });
  isVersion(metadata.signed.version, named.version, file);
  isFresh(metadata, now, file);
  return metadata;
}

/** What a snapshot says of the list of targets. */
export function targetsMeta({ signed }: ProvenSnapshot): NamedFile & { readonly version: number } {
  const named = signed.meta["targets.json"];
  if (named === undefined)
    throw new TrustUpdateError("bad-file", `the snapshot does not name "targets.json"`);
  return named;
}

/** What signed metadata says of another file. */
export interface NamedFile {
  readonly length?: number | undefined;
  readonly hashes?: Readonly<Record<string, string>> | undefined;
}

/** Proves that a file is the one that was named: by its length, and by every hash there is of it. */
export function isNamed({ name, bytes }: ServedFile, { length, hashes = {} }: NamedFile): void {
  if (length !== undefined && bytes.length !== length) {
    throw new TrustUpdateError("bad-file", `"${name}" has ${bytes.length} bytes, and ${length} were signed`);
  }
  for (const [algorithm, hash] of Object.entries(hashes)) {
    if (algorithm !== "sha256" && algorithm !== "sha512") {
      throw new TrustUpdateError(
        "bad-file",
        `"${name}" is named by a hash that we do not know, "${excerpt(algorithm)}"`,
      );
    }
    const found = createHash(algorithm).update(bytes).digest("hex");
    if (found !== hash) {
      const signed = `${algorithm}:${excerpt(hash, 128)}`;
      throw new TrustUpdateError(
        "bad-file",
        `"${name}" is not what was signed; got "${algorithm}:${found}", want "${signed}"`,
      );
    }
  }
}

/** Proves that metadata has not expired. */
export function isFresh(
  metadata: Metadata<Root | Timestamp | Snapshot | Targets>,
  now: Date,
  { name }: { readonly name: string },
): void {
  const { signed } = metadata;
  if (!signed.isExpired(now)) return;
  const why = `"${name}" has expired: it was good until ${excerpt(signed.expires)}, and it is ${now.toISOString()}`;
  throw new TrustUpdateError("expired", `${why} (if that is not the time, set the clock)`);
}

type Json = Parameters<typeof Metadata.fromJSON>[1];

function parse<T extends Metadata<Root | Timestamp | Snapshot | Targets>>(
  { name, bytes }: ServedFile,
  read: (value: Json) => T,
): T {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const metadata = read(value as Json);
    // The version becomes part of URLs, and one is added to it.
    if (Number.isSafeInteger(metadata.signed.version) && metadata.signed.version > 0) return metadata;
    throw new TypeError("its version is not a whole number above 0");
  } catch (cause) {
    const why = cause instanceof Error ? excerpt(cause.message, 160) : "unknown";
    throw new TrustUpdateError("bad-file", `"${name}" is not the TUF metadata that it should be (${why})`, {
      cause,
    });
  }
}

function signedBy(
  delegator: ProvenRoot,
  {
    file: { name },
    role,
    metadata,
  }: {
    readonly file: ServedFile;
    readonly role: string;
    readonly metadata: Metadata<Root | Timestamp | Snapshot | Targets>;
  },
): void {
  try {
    delegator.verifyDelegate(role, metadata);
  } catch (cause) {
    const why = cause instanceof Error ? excerpt(cause.message, 160) : "unknown";
    const keys = `the keys that root version ${delegator.signed.version} names`;
    throw new TrustUpdateError("bad-signature", `"${name}" is not signed by ${keys} (${why})`, { cause });
  }
}

function isVersion(got: number, want: number, { name }: ServedFile): void {
  if (got !== want) {
    throw new TrustUpdateError("rolled-back", `"${name}" is version ${got}, and version ${want} was to come`);
  }
}
