// SPDX-License-Identifier: Apache-2.0
import { pb } from "../gen/gateway.js";
import { CheckError } from "./check/signers.ts";
import type { Judgement } from "./check/judgement.ts";
import { convert } from "./conversion/conversion.ts";
import { dockerfileText } from "./conversion/dockerfile-text.ts";
import { readStages } from "./dockerfile/stages.ts";
import { type GateContext, type Judged, judgeConversion } from "./gate.ts";
import type { Bridge } from "./gateway/bridge.ts";
import { textAnswer } from "./gateway/text-answer.ts";
import { TEXT_REQUESTS } from "./gateway/text-requests.ts";
import { formatReference } from "./image/reference.ts";
import { progressVertices } from "./llb/progress-vertices.ts";
import { singleFile } from "./llb/single-file.ts";
import { LOCK_FILE, type LockFile } from "./record/lock-file.ts";
import { isChanged, type LockUpdate, updateLock } from "./record/lock-update.ts";
import { lockChangeLines } from "./report/lock-changes.ts";

/** More targets than this are a Dockerfile that was made to keep us busy. */
const MAX_TARGETS = 100;

/**
 * Judges the other targets of the Dockerfile too: a lock file is for all of them. Answers what was judged of the build
 * itself and of every stage that has a name; a stage without one is either used by these or by nothing. Throws
 * CheckError for a Dockerfile with more stages than are judged.
 */
export async function judgeAllTargets(
  bridge: Bridge,
  judged: Judged,
  gate: GateContext,
): Promise<readonly Judged[]> {
  const { conversion } = judged;
  const { options } = conversion.request;
  const names = readStages(await dockerfileText(bridge, conversion)).flatMap(({ name }) => name ?? []);
  const targets = new Set(names);
  // What was left out would be dropped from the file.
  if (targets.size > MAX_TARGETS) {
    throw new CheckError(
      `make the lock file: the Dockerfile has ${targets.size} named stages, and the limit is ${MAX_TARGETS}; split it`,
    );
  }
  const all = [judged];
  for (const target of targets) {
    if (target === options["target"]?.toLowerCase()) continue;
    const other = await convert(bridge, { ...conversion.request, options: { ...options, target } });
    all.push(await judgeConversion(bridge, other, gate));
  }
  return all;
}

/** The judgements on every image once, the strictest of several: one target's platforms may be refused alone. */
export function distinctJudgements(judged: readonly Judged[]): readonly Judgement[] {
  const distinct = new Map<string, Judgement>();
  for (const judgement of judged.flatMap(({ judgements }) => judgements)) {
    const name = formatReference(judgement.reference);
    if (!distinct.has(name) || judgement.outcome === "refuse") distinct.set(name, judgement);
  }
  return [...distinct.values()];
}

/**
 * The lock file as it is to be for these judgements, given the one that there is, and the day of the check if the file
 * is to say it. Throws LockError.
 */
export function newLock(
  old: LockFile | undefined,
  judgements: readonly Judgement[],
  checked?: string,
): LockUpdate {
  return updateLock({ old, checked, records: judgements.flatMap(({ records }) => records) });
}

/** The answer to the request for the lock file: the file itself; or, when it is to be checked, what would change. */
export function printLock(update: LockUpdate, { isCheck }: { readonly isCheck: boolean }): Uint8Array {
  const lines = lockChangeLines(update);
  const json = {
    changed: isChanged(update.changes),
    tags: update.changes.map(({ reference, kept, added, dropped }) => ({
      reference,
      kept: kept.length,
      added: added.map(({ digest }) => digest),
      dropped: dropped.map(({ digest }) => digest),
    })),
  };
  if (!isCheck) return textAnswer(TEXT_REQUESTS.lock, { text: update.text, json, status: 0 });
  const text = `${lines.join("\n")}\n`;
  return textAnswer(TEXT_REQUESTS.lock, { text, json, status: isChanged(update.changes) ? 1 : 0 });
}

/** The result of a build that updates the lock file: a filesystem with that one file. What changes is shown. */
export async function writeLock(bridge: Bridge, update: LockUpdate, path = LOCK_FILE): Promise<Uint8Array> {
  const { definition } = progressVertices(lockChangeLines(update));
  await bridge.solve({ Definition: definition, Evaluate: true });
  const file = singleFile({ path, data: Buffer.from(update.text) }, `[tlog] write ${path}`);
  return bridge.solve({ Definition: pb.Definition.decode(file) });
}
