// SPDX-License-Identifier: Apache-2.0
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A key of a TUF repository: Ed25519, in the hex form of the specification. */
export interface TufKey {
  readonly id: string;
  readonly publicKey: object;
  readonly privateKey: KeyObject;
}

type Json = { [field: string]: unknown };

/** A metadata file before it is signed, and who will sign it. */
export interface Draft<Signed> {
  signed: Signed;
  signers: TufKey[];
}

interface Common {
  [field: string]: unknown;
  version: number;
  expires: string;
}
interface NamedFile {
  version: number;
  length?: number;
  hashes?: Record<string, string>;
}
export interface RootBody extends Common {
  consistent_snapshot: boolean;
  keys: Record<string, object>;
  roles: Record<string, { keyids: string[]; threshold: number }>;
}

/** A whole repository before it is published; tests change it as they like. */
export interface TufDraft {
  /** The first is the seed. */
  roots: Draft<RootBody>[];
  timestamp: Draft<Common & { meta: { "snapshot.json": NamedFile } }>;
  snapshot: Draft<Common & { meta: Record<string, NamedFile> }>;
  targets: Draft<Common & { targets: Record<string, { length: number; hashes: Record<string, string> }> }>;
  contents: Record<string, string>;
}

/** The keys of the roles as they are in the seed. */
export interface TufKeys {
  readonly root: readonly TufKey[];
  readonly timestamp: TufKey;
  readonly snapshot: TufKey;
  readonly targets: TufKey;
}

const EXPIRES = "2090-01-01T00:00:00Z";

export function tufKey(): TufKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const hex = publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("hex");
  const written = { keytype: "ed25519", scheme: "ed25519", keyval: { public: hex } };
  return { id: sha256(canonical(written)), publicKey: written, privateKey };
}

export function tufKeys(): TufKeys {
  return {
    root: [tufKey(), tufKey(), tufKey()],
    timestamp: tufKey(),
    snapshot: tufKey(),
    targets: tufKey(),
  };
}

/** The body of a root: two of its keys have to sign it, one key everything else. */
export function rootBody(version: number, { root, timestamp, snapshot, targets }: TufKeys): RootBody {
  const role = (keys: readonly TufKey[], threshold: number) => ({
    keyids: keys.map(({ id }) => id),
    threshold,
  });
  return {
    ...common("root", version),
    consistent_snapshot: true,
    keys: Object.fromEntries(
      [...root, timestamp, snapshot, targets].map(({ id, publicKey }) => [id, publicKey]),
    ),
    roles: {
      root: role(root, 2),
      timestamp: role([timestamp], 1),
      snapshot: role([snapshot], 1),
      targets: role([targets], 1),
    },
  };
}

/** A repository in which all is well; its files have unlike versions. */
export function tufDraft(keys: TufKeys, contents: Record<string, string>): TufDraft {
  return {
    roots: [{ signed: rootBody(4, keys), signers: [...keys.root] }],
    timestamp: {
      signed: { ...common("timestamp", 31), meta: { "snapshot.json": { version: 21 } } },
      signers: [keys.timestamp],
    },
    snapshot: {
      signed: { ...common("snapshot", 21), meta: { "targets.json": { version: 11 } } },
      signers: [keys.snapshot],
    },
    targets: {
      signed: {
        ...common("targets", 11),
        targets: Object.fromEntries(Object.entries(contents).map(([name, text]) => [name, named(text)])),
      },
      signers: [keys.targets],
    },
    contents: { ...contents },
  };
}

/** What metadata says of a file with this text. */
export function named(text: string | Uint8Array): { length: number; hashes: Record<string, string> } {
  return { length: Buffer.byteLength(text), hashes: { sha256: sha256(text) } };
}

/** The files by path, as a mirror serves them: under the names by which a client asks, whatever is in them. */
export function publishTuf(draft: TufDraft): { readonly seed: Buffer; readonly files: Map<string, Buffer> } {
  const [first, ...later] = draft.roots;
  if (first === undefined) throw new Error("a repository starts with a root");
  const prefix = (of: string | number) => (draft.roots.at(-1)?.signed.consistent_snapshot ? `${of}.` : "");
  const files = new Map<string, Buffer>();
  later.forEach((root, index) =>
    files.set(`${first.signed.version + index + 1}.root.json`, signedFile(root)),
  );
  files.set("timestamp.json", signedFile(draft.timestamp));
  const { version } = draft.timestamp.signed.meta["snapshot.json"];
  files.set(`${prefix(version)}snapshot.json`, signedFile(draft.snapshot));
  const list = draft.snapshot.signed.meta["targets.json"];
  files.set(`${prefix(list?.version ?? 0)}targets.json`, signedFile(draft.targets));
  for (const [name, text] of Object.entries(draft.contents)) {
    const hash = Object.values(draft.targets.signed.targets[name]?.hashes ?? {})[0] ?? "";
    files.set(`targets/${prefix(hash)}${name}`, Buffer.from(text));
  }
  return { seed: signedFile(first), files };
}

/** The file's bytes, with the signatures of its signers. */
export function signedFile({ signed, signers }: Draft<Json>): Buffer {
  const bytes = Buffer.from(canonical(signed));
  const signatures = signers.map(({ id, privateKey }) => ({
    keyid: id,
    sig: sign(null, bytes, privateKey).toString("hex"),
  }));
  return Buffer.from(JSON.stringify({ signatures, signed }));
}

function common(type: string, version: number): Common {
  return { _type: type, spec_version: "1.0.31", version, expires: EXPIRES };
}

/** Canonical JSON as TUF has it, for texts without quotes, backslashes and control characters. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
}

function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
