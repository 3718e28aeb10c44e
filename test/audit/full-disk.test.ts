// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { AuditResult } from "../../src/audit/finding.ts";
import { type Auditing, startAuditing } from "./auditing.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

/** A command that may mount: in a mount namespace of its own, which ends with it. */
const MOUNTING = [
  "--mount",
  ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]),
  "--propagation",
  "private",
];
const mayMount =
  spawnSync("unshare", [...MOUNTING, "--", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

/** What runs of an audit in one directory came to. */
interface Run {
  readonly status: number;
  readonly err: string;
  readonly out: string;
}

test.runIf(mayMount)(
  "an audit whose disk is full says so in one line, and the next one goes on from what was kept",
  async () => {
    const at = await startAuditing();
    onTestFinished(at.close);
    at.registry.image("team/app", "1.0", "one");
    await at.run(at.v2);
    for (let n = 0; n < 100; n++) await at.sign({ digest: `sha256:${String(n).padStart(64, "0")}` });
    at.registry.image("team/app", "1.0", "two");
    await at.run(at.v2);
    const undisturbed = await at.audit({}, ["--from-scratch"]);
    expect(undisturbed.result).toMatchObject({ entries: 104, findings: [{ kind: "hidden-entry" }] });

    const runs = await onSmallDisk(at, [
      { free: 0, args: "--from-scratch" },
      { free: 512, args: "" },
      // The empty state fits, and not what is found.
      { free: 64, args: "--from-scratch" },
      { free: 512, args: "" },
      { free: 0, args: "" },
      { free: 512, args: "" },
    ]);
    const full =
      'tlog-dockerfile audit: write the state "disk/audit.sqlite": the disk is full; make room and ';
    const goesOn = `${full}run the audit again: it goes on from what was kept\n`;
    expect(runs.map(({ status, err }) => ({ status, err }))).toEqual([
      { status: 3, err: `${full}begin again with --from-scratch\n` },
      { status: 2, err: expect.stringMatching(/^[^\n]*: there is none\. If this is the first run[^\n]*\n$/) },
      { status: 3, err: goesOn },
      { status: 1, err: "" },
      { status: 3, err: goesOn },
      { status: 1, err: "" },
    ]);
    const [, , , first, , second] = runs.map(({ out }) => out && (JSON.parse(out) as AuditResult));
    expect(first).toMatchObject({ findings: undisturbed.result.findings, entries: 104 });
    expect(second).toMatchObject({ findings: undisturbed.result.findings, logs: [{ read: 0 }] });
  },
  60_000,
);

/** Audits with the state on a disk of its own that has so many KiB left, one after the other. */
async function onSmallDisk(
  at: Auditing,
  steps: readonly { readonly free: number; readonly args: string }[],
): Promise<readonly Run[]> {
  mkdirSync(join(at.directory, "disk"));
  const text = at.auditText().replace("state: audit.sqlite", "state: disk/audit.sqlite");
  writeFileSync(join(at.directory, "tlog-audit.yaml"), text);
  const script = steps.map(
    ({ free, args }, n) => `
dd if=/dev/zero of=disk/full bs=4k 2>/dev/null || :
truncate -s -${free}K disk/full
"$1" --no-warnings "$2" audit --quiet --json ${args} >out.${n} 2>err.${n} && echo 0 >status.${n} || echo $? >status.${n}`,
  );
  const child = spawn(
    "unshare",
    [
      ...MOUNTING,
      "--",
      "sh",
      "-ec",
      `mount -t tmpfs -o size=1m tmpfs disk\n${script.join("\n")}`,
      "sh",
      process.execPath,
      MAIN,
    ],
    { cwd: at.directory, stdio: ["ignore", "ignore", "inherit"] },
  );
  const [code] = (await once(child, "exit")) as [number | null];
  expect(code).toBe(0);
  const read = (name: string) => readFileSync(join(at.directory, name), "utf8");
  return steps.map((_, n) => ({
    status: Number(read(`status.${n}`)),
    err: read(`err.${n}`),
    out: read(`out.${n}`),
  }));
}
