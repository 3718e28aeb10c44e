// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { moby } from "../../gen/gateway.js";
import { REHEARSAL_FILE, type RecordedBuild, rehearse } from "../../src/build/rehearsal.ts";

function changed(change: (recorded: RecordedBuild) => RecordedBuild): string {
  const directory = mkdtempSync(join(tmpdir(), "rehearsal-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  cpSync("rehearsal", directory, { recursive: true });
  const file = join(directory, REHEARSAL_FILE);
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")) as RecordedBuild)));
  return directory;
}

test("the recorded build goes as it was recorded; if not, record it anew: npm run rehearsal:record", async () => {
  await rehearse("rehearsal", "dist");
});

test("it is a build of two images, one recorded by a key and one by an identity", () => {
  const { answered } = JSON.parse(readFileSync(join("rehearsal", REHEARSAL_FILE), "utf8")) as RecordedBuild;
  const { SolveRequest } = moby.buildkit.v1.frontend;
  const solved = answered
    .filter(([method]) => method === "Solve")
    .map(([, request]) => Buffer.from(SolveRequest.decode(Buffer.from(request, "base64")).Definition ?? []));
  const progress = solved.map((bytes) => bytes.toString("latin1")).join("\n");
  expect(progress).toMatch(/\[tlog\] registry\.example\/by-key:1\.0 unchanged since /);
  expect(progress).toMatch(
    /\[tlog\] registry\.example\/by-identity:1\.0 unchanged since .*ci@rehearsal\.example/,
  );
});

test("a build that goes otherwise makes no snapshot", async () => {
  const directory = changed((recorded) => ({
    ...recorded,
    answered: recorded.answered.filter(([method]) => method !== "ResolveSourceMeta"),
  }));
  await expect(rehearse(directory, "dist")).rejects.toThrow("no such ResolveSourceMeta");
});

test("nor does one that is refused", async () => {
  const directory = changed((recorded) => recorded);
  writeFileSync(
    join(directory, "configuration/policy.yaml"),
    readFileSync("rehearsal/configuration/policy.yaml", "utf8").replace("ci@rehearsal", "another@rehearsal"),
  );
  await expect(rehearse(directory, "dist")).rejects.toThrow("no such Solve");
});
