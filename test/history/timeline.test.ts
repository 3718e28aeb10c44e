// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type PlaceSaid, statusOf, timelineOf } from "../../src/history/timeline.ts";
import { DIGEST, OTHER_DIGEST } from "../record/sample-log.ts";
import { loggedHistories, MOVED, stranger, THIRD_DIGEST, threePlaces } from "./sample-places.ts";

const known = loggedHistories(MOVED);
const OPTIONS = { isFollowed: false };

describe("a tag's timeline", () => {
  const places = threePlaces({ lock: known([0, 4]), ledger: known([0, 2, 3]), log: known() });
  const timeline = timelineOf(places, OPTIONS);

  test("says of each record what it is, once, and which places have it", () => {
    expect(
      timeline.events.map(({ what, record: { digest }, places: havers }) => ({ what, digest, havers })),
    ).toEqual([
      { what: "first-seen", digest: DIGEST, havers: [0, 1, 2] },
      { what: "moved", digest: OTHER_DIGEST, havers: [1, 2] },
      { what: "seen-again", digest: OTHER_DIGEST, havers: [1, 2] },
      { what: "approved", digest: OTHER_DIGEST, havers: [0, 2] },
      { what: "approved-in-vain", digest: THIRD_DIGEST, havers: [2] },
      { what: "not-counted", digest: THIRD_DIGEST, havers: [2] },
    ]);
  });

  test("says what stands by the rules of builds, and what was seen last", () => {
    expect(timeline.standing).toMatchObject({
      record: { digest: OTHER_DIGEST, reason: "CVE-2026-1 is fixed in it" },
      superseded: [{ digest: DIGEST }],
    });
    expect(statusOf(timeline)).toBe(0);
  });

  test("tells apart what strangers saw, and it decides nothing", () => {
    const strange = loggedHistories([{ digest: DIGEST }, { digest: THIRD_DIGEST, by: stranger, day: 1 }]);
    const { events, foreign, standing } = timelineOf(
      threePlaces({ lock: strange([0]), ledger: strange([0]), log: strange() }),
      OPTIONS,
    );
    expect(events).toHaveLength(1);
    expect(standing?.record.digest).toBe(DIGEST);
    expect(foreign).toMatchObject([
      { record: { digest: THIRD_DIGEST, signer: stranger.signer }, places: [2] },
    ]);
  });
});

test.for<[until: string, stands: string | undefined, newest: string | undefined, events: number]>([
  ["2022-06-27T23:59:59Z", undefined, undefined, 0],
  ["2022-06-28T13:30:02Z", DIGEST, DIGEST, 1],
  ["2022-06-30T23:59:59Z", DIGEST, OTHER_DIGEST, 2],
  ["2022-07-02T23:59:59Z", OTHER_DIGEST, OTHER_DIGEST, 4],
])("at %s stood %s", ([until, stands, newest, count]) => {
  const timeline = timelineOf(threePlaces({ lock: known(), ledger: known(), log: known() }), {
    ...OPTIONS,
    until: new Date(until),
  });
  expect(timeline.standing?.record.digest).toBe(stands);
  expect(timeline.newest?.digest).toBe(newest);
  expect(timeline.events).toHaveLength(count);
  expect(statusOf(timeline)).toBe(count === 0 ? 3 : 0);
});

describe("exit status 1", () => {
  const ledger = (name: string, some: readonly number[]): PlaceSaid => ({
    kind: "ledger",
    name,
    history: known(some),
  });

  test("for a place that could not be read, although another one knows the tag", () => {
    const unread: PlaceSaid = {
      kind: "ledger",
      name: "ghcr.io/acme/other",
      failure: { reason: "ledger-unreachable", detail: "no answer" },
    };
    expect(statusOf(timelineOf([ledger("ghcr.io/acme/one", [0]), unread], OPTIONS))).toBe(1);
  });

  test("for ledgers by which different images stand, but not where the policy follows the tag", () => {
    const places = [ledger("ghcr.io/acme/one", [0]), ledger("ghcr.io/acme/two", [2])];
    const timeline = timelineOf(places, OPTIONS);
    expect(timeline.contradictions).toEqual([
      `the ledgers do not agree: by "ghcr.io/acme/one" stands ${DIGEST}, by "ghcr.io/acme/two" stands ${OTHER_DIGEST}`,
    ]);
    expect(statusOf(timeline)).toBe(1);
    expect(statusOf(timelineOf(places, { isFollowed: true }))).toBe(0);
  });

  test.for(["ledger", "log"] as const)("for a lock file that begins later than the %s", (kind) => {
    const lock: PlaceSaid = { kind: "lock-file", name: "tlog.lock", history: known([2]) };
    const { contradictions } = timelineOf([lock, { kind, name: "other", history: known([0]) }], OPTIONS);
    expect(contradictions).toEqual([
      expect.stringMatching(`^the lock file contradicts the ${kind}: it begins with "${OTHER_DIGEST}"`),
    ]);
  });

  test("not for a lock file that only knows less", () => {
    const lock: PlaceSaid = { kind: "lock-file", name: "tlog.lock", history: known([0]) };
    expect(statusOf(timelineOf([lock, { kind: "log", name: "log", history: known() }], OPTIONS))).toBe(0);
  });
});
