// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { parseLockFile } from "../../src/lock/file.ts";
import { formatLockFile } from "../lock/lock-text.ts";
import { updateLock } from "../../src/lock/update.ts";
import type { TagRecord } from "../../src/record/record.ts";
import { lockChangeLines } from "../../src/subrequests/lock.ts";
import { DIGEST, OTHER_DIGEST, sampleRecord } from "../record/sample-log.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const BUSYBOX = "docker.io/library/busybox:1.36";
const alpine = sampleRecord();
const approval: TagRecord = {
  ...sampleRecord({ digest: OTHER_DIGEST, supersedes: DIGEST }),
  logIndex: alpine.logIndex + 1n,
  loggedAt: new Date(alpine.loggedAt.getTime() + 60_000),
};
const busybox: TagRecord = { ...sampleRecord({ reference: BUSYBOX }), logIndex: alpine.logIndex + 2n };
const { bundle: _, ...unsigned } = alpine;
const lockOf = (...records: readonly TagRecord[]) =>
  parseLockFile(Buffer.from(formatLockFile(records)), "tlog.lock");

interface Row {
  readonly row: string;
  readonly old: readonly TagRecord[];
  readonly records: readonly TagRecord[];
  /** The tags that the build uses; both when left out. */
  readonly used?: readonly string[];
  readonly lines: readonly string[];
}

test.for<Row>([
  {
    row: "nothing changed",
    old: [alpine, busybox],
    records: [busybox, alpine],
    lines: ["tlog.lock: 2 tags as before, 0 changed: it is as it should be"],
  },
  {
    row: "there is nothing",
    old: [],
    records: [],
    lines: ["tlog.lock: 0 tags as before, 0 changed: it is as it should be"],
  },
  {
    row: "a tag is new",
    old: [alpine],
    records: [alpine, busybox],
    lines: [`tlog.lock: + ${BUSYBOX}: adds ${DIGEST}`, "tlog.lock: 1 tag as before, 1 changed"],
  },
  {
    row: "a tag has a record more",
    old: [alpine],
    records: [alpine, approval],
    lines: [`tlog.lock: ~ ${ALPINE}: adds ${OTHER_DIGEST}`, "tlog.lock: 0 tags as before, 1 changed"],
  },
  {
    row: "a tag is not used any more",
    old: [alpine, approval, busybox],
    records: [busybox],
    used: [BUSYBOX],
    lines: [
      `tlog.lock: - ${ALPINE}: no stage uses it any more (${DIGEST}, ${OTHER_DIGEST})`,
      "tlog.lock: 1 tag as before, 1 changed",
    ],
  },
  {
    row: "a tag that is followed moved: the record of the image before stays",
    old: [alpine],
    records: [approval],
    lines: [`tlog.lock: ~ ${ALPINE}: adds ${OTHER_DIGEST}`, "tlog.lock: 0 tags as before, 1 changed"],
  },
  {
    row: "a tag is used, and nothing rests on its records",
    old: [alpine, approval],
    records: [],
    lines: ["tlog.lock: 1 tag as before, 0 changed: it is as it should be"],
  },
  {
    row: "a line was changed to what is not proven",
    old: [{ ...alpine, digest: OTHER_DIGEST }],
    records: [alpine],
    lines: [
      `tlog.lock: ~ ${ALPINE}: adds ${DIGEST}, drops ${OTHER_DIGEST}`,
      "tlog.lock: 0 tags as before, 1 changed",
    ],
  },
  {
    row: "a record cannot be locked",
    old: [],
    records: [{ ...unsigned, strength: "tlogistry" }],
    lines: [
      `tlog.lock: ${ALPINE} has a record by tlogistry, of which there is no bundle to keep`,
      "tlog.lock: 0 tags as before, 0 changed: it is as it should be",
    ],
  },
])("$row", ({ old, records, used = [ALPINE, BUSYBOX], lines }) => {
  const update = updateLock({ old: lockOf(...old), used: new Set(used), records });
  expect(lockChangeLines(update)).toEqual(lines);
});
