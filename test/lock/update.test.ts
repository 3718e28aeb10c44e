// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory } from "../../src/record/history.ts";
import { type LockFile, parseLockFile } from "../../src/lock/file.ts";
import { formatLockFile } from "./lock-text.ts";
import { isChanged, type LockContent, updateLock } from "../../src/lock/update.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TagRecord } from "../../src/record/record.ts";
import type { LoggedEntry } from "../sigstore/rekor-v1-log.ts";
import {
  ALPINE,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";

const key = sampleKey();
const log = sampleLog();
const BUSYBOX = "docker.io/library/busybox:1.36";
const DEBIAN = "docker.io/library/debian:12.1";

const alpine = logged({ reference: ALPINE });
const moved = logged({ reference: ALPINE, digest: OTHER_DIGEST });
const movedAgain = logged({ reference: ALPINE, digest: sha256("again") });
const busybox = logged({ reference: BUSYBOX });
const debian = logged({ reference: DEBIAN });
const locked = { alpine: proven(alpine), busybox: proven(busybox) };
const old = lockOf([locked.alpine, locked.busybox]);
const ALL = new Set([ALPINE, BUSYBOX, DEBIAN]);

function logged(change: Parameters<typeof sighting>[0]): LoggedEntry {
  return log.append(signEnvelope(sightingStatement(sighting(change)), key));
}

/** The record of an entry, as the log proves it now. */
function proven(entry: LoggedEntry): TagRecord {
  for (const name of [ALPINE, BUSYBOX, DEBIAN]) {
    const context = {
      subject: parseReference(name),
      trust: trusting(key.signer),
      trustedRoot: log.trustedRoot,
    };
    const [record] = readHistory([{ kind: "entry", ...log.found(entry) }], context).records;
    if (record !== undefined) return record;
  }
  throw new Error("no record");
}

function lockOf(records: readonly TagRecord[]): LockFile {
  return parseLockFile(Buffer.from(formatLockFile(records)), "tlog.lock");
}

/** What became of the tags: their short names with the number of lines kept, added and dropped. */
function told(content: LockContent): Told {
  const { changes } = updateLock(content);
  return Object.fromEntries(
    changes.map(({ reference, kept, added, dropped }) => [
      reference.replace("docker.io/library/", ""),
      `${kept.length} kept, ${added.length} added, ${dropped.length} dropped`,
    ]),
  );
}
type Told = { readonly [name: string]: string };

describe("an update", () => {
  test.for<{ row: string; content: LockContent; changes: Told }>([
    {
      row: "makes the first lock file",
      content: { old: undefined, used: ALL, records: [locked.alpine] },
      changes: { "alpine:3.16.0": "0 kept, 1 added, 0 dropped" },
    },
    {
      row: "changes nothing when nothing changed",
      content: { old, used: ALL, records: [locked.busybox, locked.alpine] },
      changes: {
        "alpine:3.16.0": "1 kept, 0 added, 0 dropped",
        "busybox:1.36": "1 kept, 0 added, 0 dropped",
      },
    },
    {
      row: "adds a new tag, and what is new about one that is locked",
      content: { old, used: ALL, records: [locked.alpine, proven(moved), locked.busybox, proven(debian)] },
      changes: {
        "alpine:3.16.0": "1 kept, 1 added, 0 dropped",
        "busybox:1.36": "1 kept, 0 added, 0 dropped",
        "debian:12.1": "0 kept, 1 added, 0 dropped",
      },
    },
    {
      row: "drops a tag that no stage uses",
      content: { old, used: new Set([ALPINE]), records: [locked.alpine] },
      changes: {
        "alpine:3.16.0": "1 kept, 0 added, 0 dropped",
        "busybox:1.36": "0 kept, 0 added, 1 dropped",
      },
    },
    {
      row: "keeps what was followed before, and what nothing rests on any more",
      content: {
        old: lockOf([locked.alpine, proven(moved), locked.busybox]),
        used: ALL,
        records: [locked.alpine, proven(movedAgain)],
      },
      changes: {
        "alpine:3.16.0": "2 kept, 1 added, 0 dropped",
        "busybox:1.36": "1 kept, 0 added, 0 dropped",
      },
    },
    {
      row: "makes a lock file of another Dockerfile this one's",
      content: { old, used: new Set([DEBIAN]), records: [proven(debian)] },
      changes: {
        "alpine:3.16.0": "0 kept, 0 added, 1 dropped",
        "busybox:1.36": "0 kept, 0 added, 1 dropped",
        "debian:12.1": "0 kept, 1 added, 0 dropped",
      },
    },
  ])("$row", ({ content, changes }) => {
    expect(told(content)).toEqual(changes);
  });
});

test("what is locked stays byte for byte, although the log has grown and proves it otherwise", () => {
  const now = [proven(alpine), proven(busybox)];
  expect(now[0]?.bundle).not.toEqual(locked.alpine.bundle);
  const { text, changes } = updateLock({ old, used: ALL, records: now });
  expect(text).toBe(formatLockFile([locked.alpine, locked.busybox]));
  expect(isChanged(changes)).toBe(false);
});

test("a line whose digest or time is not the proven one is not kept", () => {
  const wrong = lockOf([
    { ...locked.alpine, digest: OTHER_DIGEST },
    { ...locked.busybox, loggedAt: new Date(0) },
  ]);
  const { text, changes } = updateLock({ old: wrong, used: ALL, records: [locked.alpine, locked.busybox] });
  expect(text).toBe(formatLockFile([locked.alpine, locked.busybox]));
  expect(isChanged(changes)).toBe(true);
});

test("of two proofs of one entry the first is written", () => {
  const { text } = updateLock({ old: undefined, used: ALL, records: [locked.alpine, proven(alpine)] });
  expect(text).toBe(formatLockFile([locked.alpine]));
});

test("what the update writes reads as what it says", () => {
  const { text, changes } = updateLock({ old, used: ALL, records: [proven(moved), proven(debian)] });
  const written = parseLockFile(Buffer.from(text), "tlog.lock");
  const byNumber = (a: { number: number }, b: { number: number }): number => a.number - b.number;
  const lines = changes.flatMap(({ kept, added }) => [...kept, ...added]).toSorted(byNumber);
  expect([...written.tags.values()].flat().toSorted(byNumber)).toEqual(lines);
});

test("a record without a bundle is told, and nothing of it is written", () => {
  const { bundle: _, ...weak } = { ...locked.alpine, strength: "tlogistry" as const };
  const { text, unlockable } = updateLock({ old: undefined, used: ALL, records: [weak, locked.busybox] });
  expect(unlockable).toEqual([weak]);
  expect(text).toBe(formatLockFile([locked.busybox]));
});

describe("the day of the last check", () => {
  const update = (checked?: string, before: LockFile | undefined = undefined) =>
    updateLock({ old: before, used: ALL, records: [locked.alpine], checked });

  test("is in the first line where it is wanted, and read from there", () => {
    const { text } = update("2026-11-21");
    expect(text).toMatch(/^# tlog\.lock 1 checked 2026-11-21 \(/);
    expect(parseLockFile(Buffer.from(text), "tlog.lock").checked).toBe("2026-11-21");
  });

  test("is nowhere where it is not wanted", () => {
    const { text } = update();
    expect(text).not.toContain("checked");
    expect(parseLockFile(Buffer.from(text), "tlog.lock")).not.toHaveProperty("checked");
  });

  test("is no change by itself: another day's update has the same tags", () => {
    const before = parseLockFile(Buffer.from(update("2026-11-20").text), "tlog.lock");
    const { text, changes } = update("2026-11-21", before);
    expect(isChanged(changes)).toBe(false);
    expect(text).toContain("checked 2026-11-21");
  });
});
