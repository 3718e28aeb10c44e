// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { openCheck } from "../../src/check/check.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { parseReference } from "../../src/image/reference.ts";
import { progressLine } from "../../src/report/messages.ts";
import {
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  type SampleLog,
  sighting,
  trusting,
} from "../record/sample-log.ts";
import { consumed, servedManifest, type Setting, surroundings } from "./sample-courier.ts";

const ALPINE = "docker.io/library/alpine:3.16.0";
const manifest = servedManifest("alpine");
const IMAGE = `${ALPINE}@${manifest.digest}`;
const MOVED = `${ALPINE}@${OTHER_DIGEST}`;
const key = sampleKey();
const UNREAD = { uuid: "ab".repeat(32), entry: null };

function recorded(digest = manifest.digest): SampleLog {
  const log = sampleLog();
  log.record(sighting({ reference: ALPINE, digest }), key);
  return log;
}

/** Judges an image at a log that lists this many entries for its tag besides, and does not give them. */
async function judgeUnread(
  image: string,
  log: SampleLog,
  { count = 1, ...setting }: Setting & { readonly count?: number } = {},
): Promise<{ readonly judgement: Judgement; readonly asked: readonly string[] }> {
  const around = surroundings(
    {
      key,
      served: { [ALPINE]: manifest },
      policy: { trust: trusting(key.signer) },
      changeFound: (entries) => [...entries, ...Array.from({ length: count }, () => UNREAD)],
      ...setting,
    },
    log,
  );
  const [judgement] = await openCheck(around.context)(consumed(image));
  if (judgement === undefined) throw new Error("a check without a judgement");
  return { judgement, asked: around.asked };
}

describe("when a log lists an entry for a tag, and does not give it", () => {
  test("an image that a record stands for is built, and the entry is shown", async () => {
    const { judgement } = await judgeUnread(IMAGE, recorded());
    expect(judgement).toMatchObject({ verdict: { kind: "unchanged" }, outcome: "pass" });
    expect(judgement.rejected.get("unread")).toBeGreaterThan(0);
    expect(progressLine(judgement)).toMatch(/; \d entries under this name in the log could not be read$/);
  });

  test("a tag without a record is not new: it stops the build, and nothing is recorded", async () => {
    const { judgement, asked } = await judgeUnread(IMAGE, sampleLog());
    expect(judgement).toMatchObject({
      verdict: { kind: "unknown", reason: "unreachable" },
      outcome: "refuse",
    });
    expect(judgement.verdict).toHaveProperty(
      "detail",
      expect.stringMatching(/lists \d entries for this tag/),
    );
    expect(asked).not.toContain("record");
  });

  test("a tag that seems to have moved is unknown: an approval may be what is missing", async () => {
    const { judgement } = await judgeUnread(MOVED, recorded());
    expect(judgement).toMatchObject({
      verdict: { kind: "unknown", reason: "unreachable" },
      outcome: "refuse",
    });
  });

  test("a followed tag that moved is unknown, and nothing is recorded", async () => {
    const { judgement, asked } = await judgeUnread(IMAGE, recorded(OTHER_DIGEST), {
      policy: { trust: trusting(key.signer), rule: { action: "follow" } },
    });
    expect(judgement.verdict).toMatchObject({ kind: "unknown", reason: "unreachable" });
    expect(asked).not.toContain("record");
  });

  test("nothing is approved", async () => {
    const { judgement, asked } = await judgeUnread(IMAGE, recorded(OTHER_DIGEST), {
      context: { approval: { image: parseReference(IMAGE) } },
    });
    expect(judgement.verdict).toMatchObject({ kind: "unknown", reason: "unreachable" });
    expect(asked).not.toContain("record");
  });

  test("what this build recorded is not first seen when the entry came up at the same moment", async () => {
    let isWritten = false;
    const { judgement } = await judgeUnread(IMAGE, sampleLog(), {
      afterRecord: () => (isWritten = true),
      changeFound: (entries) => (isWritten ? [...entries, UNREAD] : entries),
    });
    expect(judgement.verdict).toMatchObject({
      kind: "unknown",
      reason: "unreachable",
      detail:
        "recorded, but the log lists 1 entry for this tag that it does not give, and a record may be among them",
    });
  });

  test("one whose record a lock file has is none that is missing", async () => {
    const log = recorded();
    const first = await judgeUnread(IMAGE, log, { count: 0 });
    const history = { records: first.judgement.records, rejected: new Map(), foreign: [] };
    const { judgement } = await judgeUnread(MOVED, log, {
      context: { locked: async () => history, recheck: true },
      changeFound: (entries) => entries.map(({ uuid }) => ({ uuid, entry: null })),
    });
    expect(judgement.verdict).toMatchObject({ kind: "moved", record: { digest: manifest.digest } });
    expect([...judgement.rejected]).toEqual([]);
  });
});
