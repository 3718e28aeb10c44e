// SPDX-License-Identifier: Apache-2.0
import { dirname, resolve } from "node:path";
import { canonicalReference, parseReference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import { sameUrl } from "../log/json-api.ts";
import type { LogService, SigningServices } from "../log/signing-config.ts";
import {
  mayUsePlainHttp,
  readLogUrl,
  readRegistries,
  readServiceUrl,
  type RegistryAccess,
} from "../policy/address.ts";
import { checkedShape, type FileFormat, openFile } from "../policy/file-shape.ts";
import type { ReadUrl, Shape } from "../policy/key.ts";
import { PolicyError, WrongValue } from "../policy/policy-error.ts";
import { readSigner } from "../policy/trust.ts";
import type { TrustedSigner } from "../record/signer.ts";
import {
  ALLOWED_KEYS,
  APPROVER_SCHEMA,
  CONFIGURATION_SCHEMA,
  type ConfigurationShape,
  type WATCH,
} from "./configuration-schema.ts";
import { readTagChoice, type TagChoice } from "./tag-selection.ts";

/** A repository in a registry, by the registry's one name. */
export interface Repository {
  readonly registry: string;
  readonly repository: string;
}

/** One repository, and which of its tags are watched. */
export interface Watched extends Repository {
  readonly choice: TagChoice;
  /** Whether it is asked with credentials, and named to the log although not everybody can see it. */
  readonly private?: boolean;
  /** `tlog-observer.yaml:12` */
  readonly place: string;
}

/** How one registry is asked. */
export interface ObservedRegistry extends RegistryAccess {
  /** Requests at once. */
  readonly concurrency: number;
}

/** What signs sightings. Paths are absolute. */
export type SigningWay =
  | { readonly kind: "key"; readonly file: string; readonly passwordFile?: string }
  | { readonly kind: "token"; readonly file: string }
  | { readonly kind: "github" };

/** What an observer does, as its file says it. Paths are absolute. */
export interface ObserverConfiguration {
  readonly ledger: Repository;
  /** Undefined: the first log of the signing configuration; `logOf` finds it. */
  readonly log?: { readonly url: string; readonly api?: 1 | 2 };
  readonly signing: SigningWay;
  /** Undefined, as `timestamps`: what the signing configuration says. */
  readonly fulcio?: string;
  readonly timestamps?: readonly string[];
  readonly trustedRoot?: string;
  /** The directory of what is not pushed yet. */
  readonly state: string;
  /** The newest sightings that are kept of each tag, besides the first and approvals. */
  readonly keep: number;
  readonly watch: readonly Watched[];
  readonly registries: readonly ObservedRegistry[];
  /** Where lines of approvals are read from, files or directories, and whose approvals are kept. */
  readonly approvals: { readonly from: readonly string[]; readonly signers: readonly TrustedSigner[] };
  /** It may have a secret in its path or query: nothing but its host is shown. */
  readonly webhook?: URL;
}

/** A configuration that cannot be used. The message has one line for each problem, with its place. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

/** The file that is read when no other is named, in the working directory. */
export const CONFIGURATION_FILE = "tlog-observer.yaml";
const DEFAULT_KEEP = 64;
const DEFAULT_CONCURRENCY = 8;
const DEFAULT_STATE = "tlog-observer-state";
const MAX_PATH = 4_096;
const MAX_URL = 2_048;

const FORMAT: FileFormat = {
  noun: "a configuration",
  begins: 'a configuration names a "ledger", what is "signing" and what to "watch"',
  schema: CONFIGURATION_SCHEMA,
  allowedKeys: ALLOWED_KEYS,
  // A key or a token might stand there instead of its file, and a webhook's address is a secret itself.
  maySecretBeAt: ([first]) => first === "signing" || first === "webhook" || first === "approvals",
};

/** Of who approves: nothing need be watched, and no file with approvals be named. */
const APPROVER_FORMAT: FileFormat = {
  ...FORMAT,
  begins: 'a configuration names a "ledger" and what is "signing"',
  schema: APPROVER_SCHEMA,
};

/** What reading a configuration takes besides its text. */
export interface ConfigurationReading {
  /** The file's absolute path: relative paths in it are relative to its directory. */
  readonly path: string;
  /** For messages. */
  readonly name: string;
  /** Whether it is read to approve, which needs nothing to watch. Default: false. */
  readonly isApprover?: boolean;
}

/**
 * Reads the text of a configuration. Throws ConfigurationError with all problems of the file at once.
 */
export function readConfiguration(
  text: string,
  { path, name, isApprover = false }: ConfigurationReading,
): ObserverConfiguration {
  try {
    return read(text, { path, name, isApprover });
  } catch (cause) {
    if (cause instanceof PolicyError) throw new ConfigurationError(cause.message, { cause });
    throw cause;
  }
}

function read(text: string, { path, name, isApprover }: ConfigurationReading): ObserverConfiguration {
  const format = isApprover === true ? APPROVER_FORMAT : FORMAT;
  const file = openFile(text, name, format);
  const shape = checkedShape(file, format) as Omit<ConfigurationShape, "watch"> &
    Partial<Pick<ConfigurationShape, "watch">>;
  const { attempt, wrong } = file;

  const registries = readHosts(shape, attempt);
  const url = (given: string, readUrl: ReadUrl) =>
    readUrl(given, (host) => mayUsePlainHttp(host, registries), "");
  const fileAt = (given: string) => readPath(given, dirname(path));

  const ledger = attempt(["ledger"], () => readRepository(shape.ledger));
  const log = attempt(["log"], () => {
    if (shape.log === undefined) return undefined;
    const { url: address, api } = typeof shape.log === "string" ? { url: shape.log } : shape.log;
    return { url: url(address, readLogUrl), ...(api !== undefined && { api }) };
  });
  const { fulcio, timestamps } = shape.signing;
  const signing = attempt(["signing"], () => readSigningWay(shape.signing, fileAt));
  const authority = attempt(["signing", "fulcio"], () => fulcio && url(fulcio, readLogUrl));
  const stamps = timestamps?.flatMap(
    (each, index) => attempt(["signing", "timestamps", index], () => url(each, readServiceUrl)) ?? [],
  );
  const trustedRoot = attempt(["trusted-root"], () => shape["trusted-root"] && fileAt(shape["trusted-root"]));
  const state = attempt(["state"], () => fileAt(shape.state ?? DEFAULT_STATE));
  const watch = (shape.watch ?? []).flatMap((entry, index) => {
    const at = ["watch", index];
    const place = file.placeOf(at);
    return attempt(at, () => readWatched(entry, { place, ledger })) ?? [];
  });
  const from = shape.approvals?.from ?? [];
  const signers = shape.approvals?.signers ?? [];
  if (from.length > 0 && signers.length === 0)
    wrong(["approvals"], 'nobody\'s approvals would be kept; name the "signers" whose approvals are');
  const approvals = {
    from: from.flatMap((each, index) => attempt(["approvals", "from", index], () => fileAt(each)) ?? []),
    signers: signers.flatMap(
      (each, index) => attempt(["approvals", "signers", index], () => readSigner(each)) ?? [],
    ),
  };
  const webhook = attempt(["webhook"], () => {
    if (shape.webhook === undefined) return undefined;
    return readWebhook(shape.webhook, (host) => mayUsePlainHttp(host, registries));
  });
  file.throwReported();
  if (ledger === undefined || signing === undefined || state === undefined)
    throw new TypeError("a value was refused, and no problem was reported");
  return {
    ledger,
    ...(log && { log }),
    signing,
    ...(authority && { fulcio: authority }),
    ...(stamps && { timestamps: stamps }),
    ...(trustedRoot && { trustedRoot }),
    state,
    keep: shape.keep ?? DEFAULT_KEEP,
    watch,
    registries,
    approvals,
    ...(webhook && { webhook }),
  };
}

/**
 * The log that sightings are written to: the configured one, with the API that the signing configuration knows of it
 * where the file says none, or 1. Undefined when neither names a log.
 */
export function logOf(
  { log }: Pick<ObserverConfiguration, "log">,
  { logs }: Pick<SigningServices, "logs">,
): LogService | undefined {
  if (log === undefined) return logs[0];
  return { url: log.url, api: log.api ?? logs.find(({ url }) => sameUrl(url, log.url))?.api ?? 1 };
}

function readHosts(
  { registries = [] }: Pick<ConfigurationShape, "registries">,
  attempt: Parameters<typeof readRegistries>[1]["attempt"],
): ObservedRegistry[] {
  const access = readRegistries(registries, { at: ["registries"], attempt });
  // One that is refused is left out, and then nothing of the file is used.
  return access.map((each, index) => ({
    ...each,
    concurrency: registries[index]?.concurrency ?? DEFAULT_CONCURRENCY,
  }));
}

/** Reads a repository's name without tag and digest. Throws WrongValue and ImageReferenceError. */
export function readRepository(text: string): Repository {
  const { registry, repository } = canonicalReference(parseReference(text));
  const last = text.slice(text.lastIndexOf("/") + 1);
  if (text.includes("@") || last.includes(":"))
    throw new WrongValue(`"${excerpt(text)}": write the repository alone, without a tag or a digest`);
  return { registry, repository };
}

function readWatched(
  { repository, private: isPrivate, ...choice }: Shape<typeof WATCH>,
  { place, ledger }: { readonly place: string; readonly ledger: Repository | undefined },
): Watched {
  const named = readRepository(repository);
  if (named.registry === ledger?.registry && named.repository === ledger.repository)
    throw new WrongValue(
      `"${excerpt(repository)}" is the ledger, which each run changes; watch something else`,
    );
  return {
    ...named,
    choice: readTagChoice(choice),
    ...(isPrivate === true && { private: true }),
    place,
  };
}

function readSigningWay(
  { key, "password-file": password, token, github }: ConfigurationShape["signing"],
  fileAt: (path: string) => string,
): SigningWay {
  const ways = [key, token, github === true ? github : undefined].filter((each) => each !== undefined);
  if (ways.length !== 1)
    throw new WrongValue(
      `it has ${ways.length === 0 ? "none" : "several"} of "key", "token" and "github: true"; it needs exactly one`,
    );
  if (password !== undefined && key === undefined)
    throw new WrongValue('"password-file" is for a "key", and there is none');
  if (key !== undefined)
    return {
      kind: "key",
      file: fileAt(key),
      ...(password !== undefined && { passwordFile: fileAt(password) }),
    };
  return token === undefined ? { kind: "github" } : { kind: "token", file: fileAt(token) };
}

/** The absolute path. What was written is not repeated: it may be a key. Throws WrongValue. */
export function readPath(text: string, directory: string): string {
  if (text === "") throw new WrongValue("it is empty; write the path of a file or directory");
  if (text.length > MAX_PATH) throw new WrongValue(`it is longer than ${MAX_PATH} characters; write a path`);
  if (/\p{Cc}/u.test(text))
    throw new WrongValue(
      "it has a line break or another control character; write the path of a file, not its content",
    );
  return resolve(directory, text);
}

/** The address of a webhook, with its query. What was written is not repeated: it may be a secret. Throws WrongValue. */
function readWebhook(text: string, allowsPlainHttp: (host: string) => boolean): URL {
  if (text.length > MAX_URL) throw new WrongValue(`it is longer than ${MAX_URL} characters`);
  const url = /^https?:\/\/[^\s\\\p{Cc}]+$/iu.test(text) ? URL.parse(text) : null;
  if (url === null) throw new WrongValue('it is not a URL that begins with "https://"');
  if (url.username !== "" || url.password !== "" || url.hash !== "")
    throw new WrongValue('it has credentials before an "@", or a fragment; leave them out');
  const hosts = url.port === "" ? [url.hostname, `${url.hostname}:80`] : [url.host];
  if (url.protocol === "http:" && !hosts.some(allowsPlainHttp))
    throw new WrongValue(
      `plain http is for loopback and for hosts named in "registries" with "plain-http: true"; use https, or name "${url.host}" there`,
    );
  return url;
}
