// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { CourierError } from "../../src/courier/client/channel.ts";
import { readResult } from "../../src/gateway/result.ts";
import { HistoryDiffShape, HistoryShape } from "../../src/history/format.ts";
import { joinLines, parseLockFile, recordLine } from "../../src/lock/file.ts";
import { historyIn } from "../check/sample-history.ts";
import type { LedgerSource } from "../../src/ledger/source.ts";
import { type Content, fakeLedger } from "../check/fake-ledger.ts";
import type { Setting } from "../check/sample-courier.ts";
import { type Built, type Case, good, key, logOf, OLD, start } from "./sample-build.ts";

const LEDGER = "ghcr.io/acme/tlog-ledger";

function ask(
  image: string | undefined,
  setting: Setting = {},
  {
    args = {},
    ...more
  }: Pick<Case, "lock" | "log"> & { readonly args?: Readonly<Record<string, string>> } = {},
): Promise<Built> {
  return start({
    ...more,
    dockerfile: "FROM moved:1\nRUN x\n",
    options: {
      requestid: "frontend.tlog.history",
      ...(image !== undefined && { "build-arg:TLOG_IMAGE": image }),
      ...args,
    },
    setting: { policy: { trust: [{ signer: key.signer, may: new Set(["record", "approve"]) }] }, ...setting },
  });
}

function withLedger(content: Content): Setting {
  const source: LedgerSource = { repository: LEDGER, observer: key.signer, approvers: [], maxAgeMs: 1 };
  return {
    policy: { trust: [{ signer: key.signer, may: new Set(["record"]) }], ledgers: [source] },
    context: { ledgers: [fakeLedger(LEDGER, content, [])] },
  };
}

async function answerOf(
  { done }: Built,
  shape: typeof HistoryShape | typeof HistoryDiffShape = HistoryShape,
) {
  const { metadata } = readResult(await done);
  const text = (name: string) => Buffer.from(metadata[name] ?? []).toString();
  return {
    text: text("result.txt"),
    json: v.parse(shape, JSON.parse(text("result.json"))),
    status: text("result.statuscode"),
  };
}

describe("the request for a tag's history", () => {
  test("is answered by the build's policy, ledgers and log, whatever the Dockerfile uses", async () => {
    const built = await ask("moved:1", withLedger({ log: logOf(), entries: [1] }));
    const { text, json, status } = await answerOf(built);
    expect(status).toBe("0");
    expect(json).toMatchObject({
      image: "docker.io/library/moved:1",
      stands: { record: { digest: OLD } },
      events: [{ what: "first-seen", record: { digest: OLD } }],
      places: [
        { kind: "ledger", name: LEDGER, answer: "records" },
        { kind: "log", answer: "records" },
      ],
    });
    expect(text).toContain(`docker.io/library/moved:1\n  stands ${OLD}\n`);
    // Nothing is signed for it, and no image is judged.
    expect(built.around.started).toEqual([false]);
    expect(built.around.asked.filter((each) => !each.startsWith("find"))).toEqual([]);
  });

  test("tells the lock file of the build apart from its log", async () => {
    const log = logOf();
    const { history } = historyIn(log, {
      reference: "moved:1",
      trust: [{ signer: key.signer, may: new Set(["record"]) }],
    });
    const lines = history.records.flatMap((record) => recordLine(record) ?? []);
    const lock = parseLockFile(Buffer.from(joinLines(lines)), "app/tlog.lock");
    const { json } = await answerOf(await ask("moved:1", {}, { lock, log }));
    expect(json).toMatchObject({
      events: [{ what: "first-seen", record: { digest: OLD }, places: [1, 2] }],
      places: [{ kind: "lock-file", name: "app/tlog.lock", records: 1 }, { kind: "log" }],
    });
  });

  test("takes no image of the Dockerfile: another tag is answered as well", async () => {
    const { json } = await answerOf(await ask("good:1"));
    expect(json).toMatchObject({ stands: { record: { digest: good.digest } } });
  });

  test("ends with status 3 for a tag that nobody recorded", async () => {
    const { status, text } = await answerOf(await ask("none:1"));
    expect(status).toBe("3");
    expect(text).toContain("no record of the tag counts");
  });

  test("ends with status 1 where the ledger or the log could not be read, and tells the rest", async () => {
    const unread = await answerOf(await ask("good:1", withLedger("ledger-unreachable")));
    expect(unread).toMatchObject({
      status: "1",
      json: { stands: { record: { digest: good.digest } }, places: [{ reason: "ledger-unreachable" }, {}] },
    });
    const changeFound: Setting["changeFound"] = (entries) =>
      entries.map(({ uuid }) => ({ uuid, entry: null }));
    expect(await answerOf(await ask("good:1", { changeFound }))).toMatchObject({
      status: "1",
      json: { events: [], places: [{ answer: "failed", reason: "unreachable" }], rejected: { unread: 1 } },
    });
    const find = () => Promise.reject(new CourierError("unreachable", "the log is down"));
    expect(await answerOf(await ask("good:1", { courier: { find } }))).toMatchObject({
      status: "1",
      json: { events: [], places: [{ answer: "failed", detail: "the log is down" }] },
    });
  });

  test("is answered as of a day", async () => {
    const args = { "build-arg:TLOG_AT": "2020-01-01" };
    const { status, json, text } = await answerOf(await ask("good:1", {}, { args }));
    expect({ status, json }).toMatchObject({ status: "3", json: { at: "2020-01-01T23:59:59Z", events: [] } });
    expect(text).toContain("no record of the tag counts by then");
  });

  test("compares two images of the tag", async () => {
    const args = { "build-arg:TLOG_DIFF": `${OLD},${good.digest}` };
    const { status, json, text } = await answerOf(await ask("moved:1", {}, { args }), HistoryDiffShape);
    // The record of one names no platforms, and of the other there is none.
    expect({ status, json }).toMatchObject({
      status: "3",
      json: { from: { digest: OLD, trusted: true }, to: { digest: good.digest, platforms: 0 } },
    });
    expect(text).toContain("no record of the tag has this digest");
  });

  test.for<[Readonly<Record<string, string>>, RegExp]>([
    [
      { TLOG_AT: "yesterday" },
      /TLOG_AT="yesterday" is neither a day nor a time; write a day as in 2026-03-01/,
    ],
    [{ TLOG_AT: "9999-01-01" }, /TLOG_AT="9999-01-01" is in the future/],
    [{ TLOG_DIFF: OLD }, /is not two digests, as in sha256:…,sha256:…/],
    [{ TLOG_DIFF: `${OLD},${OLD},${OLD}` }, /is not two digests/],
    [{ TLOG_DIFF: `${OLD},x` }, /is not two digests/],
    [{ TLOG_DIFF: `${OLD},${OLD}`, TLOG_AT: "2020-01-01" }, /TLOG_AT is not for TLOG_DIFF/],
  ])("with %o is refused", async ([given, why]) => {
    const args = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [`build-arg:${name}`, value]),
    );
    await expect((await ask("good:1", {}, { args })).done).rejects.toThrow(why);
  });

  test.for<[string | undefined, RegExp]>([
    [undefined, /nothing says of which tag; name it with --build-arg TLOG_IMAGE=/],
    [`good@${OLD}`, /TLOG_IMAGE="docker\.io\/library\/good@sha256:.*" is to be a tag without a digest/],
  ])("with TLOG_IMAGE %s is refused", async ([image, why]) => {
    await expect((await ask(image)).done).rejects.toThrow(why);
  });
});
