// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseReference } from "../image/reference.ts";
import { LockError } from "../lock/error.ts";
import { recordLine } from "../lock/file.ts";
import { type LockedLine, parseLine } from "../lock/line.ts";
import { RecordError } from "../record/error.ts";
import { readKeptHistory } from "../record/history.ts";
import type { TagRecord } from "../record/record.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";
import type { ObserverConfiguration } from "./configuration.ts";

/** An approval that somebody signed, and the line that it has in a ledger. */
export interface Approval {
  /** The tag's canonical name. */
  readonly reference: string;
  readonly line: string;
  readonly record: TagRecord;
}

const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * The approvals in the configured files and directories, one a line as `approve` writes them, each proven to be by one of the
 * signers whose approvals are kept. `onProblem` hears of those that are none; they keep nothing else from being read.
 */
export async function readApprovals(
  { from, signers }: ObserverConfiguration["approvals"],
  {
    trustedRoot,
    onProblem,
  }: { readonly trustedRoot: TrustedRoot; readonly onProblem: (why: string) => void },
): Promise<readonly Approval[]> {
  const trust = signers.map((signer) => ({ signer, may: new Set(["approve"] as const) }));
  const approvals = new Map<string, Approval>();
  await eachLine(from, onProblem, (line, path, number) => {
    const approval = approvalIn(line, { path, number, trust, trustedRoot });
    approvals.set(line, approval);
  });
  return [...approvals.values()];
}

/** The lines of approvals in files and directories, as they stand there: nothing of them is proven. `onProblem` as above. */
export async function readApprovalLines(
  from: readonly string[],
  onProblem: (why: string) => void,
): Promise<readonly LockedLine[]> {
  const lines: LockedLine[] = [];
  await eachLine(from, onProblem, (line, path, number) => void lines.push(parseLine(line, path, number)));
  return lines;
}

async function eachLine(
  from: readonly string[],
  onProblem: (why: string) => void,
  take: (line: string, path: string, number: number) => void,
): Promise<void> {
  for (const path of await filesIn(from, onProblem)) {
    const text = await textOf(path, onProblem);
    for (const [index, line] of text.split(/\r?\n/).entries()) {
      if (line === "" || line.startsWith("#")) continue;
      try {
        take(line, path, index + 1);
      } catch (error) {
        if (!(error instanceof LockError || error instanceof RecordError)) throw error;
        onProblem(error.message);
      }
    }
  }
}

function approvalIn(
  text: string,
  {
    path,
    number,
    trust,
    trustedRoot,
  }: {
    readonly path: string;
    readonly number: number;
    readonly trust: Parameters<typeof readKeptHistory>[1]["trust"];
    readonly trustedRoot: TrustedRoot;
  },
): Approval {
  const line = parseLine(text, path, number);
  const place = `${path}:${number}`;
  const none = (why: string, code: RecordError["code"] = "malformed") =>
    new RecordError(code, `read "${path}", line ${number}: ${why}`);
  const { records } = readKeptHistory(
    [{ kind: "bundle", bundle: line.bundle, place }],
    { subject: parseReference(line.reference), trust, trustedRoot },
    { refuse: (reason) => none(`it proves no approval of "${line.reference}" (${reason})`, reason) },
  );
  const [record] = records;
  if (record === undefined)
    throw none(`it is not signed by anybody among "approvals.signers"`, "untrusted-signer");
  if (record.supersedes === undefined) throw none("it is a sighting, and no approval");
  if (recordLine(record) !== text) throw none("the line says something else than its bundle proves");
  return { reference: line.reference, line: text, record };
}

async function filesIn(
  from: readonly string[],
  onProblem: (why: string) => void,
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const path of from) {
    try {
      if (!(await stat(path)).isDirectory()) files.push(path);
      else files.push(...(await readdir(path)).toSorted().map((name) => join(path, name)));
    } catch (error) {
      onProblem(`approvals cannot be read from "${path}": ${reasonOf(error)}`);
    }
  }
  if (files.length > MAX_FILES)
    onProblem(`there are ${files.length} files with approvals, and the first ${MAX_FILES} are read`);
  return files.slice(0, MAX_FILES);
}

async function textOf(path: string, onProblem: (why: string) => void): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= MAX_FILE_BYTES) return await readFile(path, "utf8");
    onProblem(
      `approvals cannot be read from "${path}": it has ${size} bytes, and the limit is ${MAX_FILE_BYTES}`,
    );
  } catch (error) {
    onProblem(`approvals cannot be read from "${path}": ${reasonOf(error)}`);
  }
  return "";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
