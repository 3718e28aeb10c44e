// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { type History, joinHistories, readHistory } from "../../src/record/history.ts";
import type { LoggedEntry } from "../sigstore/rekor-v1-log.ts";
import {
  ALPINE,
  foundEntries,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  trusting,
} from "./sample-log.ts";

const key = sampleKey();
const stranger = sampleKey();
const log = sampleLog();
const first = log.record(sighting(), key);
const junk = [1, 2].map((tag) => log.record(sighting({ reference: `${ALPINE}-${tag}` }), key));
const second = log.record(sighting({ digest: OTHER_DIGEST }), key);
const foreign = log.record(sighting(), stranger);

const historyOf = (...entries: readonly LoggedEntry[]): History =>
  readHistory(foundEntries(log, entries), {
    subject: parseReference(ALPINE),
    trust: trusting(key.signer),
    trustedRoot: log.trustedRoot,
  });

test("what both have is there once, in the log's order, whichever comes first", () => {
  for (const joined of [
    joinHistories(historyOf(first), historyOf(second, first)),
    joinHistories(historyOf(second, first), historyOf(first)),
    joinHistories(historyOf(second), historyOf(first)),
  ]) {
    expect(joined.records.map(({ uuid }) => uuid)).toEqual([first.uuid, second.uuid]);
  }
});

test("what both refuse is not counted twice", () => {
  const joined = joinHistories(historyOf(first, foreign, ...junk), historyOf(foreign, ...junk.slice(1)));
  expect(joined.rejected).toEqual(
    new Map([
      ["untrusted-signer", 1],
      ["wrong-subject", 2],
    ]),
  );
  expect(joinHistories(historyOf(first), historyOf(foreign)).rejected).toEqual(
    new Map([["untrusted-signer", 1]]),
  );
});
