// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { Failure } from "../courier/server/failure.ts";
import { sendHttp } from "../courier/server/http.ts";
import { LogEntryError, treeHead } from "../log/entry.ts";
import { excerpt } from "../log/excerpt.ts";
import { type AskLog, LogError, logUrl, sameUrl } from "../log/json-api.ts";
import { readApprovalLines } from "../observer/approvals.ts";
import { type CommandIo, UsageError } from "../program/command-line.ts";
import { openRegistries } from "../observer/opening.ts";
import { RegistryError } from "../registry/error.ts";
import { readLogSize } from "../log/rekor-v1.ts";
import { CompactRange } from "../log/compact-range.ts";
import { signerId, signerName } from "../record/signer.ts";
import { openTrust, OWN_CONFIGURATION } from "../trust/build-trust.ts";
import { TrustError } from "../trust/error.ts";
import { parseTrustedRoot, type TrustedRoot } from "../trust/trusted-root.ts";
import { CheckpointError, type KnownLog, signedCheckpoint } from "./checkpoint.ts";
import { compare, type ComparedLog } from "./compare.ts";
import type { AuditConfiguration, NamedLog } from "./configuration.ts";
import { finding, type AuditResult, type Finding } from "./finding.ts";
import { type Followed, followLog } from "./follow.ts";
import type { Examination } from "./found-entry.ts";
import { indexedSource, isSearchable, searchLog } from "./indexed-source.ts";
import { type ReadLedger, readLedger, statementHashes } from "./ledgers.ts";
import type { AuditState } from "./state.ts";
import { tiledSource } from "./tiled-source.ts";

/** What an audit is run with. */
export interface AuditIo extends Pick<CommandIo, "environment" | "shipped" | "now" | "pause" | "signal"> {
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void;
}

const LOG_REQUEST_MS = 60_000;
const REGISTRY_CONCURRENCY = 8;

/**
 * One audit. Ledgers are read first: whatever they show was logged before, so the log must have it. Throws UsageError for a file or
 * a log that cannot be used, StateError, and TrustError.
 */
export async function runAudit(
  configuration: AuditConfiguration,
  { openState, io }: { readonly openState: () => AuditState; readonly io: AuditIo },
): Promise<AuditResult> {
  const trustedRoot = await trustedRootOf(configuration, io);
  const logs = logsOf(configuration.logs, trustedRoot);
  // After what may be wrong with the rest: one that begins from scratch forgets what is there.
  const state = openState();
  const audited = configuration.signers;
  const signers = audited.map(({ signer }) => signer);
  state.audit(audited.map(({ signer }) => ({ id: signerId(signer), shown: signerName(signer) })));
  const notRead: string[] = [];
  const announced = await announcedOf(configuration, (why) => notRead.push(excerpt(why, 2_000)));

  const ledgers = await readLedgers(configuration, { trustedRoot, signers, state, io, notRead });
  const findings: Finding[] = ledgers.flatMap((ledger) => ledger.findings);
  notRead.push(...ledgers.flatMap((ledger) => ledger.notRead).map((why) => excerpt(why, 2_000)));
  const read: ReadLog[] = [];
  for (const log of logs)
    read.push(await readLog(log, { examination: { signers, trustedRoot }, state, io, notRead }));
  findings.push(...read.flatMap((each) => each.findings));
  const compared = compare({ state, ledgers, logs: read, signers: audited, announced });
  return {
    version: 1,
    logs: read.map(({ id, url, api, way, read: count, bytes }) => {
      const { range, checkpoint, unreadable = 0, impostors = 0 } = state.proven(id) ?? {};
      const searched = checkpoint === undefined ? 0 : Number(treeHead(checkpoint, `"${url}"`).treeSize);
      return {
        url,
        id,
        api,
        way,
        size: way === "search" ? searched : (range?.size ?? 0),
        read: count,
        bytes,
        unreadable,
        impostors,
      };
    }),
    ledgers: ledgers.map(({ name, head, lines }) => ({
      repository: name,
      sequence: head?.sequence ?? 0,
      lines,
    })),
    entries: compared.entries,
    pending: compared.pending,
    findings: [...findings, ...compared.findings],
    notRead,
  };
}

async function trustedRootOf(
  { trustedRoot: path }: AuditConfiguration,
  { shipped, now }: AuditIo,
): Promise<TrustedRoot> {
  if (path === undefined) return (await openTrust({ own: OWN_CONFIGURATION, shipped, now })).trustedRoot();
  try {
    return parseTrustedRoot(await readFile(path, "utf8"), path);
  } catch (cause) {
    if (cause instanceof TrustError) throw new UsageError(cause.message, { cause });
    throw new UsageError(`read trusted root "${path}": ${reasonOf(cause)}`, { cause });
  }
}

/** A log to read. */
interface WantedLog {
  readonly known: KnownLog;
  readonly api: 1 | 2;
  readonly by?: NamedLog["by"];
}

/** The logs of the trusted root that the file names, all when it names none; each by its key, and once. */
function logsOf(
  named: readonly NamedLog[] | undefined,
  { material, source }: TrustedRoot,
): readonly WantedLog[] {
  const byId = new Map(material.tlogs.toReversed().map((known) => [known.logID.toString("hex"), known]));
  const all = [...byId.values()].toReversed().map((known): WantedLog => ({ known, api: apiOf(known) }));
  if (named === undefined) return all;
  return named.flatMap(({ url, api, by }) => {
    const there = all.filter(({ known }) => sameUrl(known.baseURL, url));
    if (there.length === 0)
      throw new UsageError(
        `the trusted root "${source}" has no log "${url}"; name one that it has in "logs"`,
      );
    // Two logs may share an address, and tell their keys apart.
    const fitting = there.filter((each) => api === undefined || each.api === api);
    const chosen = fitting.length > 0 ? fitting : there;
    return chosen.map((each) => ({ ...each, api: api ?? each.api, ...(by !== undefined && { by }) }));
  });
}

/** Rekor v1 signs with ECDSA; v2 with Ed25519, unless its operator chose otherwise. */
function apiOf({ publicKey }: KnownLog): 1 | 2 {
  return publicKey.asymmetricKeyType === "ed25519" ? 2 : 1;
}

async function announcedOf(
  { announced }: AuditConfiguration,
  onProblem: (why: string) => void,
): Promise<readonly ReturnType<typeof statementHashes>[] | undefined> {
  if (announced === undefined) return undefined;
  const lines = await readApprovalLines([announced], onProblem);
  return lines.flatMap(({ bundle }) => {
    const { dsseEnvelope } = bundle as { dsseEnvelope?: { payload?: unknown; payloadType?: unknown } };
    const { payload, payloadType } = dsseEnvelope ?? {};
    return typeof payload === "string" && typeof payloadType === "string"
      ? statementHashes(Buffer.from(payload, "base64"), payloadType)
      : [];
  });
}

interface Reading {
  readonly state: AuditState;
  readonly io: AuditIo;
  /** What could not be read is told here. */
  readonly notRead: string[];
}

async function readLedgers(
  configuration: AuditConfiguration,
  { trustedRoot, signers, state, io, notRead }: Reading & Examination,
): Promise<readonly ReadLedger[]> {
  const registries = configuration.registries.map((each) => ({ ...each, concurrency: REGISTRY_CONCURRENCY }));
  const { own, everybody } = openRegistries({ registries }, { ...io, now: io.now });
  everybody.close();
  const read: ReadLedger[] = [];
  try {
    for (const { observer, ...repository } of configuration.ledgers) {
      const name = `${repository.registry}/${repository.repository}`;
      try {
        const place = { registry: own, repository, signal: io.signal };
        read.push(await readLedger(place, { name, observer }, { trustedRoot, signers, state }));
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        notRead.push(excerpt(`the ledger "${name}": ${error.message}`, 2_000));
        const nothing = { lines: 0, gaps: [], findings: [], notRead: [], head: undefined, isWhole: false };
        read.push({ name, observer, ...nothing });
      }
    }
  } finally {
    own.close();
  }
  return read;
}

interface ReadLog extends ComparedLog, Followed {
  readonly api: 1 | 2;
  readonly way: AuditResult["logs"][0]["way"];
  readonly bytes: number;
}

async function readLog(
  { known, api, by }: WantedLog,
  { examination, state, io, notRead }: Reading & { readonly examination: Examination },
): Promise<ReadLog> {
  const id = known.logID.toString("hex");
  const url = known.baseURL;
  let bytes = 0;
  const ask: AskLog = async (request) => {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(LOG_REQUEST_MS)]);
    const answer = await sendHttp({ ...request, signal });
    bytes += answer.bytes.length;
    return answer;
  };
  const call = { log: logUrl(url), signal: io.signal };
  const following = { log: known, state, ...io };
  const base = { id, url, api, first: 0, isSearched: false };
  const whole = ({ findings, read }: Followed, more: Partial<ReadLog> = {}): ReadLog => ({
    ...base,
    way: api === 2 ? "tiles" : "indexes",
    ...more,
    findings,
    read,
    bytes,
    isWhole: findings.length === 0,
  });
  const indexed = indexedSource(ask, { call, examination });
  try {
    if (api === 2)
      return whole(await followLog({ ...following, source: tiledSource(ask, { call, examination }) }));
    const mayBeSearched = by !== "indexes" && isSearchable(examination.signers);
    const searched = mayBeSearched
      ? await search(known, { ask, call, examination, state, io, notRead })
      : undefined;
    if (searched !== undefined)
      return { ...whole(searched, { way: "search", isSearched: true }), isWhole: searched.isWhole };
    if (by === "search")
      throw new LogError("refused", `"${url}" cannot be searched for these signers; read it by "indexes"`);
    const followed = await followLog({ ...following, source: indexed });
    return whole(followed, { first: indexed.first() });
  } catch (error) {
    if (io.signal.aborted) throw error;
    const isUnread = error instanceof LogError || error instanceof Failure || error instanceof LogEntryError;
    if (!isUnread) throw error;
    // A log that was closed, and read to its end after that, may be switched off.
    if ((state.proven(id)?.at ?? new Date(0)) > known.validFor.end) return whole({ findings: [], read: 0 });
    notRead.push(excerpt(`the log "${url}": ${error.message}`, 2_000));
    return { ...whole({ findings: [], read: 0 }), isWhole: false };
  }
}

/** Finds entries by a log's index, and sees to it that its signed tree only grows. Undefined when it cannot be searched. */
async function search(
  known: KnownLog,
  {
    ask,
    call,
    examination,
    state,
    io,
    notRead,
  }: Reading & {
    readonly ask: AskLog;
    readonly call: Parameters<typeof readLogSize>[1];
    readonly examination: Examination;
  },
): Promise<(Followed & Pick<ComparedLog, "isWhole">) | undefined> {
  const id = known.logID.toString("hex");
  const { baseURL: url } = known;
  let isWhole = true;
  const found = await searchLog(ask, {
    call,
    examination,
    onProblem(why) {
      isWhole = false;
      notRead.push(excerpt(`the log "${url}": ${why}`, 2_000));
    },
  });
  if (found === undefined) return undefined;
  const findings: Finding[] = [];
  const { checkpoint } = await readLogSize(ask, call);
  const before = state.proven(id);
  try {
    const now = signedCheckpoint(checkpoint, known);
    const then = before && signedCheckpoint(before.checkpoint, known);
    const evidence = [then?.text ?? "", now.text];
    if (then !== undefined && now.size < then.size)
      findings.push(
        finding("log-shrunk", {
          message: `the log "${url}" signed a tree of ${now.size} entries, after one of ${then.size}`,
          log: url,
          evidence,
        }),
      );
    if (then?.size === now.size && then.root !== now.root)
      findings.push(
        finding("log-forked", {
          message: `the log "${url}" signed two trees of ${now.size} entries that differ`,
          log: url,
          evidence,
        }),
      );
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    findings.push(finding("log-not-signed", { message: error.message, log: url }));
  }
  if (findings.length > 0) return { findings, read: found.length, isWhole: false };
  const entries = found.flatMap((each) => (each.kind === "found" ? [each.entry] : []));
  const count = (kind: string) => found.filter((each) => each.kind === kind).length;
  const counts = { entries: entries.length, unreadable: count("unreadable"), impostors: count("impostor") };
  const range = before?.range ?? new CompactRange();
  state.prove(id, { ...counts, range, checkpoint }, { found: entries, at: io.now() });
  return { findings, read: found.length, isWhole };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
