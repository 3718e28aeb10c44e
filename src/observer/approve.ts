// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { useProxies } from "../courier/server/proxies.ts";
import { type Digest, DigestError, parseDigest } from "../image/digest.ts";
import {
  canonicalReference,
  ImageReferenceError,
  parseReference,
  type Reference,
  taggedName,
} from "../image/reference.ts";
import { shardOf } from "../ledger/layout.ts";
import { ledgerHistory } from "../ledger/lines.ts";
import { LedgerError } from "../ledger/error.ts";
import { recordLine } from "../lock/file.ts";
import { excerpt } from "../log/excerpt.ts";
import { standing } from "../record/history.ts";
import { readManifest } from "../record/manifest.ts";
import type { TagRecord } from "../record/record.ts";
import { signerName, type Trust, type TrustedSigner } from "../record/signer.ts";
import { MAX_REASON_LENGTH, NO_REASON, REASON, TOO_LONG_REASON } from "../record/reason.ts";
import { sightingStatement } from "../record/statement.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import {
  type CommandIo,
  EXIT,
  optionsHelp,
  type OptionRow,
  readArguments,
  UsageError,
} from "../program/command-line.ts";
import { CONFIGURATION_FILE, type ObserverConfiguration } from "./configuration.ts";
import { readConfigurationFile } from "./configuration-file.ts";
import { type KeptLedger, readKeptLedger, readKeptPart } from "../ledger/registry/kept-ledger.ts";
import {
  type ConfiguredRegistries,
  type ObserverHost,
  openConfiguredRecorder,
  openRegistries,
  pauseOf,
  whyNotNamed,
} from "./opening.ts";

const OPTIONS = {
  config: { value: "FILE", does: `the configuration; "${CONFIGURATION_FILE}" when not given` },
  supersedes: { value: "DIGEST", does: "the image that stood before; what the ledger says when not given" },
  reason: {
    value: "TEXT",
    does: `why: one line of at most ${MAX_REASON_LENGTH} characters, public in the log`,
  },
  out: { value: "FILE", does: "append the line to this file; standard output when not given" },
  private: { does: "the log may have the image's name, although not everybody can see it" },
  help: { short: "h", does: "show this" },
} as const satisfies Readonly<Record<string, OptionRow>>;

const HELP = `Usage: approve IMAGE:TAG@DIGEST [options]

Approves an image for a tag that moved, outside a build: signs and logs that DIGEST takes the place of the
image that stood before. The line goes where an observer's "approvals" reads it, and from there into the ledger.

${optionsHelp(OPTIONS)}
Exit status: 0 when the approval is written, 1 when it is not, 2 when the command line or the
configuration cannot be used.
`;

/** An approval that cannot be given, or not be written down. The message says why. */
class ApprovalError extends Error {
  override readonly name = "ApprovalError";
}

interface ApproveCommand {
  readonly reference: Reference & { readonly digest: Digest };
  readonly supersedes?: Digest;
  readonly reason?: string;
}

/** The command `approve`. Resolves with the exit status. Throws UsageError. */
export async function approve(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, switches, positionals } = readArguments(args, OPTIONS);
  if (switches.has("help")) {
    io.stdout.write(HELP);
    return EXIT.well;
  }
  const [image, extra] = positionals;
  if (image === undefined) throw new UsageError("no image is given; name one as IMAGE:TAG@DIGEST");
  if (extra !== undefined) throw new UsageError(`one image at a time: "${excerpt(extra)}" is another one`);
  const { supersedes, reason } = values;
  const command: ApproveCommand = {
    reference: readImage(image),
    ...(supersedes !== undefined && { supersedes: readDigest(supersedes) }),
    ...(reason !== undefined && { reason: readReason(reason) }),
  };
  const configuration = await readConfigurationFile(values.config ?? CONFIGURATION_FILE, {
    directory: io.directory,
    isApprover: true,
  });
  const noProxy = useProxies(io.environment);
  if (noProxy !== undefined) throw new UsageError(noProxy);
  const isPrivate = switches.has("private") || isWatchedAsPrivate(command.reference, configuration);
  try {
    await approveAndWrite(command, { io, configuration, isPrivate, out: values.out });
    return EXIT.well;
  } catch (error) {
    const why = io.signal.aborted ? "interrupted" : reasonOf(error);
    const name = excerpt(image, 300);
    io.stderr.write(`tlog-dockerfile approve: "${name}" is not approved: ${why}\n`);
    return EXIT.incomplete;
  }
}

interface Approving {
  readonly io: CommandIo;
  readonly configuration: ObserverConfiguration;
  readonly isPrivate: boolean;
  /** Undefined: standard output. */
  readonly out: string | undefined;
}

async function approveAndWrite(
  command: ApproveCommand,
  { io, configuration, isPrivate, out }: Approving,
): Promise<void> {
  const { now, signal } = io;
  const { reference, reason } = command;
  const hidden = isPrivate ? undefined : whyNotNamed(reference.registry, "--private");
  if (hidden !== undefined) throw new ApprovalError(hidden);
  const host: ObserverHost = { shipped: io.shipped, environment: io.environment };
  const { recorder, trustedRoot } = await openConfiguredRecorder(configuration, {
    ...host,
    now,
    signal,
    pause: pauseOf(host),
  });
  const registries = openRegistries(configuration, { ...host, now });
  // Before anything is logged: an approval that cannot be written down would be of no use.
  const file = out === undefined ? undefined : await openForAppending(resolve(io.directory, out), out);
  try {
    const supersedes =
      command.supersedes ??
      (await standingDigest(reference, {
        configuration,
        registries,
        trustedRoot,
        self: recorder.signer,
        signal,
      }));
    if (supersedes === reference.digest) throw new ApprovalError("it is the image that stands already");
    const registry = isPrivate ? registries.own : registries.everybody;
    const served = await registry.manifest(reference, reference.digest, { signal });
    if (served === undefined) throw new ApprovalError(`the registry has no manifest "${reference.digest}"`);
    const { mediaType, platforms } = readManifest(served.bytes, served.mediaType);
    const record = await recorder.sighting(
      sightingStatement({
        reference: taggedName(reference),
        digest: reference.digest,
        mediaType,
        platforms,
        observedAt: now(),
        supersedes,
        ...(reason !== undefined && { reason }),
      }),
      { signal },
    );
    await writeLine(record, { io, file, out });
  } finally {
    await file?.close();
    registries.own.close();
    registries.everybody.close();
  }
}

async function writeLine(
  record: TagRecord,
  { io, file, out }: Pick<Approving, "io" | "out"> & { readonly file: FileHandle | undefined },
): Promise<void> {
  const line = recordLine(record);
  if (line === undefined) throw new ApprovalError("the log's answer makes no line");
  try {
    if (file === undefined) io.stdout.write(`${line}\n`);
    else await file.appendFile(`${(await endsOpen(file)) ? "\n" : ""}${line}\n`);
  } catch (cause) {
    // It is in the log, and must not be lost.
    io.stdout.write(`${line}\n`);
    throw new ApprovalError(
      `it is signed and logged, but "${out}" cannot be written (${reasonOf(cause)}); its line is on standard output`,
      { cause },
    );
  }
  const { reference, digest, supersedes = "", signer, logUrl, logIndex } = record;
  const where = out === undefined ? "" : `; its line is in "${out}"`;
  io.stderr.write(
    `tlog-dockerfile approve: "${reference}" ${digest} takes the place of ${supersedes}, approved by ${signerName(signer)} (${logUrl}, index ${logIndex})${where}\n`,
  );
}

/** The digest that stands for the tag by the ledger. Throws ApprovalError, LedgerError and RegistryError. */
async function standingDigest(
  reference: Reference,
  {
    configuration,
    registries: { own: registry },
    trustedRoot,
    self,
    signal,
  }: {
    readonly configuration: ObserverConfiguration;
    readonly registries: ConfiguredRegistries;
    readonly trustedRoot: TrustedRoot;
    readonly self: TrustedSigner;
    readonly signal: AbortSignal;
  },
): Promise<Digest> {
  const { ledger: repository, approvals } = configuration;
  const name = `${repository.registry}/${repository.repository}`;
  const place = { registry, repository, signal };
  const signers = [self, ...approvals.signers];
  const { ledger, observer } = await firstProven(signers, (each) =>
    readKeptLedger(place, { repository: name, observer: each, trustedRoot, logs: undefined }),
  );
  const tag = taggedName(reference);
  const lines = (await readKeptPart(place, ledger, shardOf(tag, ledger.shards.length))).get(tag);
  const trust = signers.map((signer): Trust => ({ signer, may: new Set(["record", "approve"]) }));
  const context = { subject: reference, trust, trustedRoot, logs: undefined };
  const history = lines && ledgerHistory(lines, context, { name, observer });
  const stands = history && standing(history)?.record.digest;
  if (stands !== undefined) return stands;
  throw new ApprovalError(
    `nothing stands for "${tag}" in the ledger "${name}"; name the image that it takes the place of with --supersedes`,
  );
}

/** The ledger by the first of these whose head it has. Throws LedgerError when there is none, and RegistryError. */
async function firstProven(
  signers: readonly TrustedSigner[],
  read: (observer: TrustedSigner) => Promise<KeptLedger>,
): Promise<{ readonly ledger: KeptLedger; readonly observer: TrustedSigner }> {
  let foreign: LedgerError | undefined;
  for (const observer of signers) {
    try {
      return { ledger: await read(observer), observer };
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "ledger-foreign") throw error;
      foreign = error;
    }
  }
  throw new ApprovalError(
    `${foreign?.message ?? "nobody writes the ledger"}; name its observer among "approvals.signers", or what the image takes the place of with --supersedes`,
    { cause: foreign },
  );
}

/** Whether the file's last line has no end. */
async function endsOpen(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== 0x0a;
}

async function openForAppending(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, "a+");
  } catch (cause) {
    throw new ApprovalError(`"${name}" cannot be written: ${reasonOf(cause)}`, { cause });
  }
}

function readImage(text: string): Reference & { readonly digest: Digest } {
  try {
    const reference = canonicalReference(parseReference(text));
    const { tag, digest } = reference;
    // `alpine@sha256:…` has no tag, and not the tag "latest".
    if (tag !== undefined && digest !== undefined) return { ...reference, digest };
  } catch (cause) {
    if (!(cause instanceof ImageReferenceError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
  throw new UsageError(
    `"${excerpt(text)}": write the tag and the digest that it is to stand for, IMAGE:TAG@sha256:…`,
  );
}

function readDigest(text: string): Digest {
  try {
    return parseDigest(text);
  } catch (cause) {
    if (!(cause instanceof DigestError)) throw cause;
    throw new UsageError(`"--supersedes": ${cause.message}`, { cause });
  }
}

function readReason(text: string): string {
  if (text.length > MAX_REASON_LENGTH) throw new UsageError(`"--reason": it ${TOO_LONG_REASON}`);
  if (!REASON.test(text)) throw new UsageError(`"--reason": it ${NO_REASON}`);
  return text;
}

function isWatchedAsPrivate({ registry, repository }: Reference, { watch }: ObserverConfiguration): boolean {
  return watch.some(
    (each) => each.private === true && each.registry === registry && each.repository === repository,
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
