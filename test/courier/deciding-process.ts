// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { bundle } from "./courier-process.ts";
import type { Asked, Said } from "./deciding-program.ts";

/** What the deciding process and its courier came to. */
export interface Decided extends Omit<Said, "courierPid"> {
  /** The most memory that each of the two processes ever had, in MiB. */
  readonly peakMiB: { readonly deciding: number; readonly courier: number };
}

/** Bundles the deciding side before the tests of the file that calls it, and removes it after them; gives its file. */
export function decidingProgram(): string {
  const directory = mkdtempSync(join(tmpdir(), "tlog-deciding-"));
  beforeAll(() => bundle("test/courier/deciding-program.ts", directory, "deciding"));
  afterAll(() => rmSync(directory, { recursive: true }));
  return join(directory, "deciding.js");
}

/** Runs the deciding side and a courier, each as a process of its own, for the running test. */
export async function decide(program: string, asked: Asked): Promise<Decided> {
  const child = spawn(process.execPath, [program, JSON.stringify(asked)], {
    env: {},
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complained = "";
  child.stderr.on("data", (chunk: Buffer) => (complained += chunk.toString()));
  const ended = once(child, "close");
  // At the end of its input it ends, and the courier with it.
  onTestFinished(async () => {
    child.stdin.end();
    await ended;
  });
  for await (const line of createInterface(child.stdout)) {
    const { courierPid, judgements } = JSON.parse(line) as Said;
    return { judgements, peakMiB: { deciding: peakMiB(child.pid), courier: peakMiB(courierPid) } };
  }
  throw new Error(`the deciding process said nothing: ${complained}`);
}

/** The most memory that a process ever had, in MiB. */
export function peakMiB(pid: number | undefined): number {
  const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}
