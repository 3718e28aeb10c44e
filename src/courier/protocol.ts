// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";

/**
 * The protocol between the frontend and the courier: one JSON object a line (UTF-8, LF). Requests go to the courier's
 * standard input, answers come from its standard output. The frontend trusts no answer; it verifies records and manifests
 * itself.
 *
 * The courier speaks first: one `ready` line. It answers each request with any number of `entries` lines and then exactly
 * one `found`, `manifest`, `names`, `blob`, `recorded`, `bundle`, `file` or `failed` line with the request's id, in any order. The
 * end of its input ends the courier.
 */

/**
 * The ids of the build secrets that sign, and the names of their files in the courier's container: a key and its
 * password, an identity token, or what a job of GitHub Actions gets one with.
 */
export const SECRET_NAMES = {
  key: "tlog-signing-key",
  password: "tlog-signing-password",
  token: "tlog-identity-token",
  githubToken: "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
  githubUrl: "ACTIONS_ID_TOKEN_REQUEST_URL",
} as const;
/** The largest secret that is read, in bytes; web servers take no larger tokens in their headers. */
export const MAX_SECRET_BYTES = 64 * 1024;

/**
 * Where a courier's answers are kept by the builder: what the program is called with, the variable with its requests (a line
 * each), the directory that it fills and the file in it. The file begins with a line that says when it was made (`askedAt`);
 * what follows are the courier's lines.
 */
export const REMEMBERED = {
  argument: "remember",
  questions: "TLOG_QUESTIONS",
  directory: "/run/tlog-dockerfile",
  file: "answers",
} as const;
/** The longest such file, in bytes: a hundred records. */
export const MAX_REMEMBERED_BYTES = 1024 * 1024;

/** The longest line either side accepts, in bytes without the LF. */
export const MAX_LINE_BYTES = 8 * 1024 * 1024;
/** The most entries of a log's index that are looked at for one search; those of strangers are dropped as they come. */
export const MAX_INDEXED = 60_000;
/** What a courier brings at most for one tag, and for all tags of a build: entries, and bytes of their lines. */
export const MAX_FOUND = {
  tag: { entries: 2_000, bytes: 16 * 1024 * 1024 },
  build: { entries: 20_000, bytes: 64 * 1024 * 1024 },
} as const;
/** The most signers, and the most authorities, that are named with a search. */
export const MAX_NAMED = 64;
/** The largest manifest or index that is fetched, in bytes (the limit that registries themselves set). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** The largest file of a TUF repository that is fetched, in bytes: its base64 fits one line. */
export const MAX_FILE_BYTES = 5 * 1024 * 1024;
/** The largest blob that is fetched, in bytes: as a file. */
export const MAX_BLOB_BYTES = MAX_FILE_BYTES;
/** The longest time after which a registry may want to be asked again, in seconds: a day. */
export const MAX_RETRY_AFTER = 24 * 60 * 60;
/** `sha512:` and 128 hex digits. */
const MAX_DIGEST_LENGTH = 135;
/** The longest bundle that a record comes in, in characters of JSON: a statement of 64 KiB, certificate and proofs. */
export const MAX_BUNDLE_LENGTH = 256 * 1024;
/** The most timestamp authorities that are named for one record. */
const MAX_AUTHORITIES = 8;

/** The other side does not speak the protocol. The message quotes nothing of what it said. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

const id = v.pipe(v.number(), v.integer(), v.minValue(1));
const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
const url = v.pipe(v.string(), v.maxLength(2048), v.url());
/** An entry's leaf hash in hex, or the tree's id and the leaf hash: it becomes part of URLs and of messages. */
const uuid = v.pipe(v.string(), v.regex(/^([0-9a-f]{16})?[0-9a-f]{64}$/));
// A check of our own: valibot's regular expression for base64 exhausts the stack on a few megabytes.
const base64 = (maxBytes: number) =>
  v.pipe(v.string(), v.maxLength(Math.ceil(maxBytes / 3) * 4), v.check(isBase64, "is not base64"));

function isBase64(value: string): boolean {
  return Buffer.from(value, "base64").toString("base64") === value;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Whose entries count: what an entry's key or certificate must be, or have in it. */
const Counting = v.object({
  /** The sha256, in hex, of public keys in DER. */
  keys: v.pipe(v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))), v.maxLength(MAX_NAMED)),
  /** For each identity the texts that its certificates have in them, all of them. */
  names: v.pipe(v.array(v.pipe(v.array(text(2048)), v.maxLength(64))), v.maxLength(MAX_NAMED)),
  /** The authorities of the trusted root, one of which has issued such a certificate: theirs in DER. */
  authorities: v.pipe(v.array(base64(16 * 1024)), v.maxLength(MAX_NAMED)),
  /** How far an entry's time may be from the time of observation in its statement, in milliseconds. */
  maxDelayMs: count,
});
export type Counting = v.InferOutput<typeof Counting>;

/**
 * Why an entry was dropped by the courier, in the words of those who judge records: it names none of the signers that
 * count (`untrusted-signer`, `weaker-evidence` of tlogistry's), one of them in a certificate of no authority that was named
 * (`bad-certificate`), is logged again (`replayed`), or is no such entry at all.
 */
const DropReason = v.picklist([
  "untrusted-signer",
  "weaker-evidence",
  "bad-certificate",
  "replayed",
  "not-a-sighting",
  "malformed",
]);
export type DropReason = v.InferOutput<typeof DropReason>;

/** Ask a Rekor v1 log for the entries indexed under `hash`. */
const FindRequest = v.object({
  id,
  ask: v.literal("find"),
  log: url,
  /** `sha256:` and 64 hex digits: the digest of the tag's full name. */
  hash: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
  /**
   * The one subject of certificates whose entries are wanted: an email address or a URI. Others may come all the same,
   * because not every log can search so.
   */
  identity: v.optional(text(2048)),
  /** The UUID of an entry just written: the answer waits a little until the log shows it. It is never dropped. */
  including: v.optional(uuid),
  /** The tag: its searches share one budget, and it takes turns with others. The hash where this is left out. */
  tag: v.optional(text(1024)),
  /** Whose entries are wanted; all where this is left out. */
  counting: v.optional(Counting),
});

/** Ask the registry, anonymously, what a tag names, or for the manifest of a digest. */
const ManifestRequest = v.object({
  id,
  ask: v.literal("manifest"),
  /** The registry as in a reference: `docker.io`, `localhost:5000`. */
  registry: text(255),
  repository: text(255),
  tag: text(MAX_DIGEST_LENGTH),
  plainHttp: v.boolean(),
  /**
   * The digest that the tag is to name: its bytes come only when it does, and else the digest that it names. The
   * registry is asked by HEAD then, which counts against nobody's limit.
   */
  digest: v.optional(text(MAX_DIGEST_LENGTH)),
  /** Whether a registry whose name leads to an address that is not public fails with `not-public`. */
  public: v.optional(v.boolean()),
});

/** Ask the registry, anonymously, for a blob. */
const BlobRequest = v.object({
  id,
  ask: v.literal("blob"),
  registry: text(255),
  repository: text(255),
  digest: text(MAX_DIGEST_LENGTH),
  plainHttp: v.boolean(),
  /** The largest blob that is read. */
  maxBytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_BLOB_BYTES)),
});

/**
 * Sign a statement with what the build's secrets give and append it to a log: to Rekor v1 as `intoto` 0.0.2, which
 * `recorded` answers, or to Rekor v2 as `hashedrekord` 0.0.2, which `bundle` answers.
 */
const RecordRequest = v.object({
  id,
  ask: v.literal("record"),
  log: v.object({ url, api: v.picklist([1, 2]) }),
  /** The certificate authority that is asked when the build signs with an identity token. */
  fulcio: v.optional(url),
  /** Timestamp authorities to POST to, the first to be asked first. Rekor v2 proves no time, so it takes one. */
  timestamps: v.pipe(v.array(url), v.maxLength(MAX_AUTHORITIES)),
  /** The exact bytes of the in-toto statement. */
  statement: base64(64 * 1024),
});

/** Fetch one file of a TUF repository. */
const FileRequest = v.object({
  id,
  ask: v.literal("file"),
  /** The URL below which the repository's files are. */
  mirror: url,
  /** Names and slashes, as in `targets/ab12….trusted_root.json`. */
  path: v.pipe(text(512), v.regex(/^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/)),
  /** Whether this mirror may be asked over http although it is not this machine. */
  plainHttp: v.optional(v.boolean()),
  /** The largest file that is read. */
  maxBytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_FILE_BYTES)),
});

export const Request = v.variant("ask", [
  FindRequest,
  ManifestRequest,
  BlobRequest,
  RecordRequest,
  FileRequest,
]);
export type Request = v.InferOutput<typeof Request>;

/** The first line: the signer that the courier has. No field: no signing secret was given. */
const Ready = v.object({
  say: v.literal("ready"),
  /** The SPKI PEM of the signing key's public half. */
  publicKey: v.optional(text(4096)),
  /**
   * The identity that the token names, as certificates would. Only the certificate of an entry proves it.
   */
  identity: v.optional(v.object({ issuer: text(2048), identity: text(2048) })),
  /** Why the secret that was given cannot sign: a message code and a text without any of the secret. */
  signerProblem: v.optional(text(1024)),
});

/**
 * Some of the entries asked for, each as the log answered it. `null` is an entry that the index names and the log
 * does not give; `{}` is one that is larger than any record.
 */
const Entries = v.object({
  say: v.literal("entries"),
  id,
  entries: v.array(v.object({ uuid, entry: v.unknown() })),
});

/** All entries have been said, but those that were dropped: how many, and why. */
const Found = v.object({
  say: v.literal("found"),
  id,
  dropped: v.optional(v.array(v.tuple([DropReason, count])), []),
});

const Manifest = v.object({
  say: v.literal("manifest"),
  id,
  /** The exact bytes that the registry served. */
  bytes: base64(MAX_MANIFEST_BYTES),
  mediaType: text(255),
});

/** The tag names this digest, and not the one that it was to name. */
const Names = v.object({
  say: v.literal("names"),
  id,
  digest: v.pipe(v.string(), v.regex(/^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/)),
});

/** The exact bytes of a blob. */
const Blob = v.object({ say: v.literal("blob"), id, bytes: base64(MAX_BLOB_BYTES) });

/** The statement is in a Rekor v1 log, as this entry. */
const Recorded = v.object({ say: v.literal("recorded"), id, uuid });

/** The statement is in a Rekor v2 log. This is the only copy of what proves it: a bundle v0.3, JSON. */
const Bundle = v.object({ say: v.literal("bundle"), id, bundle: text(MAX_BUNDLE_LENGTH) });

/** A file's bytes; `null` when the mirror has no such file. */
const File = v.object({ say: v.literal("file"), id, bytes: v.nullable(base64(MAX_FILE_BYTES)) });

/**
 * Why a request has no answer. `unreachable`: could not ask (network, deadline, 5xx). `refused`: asked, and
 * the server said no (4xx). `bad-answer`: it answered something that is not an answer. `not-found`: the
 * registry has no such tag, manifest or blob. `needs-credentials`: the registry does not show it without credentials.
 * `rate-limited`: the registry wants to be asked later (429). `not-public`: the registry's name leads to an address that
 * is not public, and a public one was asked for. `no-signer`: there is nothing to sign with.
 */
const Failed = v.object({
  say: v.literal("failed"),
  id,
  code: v.picklist([
    "unreachable",
    "refused",
    "bad-answer",
    "not-found",
    "needs-credentials",
    "rate-limited",
    "not-public",
    "no-signer",
  ]),
  /** Of `rate-limited`: in how many seconds, if the registry says so. */
  retryAfter: v.optional(v.pipe(count, v.maxValue(MAX_RETRY_AFTER))),
  /** For the person at the terminal: what was tried on which URL and what came back. No secrets. */
  message: text(2048),
});

export const Answer = v.variant("say", [
  Ready,
  Entries,
  Found,
  Manifest,
  Names,
  Blob,
  Recorded,
  Bundle,
  File,
  Failed,
]);
export type Answer = v.InferOutput<typeof Answer>;
export type FailureCode = v.InferOutput<typeof Failed>["code"];

/**
 * The lines (UTF-8, without their LF) of bytes that come in chunks cut anywhere. Keeps at most one line. Throws
 * ProtocolError, and what `chunks` throws.
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<string, void, undefined> {
  let begun: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (;;) {
      const feed = chunk.indexOf(0x0a, from);
      const piece = chunk.subarray(from, feed === -1 ? undefined : feed);
      size += piece.length;
      if (size > maxBytes) throw new ProtocolError(`a line is longer than ${maxBytes} bytes`);
      // A copy, because the memory of the chunks may be used again. (A Buffer's own slice is none.)
      if (piece.length > 0) begun.push(feed === -1 ? Buffer.from(piece) : piece);
      if (feed === -1) break;
      yield decode(Buffer.concat(begun));
      begun = [];
      size = 0;
      from = feed + 1;
    }
  }
  if (size > 0) throw new ProtocolError(`the input ended after ${size} bytes of a line`);
}

function decode(line: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
  } catch (cause) {
    throw new ProtocolError("a line is not UTF-8", { cause });
  }
}
