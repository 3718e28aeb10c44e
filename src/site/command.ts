// SPDX-License-Identifier: Apache-2.0
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { useProxies } from "../courier/server/proxies.ts";
import { ImageReferenceError, parseReference } from "../image/reference.ts";
import { canonicalRegistry } from "../image/registry.ts";
import type { LedgerSource } from "../ledger/source.ts";
import { excerpt } from "../log/excerpt.ts";
import {
  type CommandIo,
  EXIT,
  optionsHelp,
  type OptionRow,
  readArguments,
  UsageError,
} from "../program/command-line.ts";
import { openRegistries } from "../observer/opening.ts";
import { type RegistryAccess, readHosts } from "../policy/address.ts";
import { ledgerTrust } from "../policy/ledgers.ts";
import { MAX_POLICY_BYTES } from "../policy/name.ts";
import { PolicyError, WrongValue } from "../policy/policy-error.ts";
import { parseIdentity, parsePublicKey, type TrustedSigner } from "../record/signer.ts";
import { openTrust, OWN_CONFIGURATION } from "../trust/build-trust.ts";
import { TrustError } from "../trust/error.ts";
import { parseTrustedRoot, type TrustedRoot } from "../trust/trusted-root.ts";
import { webUrl } from "./markup.ts";
import { openOutput, OutputError } from "./output.ts";
import { makeSite, type SiteSource } from "./site.ts";

const OPTIONS = {
  ledger: {
    value: "REPOSITORY",
    does: "the ledger, as in image references; may be left out with a policy that has one",
  },
  out: { value: "DIR", does: "the directory of the site: empty, or with a site that was made before" },
  "observer-key": { value: "FILE", does: "the public key of whoever signs the ledger's heads" },
  "observer-issuer": {
    value: "URL",
    does: "the issuer of the observer's identity, when it signs with a certificate",
  },
  "observer-identity": { value: "SUBJECT", does: "the observer's identity" },
  "approver-key": { value: "FILE", does: "the public key of somebody whose approvals count" },
  "approver-issuer": { value: "URL", does: "the issuer of an approver's identity" },
  "approver-identity": { value: "SUBJECT", does: "an approver's identity" },
  policy: { value: "FILE", does: 'a policy whose "ledgers" says who signs, in place of the options above' },
  "base-url": { value: "URL", does: "where the site will be, for links in feeds" },
  "plain-http": { value: "HOST", does: "registries that are asked without TLS, between commas" },
  "trusted-root": { value: "FILE", does: "the trusted root; the one that the image has when not given" },
  quiet: { does: "say nothing when all is well" },
  help: { short: "h", does: "show this" },
} as const satisfies Readonly<Record<string, OptionRow>>;

const HELP = `Usage: site --ledger REPOSITORY --observer-key FILE --out DIR [options]
       site --policy FILE --out DIR [options]

Makes a static site of a ledger: what moved, each tag's timeline, each record with its proof, a search and feeds.
Each record is proven first. A ledger that does not hold is an error, and the site stays as it was.

${optionsHelp(OPTIONS)}
Exit status: 0 when the site is made, 1 when it is not, 2 when the command line or a file of it cannot be used.
`;

type Values = Readonly<Partial<Record<keyof typeof OPTIONS, string>>>;

const CONCURRENCY = 8;
const MAX_FILE_BYTES = 1024 * 1024;

/** The command `site`. Resolves with the exit status. Throws UsageError. */
export async function site(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, switches, positionals } = readArguments(args, OPTIONS);
  if (switches.has("help")) {
    io.stdout.write(HELP);
    return EXIT.well;
  }
  const [extra] = positionals;
  if (extra !== undefined)
    throw new UsageError(`"${excerpt(extra)}" is not an option; name the ledger with --ledger`);
  const { out } = values;
  if (out === undefined) throw new UsageError("no directory is given; name one with --out");
  const baseUrl = values["base-url"] === undefined ? undefined : readBaseUrl(values["base-url"]);
  const { source, access, logs } = await readSource(values, io);
  const trustedRoot = await readTrustedRoot(values["trusted-root"], io);
  const noProxy = useProxies(io.environment);
  if (noProxy !== undefined) throw new UsageError(noProxy);
  const registries = openRegistries(
    { registries: access.map((each) => ({ ...each, concurrency: CONCURRENCY })) },
    { shipped: io.shipped, environment: io.environment, now: io.now },
  );
  try {
    const begun = io.clock();
    const summary = await makeSite(
      siteSource(source, { registry: registries.own, signal: io.signal, trustedRoot, logs, baseUrl }),
      openOutput(resolve(io.directory, out)),
    );
    const { sequence, tags, records, written, unchanged, removed } = summary;
    const seconds = ((io.clock() - begun) / 1_000).toFixed(1);
    if (!switches.has("quiet"))
      io.stderr.write(
        `tlog-dockerfile site: head ${sequence} of "${source.repository}": ${tags} tags, ${records} records; ${written} files written, ${unchanged} unchanged, ${removed} removed in "${excerpt(out, 300)}" (${seconds} s)\n`,
      );
    return EXIT.well;
  } catch (error) {
    const why = io.signal.aborted ? "interrupted" : reasonOf(error);
    const unchanged = error instanceof OutputError ? "" : "; the site in --out is as it was";
    io.stderr.write(`tlog-dockerfile site: no site is made of "${source.repository}": ${why}${unchanged}\n`);
    return EXIT.incomplete;
  } finally {
    registries.own.close();
    registries.everybody.close();
  }
}

function siteSource(
  source: LedgerSource,
  {
    registry,
    signal,
    ...rest
  }: Pick<SiteSource["place"], "registry" | "signal"> & Pick<SiteSource, "trustedRoot" | "logs" | "baseUrl">,
): SiteSource {
  const { registry: host, repository } = parseReference(source.repository);
  return {
    ...rest,
    place: { registry, repository: { registry: host, repository }, signal },
    ledger: source.repository,
    observer: source.observer,
    trust: ledgerTrust([source]),
  };
}

interface ReadSource {
  readonly source: LedgerSource;
  readonly access: readonly RegistryAccess[];
  /** The logs that count; undefined: all of the trusted root. */
  readonly logs: readonly string[] | undefined;
}

async function readSource(values: Values, io: CommandIo): Promise<ReadSource> {
  const plain = values["plain-http"];
  const named = plain === undefined ? [] : usable(() => readHosts(plain), "--plain-http");
  const repository = values.ledger === undefined ? undefined : readRepository(values.ledger);
  const bySigner = await readSigner("observer", values, io);
  const approver = await readSigner("approver", values, io);
  if (values.policy !== undefined) {
    if (bySigner !== undefined || approver !== undefined)
      throw new UsageError(
        'the policy says who signs; leave "--observer-…" and "--approver-…" out, or "--policy"',
      );
    const policy = await readLedgersOf(values.policy, io);
    return { ...policy, source: chosen(policy.sources, repository), access: [...policy.access, ...named] };
  }
  if (repository === undefined)
    throw new UsageError("no ledger is given; name one with --ledger, or a policy with --policy");
  if (bySigner === undefined)
    throw new UsageError(
      "nobody is named who signs the ledger's heads; give --observer-key, or --observer-issuer and --observer-identity, or --policy",
    );
  const approvers = approver === undefined ? [] : [approver];
  return {
    source: { repository, observer: bySigner, approvers, maxAgeMs: Number.POSITIVE_INFINITY },
    access: named,
    logs: undefined,
  };
}

/** Of a policy's ledgers the one that is meant. */
function chosen(sources: readonly LedgerSource[], repository: string | undefined): LedgerSource {
  const fitting = sources.filter((each) => repository === undefined || each.repository === repository);
  const [only, other] = fitting;
  const names = sources.map((each) => `"${each.repository}"`).join(", ") || "none";
  if (only === undefined)
    throw new UsageError(`the policy has no ledger "${repository ?? ""}"; those that it has: ${names}`);
  if (other !== undefined)
    throw new UsageError(`the policy has several ledgers, name one with --ledger: ${names}`);
  return only;
}

async function readLedgersOf(
  name: string,
  io: CommandIo,
): Promise<{
  readonly sources: readonly LedgerSource[];
  readonly access: readonly RegistryAccess[];
  readonly logs: readonly string[] | undefined;
}> {
  const text = await readText(name, io, MAX_POLICY_BYTES);
  const { readPolicyFile } = await import("../policy/policy-file.ts");
  try {
    const { services } = await openTrust({ own: OWN_CONFIGURATION, shipped: io.shipped, now: io.now });
    // It names registries for plain http, as one in a frontend image does: whoever starts this names the file.
    const settings = readPolicyFile(text, { name, services, isBaked: true, registries: [] });
    return {
      sources: settings.ledgers?.value ?? [],
      access: settings.registries?.value ?? [],
      logs: settings.logs?.value.map(({ url }) => url),
    };
  } catch (cause) {
    if (cause instanceof PolicyError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
}

async function readSigner(
  who: "observer" | "approver",
  values: Values,
  io: CommandIo,
): Promise<TrustedSigner | undefined> {
  const [key, issuer, identity] = [values[`${who}-key`], values[`${who}-issuer`], values[`${who}-identity`]];
  if (key !== undefined && (issuer ?? identity) !== undefined)
    throw new UsageError(`"--${who}-key" and an identity are two signers; give one of them`);
  if (key !== undefined) {
    const pem = await readText(key, io);
    return usable(() => parsePublicKey(pem), `--${who}-key`);
  }
  if (issuer === undefined && identity === undefined) return undefined;
  if (issuer === undefined || identity === undefined)
    throw new UsageError(`"--${who}-issuer" and "--${who}-identity" belong together; one of them is missing`);
  return usable(() => parseIdentity({ issuer, identity }), `--${who}-identity`);
}

async function readTrustedRoot(file: string | undefined, io: CommandIo): Promise<TrustedRoot> {
  if (file !== undefined) {
    const text = await readText(file, io);
    return usable(() => parseTrustedRoot(text, file), "--trusted-root");
  }
  const trust = await openTrust({ own: OWN_CONFIGURATION, shipped: io.shipped, now: io.now });
  return trust.trustedRoot();
}

async function readText(name: string, io: CommandIo, max = MAX_FILE_BYTES): Promise<string> {
  const path = resolve(io.directory, name);
  try {
    const { size } = await stat(path);
    if (size > max)
      throw new UsageError(`read "${excerpt(name, 300)}": it has ${size} bytes, and the limit is ${max}`);
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`read "${excerpt(name, 300)}": ${reasonOf(cause)}`, { cause });
  }
}

function readRepository(text: string): string {
  const shown = excerpt(text, 300);
  if (/[:@]/.test(text.slice(text.lastIndexOf("/") + 1)))
    throw new UsageError(
      `"--ledger": "${shown}": a ledger is a whole repository; leave the tag or the digest out`,
    );
  try {
    const { registry, repository } = parseReference(text);
    return `${canonicalRegistry(registry)}/${repository}`;
  } catch (cause) {
    if (!(cause instanceof ImageReferenceError)) throw cause;
    throw new UsageError(`"--ledger": ${cause.message}`, { cause });
  }
}

function readBaseUrl(text: string): string {
  const href = webUrl(text);
  const url = href === undefined ? undefined : new URL(href);
  if (url === undefined || url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "")
    throw new UsageError(
      `"--base-url": "${excerpt(text, 300)}" is not the address of a site, such as "https://acme.github.io/ledger/"`,
    );
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}

function usable<T>(read: () => T, option: string): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof TrustError || cause instanceof WrongValue)
      throw new UsageError(`"${option}": ${cause.message}`, { cause });
    throw cause;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
