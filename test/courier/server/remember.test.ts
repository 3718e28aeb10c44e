// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { answersTo } from "../../../src/courier/server/remember.ts";
import { MAX_REMEMBERED_BYTES } from "../../../src/courier/protocol.ts";
import { sampleKey, sampleLog, sighting } from "../../record/sample-log.ts";
import { startSigstore } from "../../sigstore/sigstore.ts";
import { courierProgram } from "../courier-process.ts";
import { paddedLog } from "../padded-log.ts";

const NOW = new Date("2026-11-21T10:00:00Z");
const HASH = `sha256:${"a1".repeat(32)}`;
const courier = courierProgram();

const find = (id: number, log: string) => JSON.stringify({ id, ask: "find", log, hash: HASH });

async function lines(questions: readonly string[]): Promise<Record<string, unknown>[]> {
  const text = await answersTo({ questions, deadlineMs: 5_000, now: () => NOW });
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("the answers to a question", () => {
  test("are what a courier says, behind the time", async ({ onTestFinished }) => {
    const { url, close } = await startSigstore();
    onTestFinished(() => close());
    expect(await lines([find(1, url), find(2, url)])).toEqual([
      { askedAt: NOW.toISOString() },
      { say: "ready" },
      expect.objectContaining({ say: "found" }),
      expect.objectContaining({ say: "found" }),
    ]);
  });

  test("say that the log gave none", async () => {
    expect((await lines([find(1, "http://127.0.0.1:9")])).at(-1)).toMatchObject({
      say: "failed",
      id: 1,
      code: "unreachable",
    });
  });

  test("that are too long are left out, and only the time is kept", async () => {
    const sample = sampleLog();
    const found = sample.found(sample.record(sighting(), sampleKey()));
    const record = { uuid: found.uuid, entry: found.entry as object };
    const { url } = await paddedLog({
      records: new Map([[HASH, record]]),
      stranger: record.entry,
      count: 40,
      bytes: MAX_REMEMBERED_BYTES / 20,
    });
    expect(await lines([find(1, url.href)])).toEqual([{ askedAt: NOW.toISOString() }]);
  });
});

describe("the program", () => {
  async function run(questions: string): Promise<{ code: number | null; said: string }> {
    const env = { TLOG_QUESTIONS: questions, TLOG_DEADLINE_MS: "5000" };
    const child = spawn(process.execPath, [courier.program, "remember"], { env });
    let said = "";
    for (const out of [child.stdout, child.stderr])
      out.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, said };
  }

  test.for([
    { row: "there is nothing to ask", questions: "" },
    { row: "the question is none", questions: "{}" },
    // There is no directory for it outside of a step.
    { row: "the file cannot be written", questions: find(1, "http://127.0.0.1:9") },
  ])("ends well and says nothing when $row", async ({ questions }) => {
    expect(await run(questions)).toEqual({ code: 0, said: "" });
  });
});
