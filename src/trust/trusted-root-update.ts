// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import { TrustUpdateError } from "./error.ts";
import * as tuf from "./tuf-metadata.ts";

/**
 * Fetches one file of a TUF repository: the bytes, or undefined when it has no such file. Rejects when there is no
 * whole answer; with an error whose `code` is `bad-answer` when it would be one of more than `maxBytes`.
 */
export type FetchFile = (what: {
  /** The repository's base URL. */
  readonly mirror: string;
  /** Below the base, without a slash at its start: `timestamp.json`, `targets/….trusted_root.json`. */
  readonly path: string;
  readonly maxBytes: number;
}) => Promise<Uint8Array | undefined>;

/** The most versions of the root since the seed. */
const MAX_ROOTS = 64;
// Everything is parsed before its signatures can be looked at, and the parser's time grows with the square of a
// list's length. The files of the public repository have a tenth of this at most.
const MAX_METADATA_BYTES = 64 * 1024;
const MAX_TARGET_BYTES = 1024 * 1024;

/**
 * The text of the newest trusted root in a Sigstore TUF repository (the client workflow of the TUF specification, 5.1 to 5.7,
 * with nothing kept from earlier updates). `seed` is the text of a `root.json` that is trusted. Nothing that
 * `fetchFile` brings is believed before it is proven by that root; that somebody shows us an old state of the
 * repository is seen as soon as that has expired. `signal` ends all of it. Throws TrustUpdateError.
 */
export async function updateTrustedRoot({
  seed,
  mirror,
  fetchFile,
  now,
  signal,
}: {
  readonly seed: Uint8Array;
  readonly mirror: string;
  readonly fetchFile: FetchFile;
  readonly now: Date;
  readonly signal: AbortSignal;
}): Promise<string> {
  const repository = openRepository({ mirror, fetchFile, signal });
  try {
    const root = await newestRoot(tuf.firstRoot({ name: "root.json", bytes: seed }), repository);
    tuf.isFresh(root, now, { name: `${root.signed.version}.root.json` });
    // 5.4.1 to 5.6.1: which file is asked for next is what the one before says.
    const versioned = (version: number, name: string) =>
      root.signed.consistentSnapshot ? `${version}.${name}` : name;
    const timestamp = tuf.timestamp(await repository.file("timestamp.json"), root, now);
    const { version } = timestamp.signed.snapshotMeta;
    const snapshotFile = await repository.file(versioned(version, "snapshot.json"));
    const snapshot = tuf.snapshot(snapshotFile, { root, timestamp }, now);
    const targetsFile = await repository.file(versioned(tuf.targetsMeta(snapshot).version, "targets.json"));
    const { signed } = tuf.targets(targetsFile, { root, snapshot }, now);
    const name = "trusted_root.json";
    const named = signed.targets[name];
    if (named === undefined)
      throw new TrustUpdateError("bad-file", `it has no "${name}"; is it one of Sigstore's?`);
    return await readTarget({ name, named, repository, consistent: root.signed.consistentSnapshot });
  } catch (error) {
    if (!(error instanceof TrustUpdateError)) throw error;
    const message = `renew the trusted root from the TUF repository "${excerpt(mirror, 300)}": ${error.message}`;
    throw new TrustUpdateError(error.code, message, { cause: error.cause });
  }
}

interface Repository {
  /** The file, or undefined when there is none. */
  find(path: string, maxBytes?: number): Promise<tuf.ServedFile | undefined>;
  /** The file, which has to be there. */
  file(path: string, maxBytes?: number): Promise<tuf.ServedFile>;
}

function openRepository({
  mirror,
  fetchFile,
  signal,
}: {
  readonly mirror: string;
  readonly fetchFile: FetchFile;
  readonly signal: AbortSignal;
}): Repository {
  const find = async (path: string, maxBytes = MAX_METADATA_BYTES): Promise<tuf.ServedFile | undefined> => {
    const bytes = await inTime(signal, fetchFile({ mirror, path, maxBytes })).catch((cause: unknown) => {
      const isWrong = cause instanceof Error && "code" in cause && cause.code === "bad-answer";
      const why = cause instanceof Error ? excerpt(cause.message, 500) : "unknown";
      throw new TrustUpdateError(isWrong ? "bad-file" : "unreachable", `get "${path}": ${why}`, { cause });
    });
    if (bytes === undefined) return undefined;
    if (bytes.length > maxBytes) {
      throw new TrustUpdateError(
        "bad-file",
        `"${path}" is longer than the ${maxBytes} bytes that it may have`,
      );
    }
    return { name: path, bytes };
  };
  return {
    find,
    async file(path, maxBytes) {
      const file = await find(path, maxBytes);
      if (file === undefined)
        throw new TrustUpdateError("bad-file", `it has no "${path}"; is this the URL of a TUF repository?`);
      return file;
    },
  };
}

/** 5.3: each root vouches for the next one, until there is no next. */
async function newestRoot(seed: tuf.ProvenRoot, repository: Repository): Promise<tuf.ProvenRoot> {
  let root = seed;
  for (let count = 0; count < MAX_ROOTS; count++) {
    const next = await repository.find(`${root.signed.version + 1}.root.json`);
    if (next === undefined) return root;
    root = tuf.nextRoot(next, root);
  }
  throw new TrustUpdateError(
    "bad-file",
    `its root has changed more than ${MAX_ROOTS} times since version ${seed.signed.version}, from which we start; start from a newer one`,
  );
}

/** 5.7: a target is the file that the list of targets names, byte for byte. */
async function readTarget({
  name,
  named: { length, hashes },
  repository,
  consistent,
}: {
  readonly name: string;
  readonly named: { readonly length: number; readonly hashes: Readonly<Record<string, string>> };
  readonly repository: Repository;
  readonly consistent: boolean;
}): Promise<string> {
  const hash = hashes["sha256"] ?? hashes["sha512"];
  if (hash === undefined || !/^[0-9a-f]+$/.test(hash)) {
    throw new TrustUpdateError("bad-file", `"${name}" is named without its sha256 or sha512`);
  }
  if (!Number.isSafeInteger(length) || length < 1 || length > MAX_TARGET_BYTES) {
    throw new TrustUpdateError(
      "bad-file",
      `"${name}" has ${length} bytes, and 1 to ${MAX_TARGET_BYTES} are allowed`,
    );
  }
  const file = await repository.file(`targets/${consistent ? `${hash}.` : ""}${name}`, length);
  tuf.isNamed(file, { length, hashes });
  return new TextDecoder().decode(file.bytes);
}

/** The answer, unless the signal comes first: the fetcher may never answer. */
async function inTime<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(new Error("there was no answer in time", { cause: signal.reason }));
  if (signal.aborted) late();
  signal.addEventListener("abort", late, { once: true });
  return Promise.race([answer, promise]).finally(() => signal.removeEventListener("abort", late));
}
