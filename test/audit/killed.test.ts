// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Auditing, startAuditing, strangers } from "./auditing.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const ENTRIES = 40_000;

test("an audit that is killed in the middle goes on where it was, and finds the same", async () => {
  const at = await startAuditing();
  onTestFinished(at.close);
  at.replaceLog(at.lyingLog(strangers(ENTRIES)));
  at.registry.image("team/app", "1.0", "one");
  await at.run(at.v2);
  await at.sign({ digest: `sha256:${"a".repeat(64)}` });
  at.registry.image("team/app", "1.1", "one");
  await at.run(at.v2);

  let status: number | string | null = 0;
  for (const bundles of [1, 80, 80]) status = await killedAfter(at, bundles);
  expect(status).toBe("SIGKILL");
  const before = at.sigstore.requests.length;
  const { result, kinds } = await at.audit();
  expect(kinds).toEqual(["hidden-entry"]);
  expect(result).toMatchObject({ entries: 5, logs: [{ size: ENTRIES + 5 }] });
  // Each of the three was killed some bundles later, and what they had read was kept in larger steps.
  expect(result.logs[0]?.read).toBeLessThan(ENTRIES - 16 * 1024);
  expect(at.sigstore.requests.length - before).toBeLessThan(100);
}, 60_000);

/** Runs an audit in a process of its own, and kills it after so many bundles of entries. */
async function killedAfter(at: Auditing, bundles: number): Promise<number | string | null> {
  writeFileSync(join(at.directory, "tlog-audit.yaml"), at.auditText());
  const scratch = bundles === 1 ? ["--from-scratch"] : [];
  const child = spawn(process.execPath, ["--no-warnings", MAIN, "audit", "--quiet", ...scratch], {
    cwd: at.directory,
    stdio: "ignore",
  });
  let left = bundles;
  const { answer } = at.sigstore.logV2;
  at.sigstore.logV2.answer = (request) => {
    if (request.path.includes("/tile/entries/") && --left === 0) child.kill("SIGKILL");
    return answer(request);
  };
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  at.sigstore.logV2.answer = answer;
  return signal ?? code;
}
