// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { main } from "../../src/main.ts";
import { type CommandIo, UsageError } from "../../src/program/command-line.ts";
import { observe, readObserveCommand } from "../../src/observer/command.ts";
import type { RunOnce } from "../../src/observer/run.ts";
import { json, localServer } from "../courier/local-server.ts";
import { EVENTS, QUIET } from "./sample-events.ts";

const LEAST = "ledger: ghcr.io/acme/ledger\nsigning: { key: key.pem }\nwatch: [{ repository: alpine }]\n";
const MOVED = EVENTS.map(([event]) => event).find(({ event }) => event === "moved");

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  /** The pauses between runs, in milliseconds. */
  readonly paused: readonly number[];
}

/** The command with a fake engine, in a directory with this configuration. */
async function run(
  args: readonly string[],
  { runOnce, configuration = LEAST }: { readonly runOnce: RunOnce; readonly configuration?: string },
  ending = new AbortController(),
): Promise<Ran> {
  const directory = mkdtempSync(join(tmpdir(), "observe-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "tlog-observer.yaml"), configuration);
  let [out, err, clock] = ["", "", 0];
  const paused: number[] = [];
  const io: CommandIo = {
    stdout: { write: (text) => void (out += text) },
    stderr: { write: (text) => void (err += text) },
    environment: {},
    directory,
    shipped: "",
    now: () => new Date("2026-03-01T06:00:04.120Z"),
    clock: () => (clock += 1_000),
    pause: async (ms) => void paused.push(ms),
    signal: ending.signal,
  };
  const status = await observe(args, { io, runOnce });
  return { status, out, err, paused };
}

/** A fake engine that sees one moved tag. */
const oneMoved: RunOnce = async (_, { onEvent, onProgress }) => {
  onProgress({ done: 0, total: 1 });
  if (MOVED?.event === "moved") onEvent(MOVED);
  onProgress({ done: 1, total: 1 });
  return { ...QUIET, unchanged: 0, moved: 1 };
};

function usageOf(...args: readonly string[]): string {
  try {
    return JSON.stringify(readObserveCommand(args));
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

describe("the command line", () => {
  test("is read", () => {
    expect(readObserveCommand(["--once"])).toEqual({
      config: "tlog-observer.yaml",
      dryRun: false,
      json: false,
      quiet: false,
    });
    expect(
      readObserveCommand(["--config=a.yaml", "--every", "15m", "--dry-run", "--json", "--quiet"]),
    ).toEqual({ config: "a.yaml", everyMs: 900_000, dryRun: true, json: true, quiet: true });
    expect(readObserveCommand(["-h", "--once"])).toBe("help");
  });

  test.for<[duration: string, ms: number]>([
    ["60s", 60_000],
    ["1h", 3_600_000],
    ["30d", 2_592_000_000],
  ])("--every %s", ([duration, everyMs]) => {
    expect(readObserveCommand(["--every", duration])).toMatchObject({ everyMs });
  });

  test.for<[args: string, says: string]>([
    ["", 'give either "--once", or "--every" with a duration such as "1h"'],
    ["--once --every 1h", 'give either "--once", or "--every" with a duration such as "1h"'],
    ["--onec", 'the option "--onec" is not known (did you mean "--once"?)'],
    ["--once -q", 'the option "-q" is not known'],
    ["--once --once", '"--once" is there twice'],
    ["--once=yes", '"--once" takes no value'],
    ["--every", '"--every" needs a value: --every DURATION'],
    ["--config --once", '"--config" needs a value: --config FILE'],
    ["--once --config=", '"--config" needs a value: --config FILE'],
    ["--once a.yaml", '"a.yaml" is not an option; name the configuration with --config'],
    ["--once -- --json", '"--json" is not an option; name the configuration with --config'],
    ["--every 59s", '"--every": "59s" is not a duration from "1m" to "30d", as in "15m", "1h" or "1d"'],
    ["--every 31d", '"--every": "31d" is not a duration'],
    ["--every 1w", '"--every": "1w" is not a duration'],
    ["--every 1.5h", '"--every": "1.5h" is not a duration'],
  ])("%s: what is wrong", ([args, says]) => {
    expect(usageOf(...args.split(" ").filter((arg) => arg !== ""))).toContain(says);
  });
});

describe("a run", () => {
  test("tells its events and its end on standard output, for people", async () => {
    const { status, out, err } = await run(["--once"], { runOnce: oneMoved });
    expect(status).toBe(0);
    expect(out.split("\n")).toEqual([
      expect.stringMatching(
        /^2026-03-01T06:00:04.120Z moved {8}docker.io\/library\/alpine:3.21 from /,
      ) as unknown,
      "2026-03-01T06:00:04.120Z summary      1 tag in 1.9 s: 0 unchanged, 1 moved",
      "",
    ]);
    expect(err).toBe("");
  });

  test("for programs: one JSON object a line", async () => {
    const { out } = await run(["--once", "--json"], { runOnce: oneMoved });
    const lines = out.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      MOVED,
      { event: "summary", time: "2026-03-01T06:00:04.120Z", ...QUIET, unchanged: 0, moved: 1 },
    ]);
  });

  test("gets the configuration, and whether it is a dry one", async () => {
    const seen: unknown[] = [];
    const runOnce: RunOnce = async ({ ledger }, { dryRun }) => {
      seen.push(ledger.repository, dryRun);
      return QUIET;
    };
    await run(["--once", "--dry-run"], { runOnce });
    expect(seen).toEqual(["acme/ledger", true]);
  });

  test.for(["notAsked", "notRecorded"] as const)("in which something is %s: status 1", async (name) => {
    const { status } = await run(["--once"], { runOnce: async () => ({ ...QUIET, [name]: 1 }) });
    expect(status).toBe(1);
  });

  test("that cannot begin: its reason, and status 1", async () => {
    const runOnce: RunOnce = () => Promise.reject(new Error('the key "key.pem" is not there'));
    expect(await run(["--once"], { runOnce })).toEqual({
      status: 1,
      out: "",
      err: 'tlog-dockerfile observe: the key "key.pem" is not there\n',
      paused: [],
    });
  });

  test("that is interrupted: what it saw, and status 1", async () => {
    const ending = new AbortController();
    const runOnce: RunOnce = async (configuration, io) => {
      ending.abort();
      expect(io.signal.aborted).toBe(true);
      return oneMoved(configuration, io);
    };
    const { status, out, err } = await run(["--once"], { runOnce }, ending);
    expect([status, out.split("\n").length]).toEqual([1, 3]);
    expect(err).toBe("tlog-dockerfile observe: interrupted; the tags that are left were not looked at\n");
  });

  test("sends its events to the webhook, whose failure is told and fails nothing", async () => {
    const server = await localServer(json({}, 403));
    const configuration = `${LEAST}webhook: ${server.url.href}hook\n`;
    const { status, err } = await run(["--once"], { runOnce: oneMoved, configuration });
    expect(server.asked).toEqual(["POST /hook", "POST /hook"]);
    expect([status, err]).toEqual([
      0,
      `tlog-dockerfile observe: webhook "${server.host}": 2 events were not taken: status 403\n`,
    ]);
  });
});

describe("with --every, run after run", () => {
  test("each begins so long after the one before it began, also after one that failed; the last counts", async () => {
    const ending = new AbortController();
    let runs = 0;
    const runOnce: RunOnce = async () => {
      if (++runs === 1) throw new Error("the ledger is not readable");
      if (runs === 2) return { ...QUIET, notAsked: 1 };
      if (runs === 4) ending.abort();
      return QUIET;
    };
    const { status, err, paused } = await run(["--every", "1m"], { runOnce }, ending);
    expect([status, runs, err.split("\n")[0]]).toEqual([
      0,
      4,
      "tlog-dockerfile observe: the ledger is not readable",
    ]);
    expect(paused).toHaveLength(3);
    for (const ms of paused) expect(ms > 50_000 && ms < 60_000).toBe(true);
  });

  test("a signal that ends it says nothing of the run before", async () => {
    const ending = new AbortController();
    let runs = 0;
    const runOnce: RunOnce = async () => {
      if (++runs === 1) return { ...QUIET, notRecorded: 1 };
      ending.abort();
      return QUIET;
    };
    expect((await run(["--every", "1h"], { runOnce }, ending)).status).toBe(1);
  });
});

describe("a configuration that cannot be used is a usage error", () => {
  const never: RunOnce = () => Promise.reject(new Error("it ran"));
  test.for<{ row: string; args: string[]; configuration?: string; says: string }>([
    {
      row: "no file",
      args: ["--once", "--config", "none.yaml"],
      says: 'read configuration "none.yaml": there is no such file; write one, or name another with --config',
    },
    {
      row: "a directory",
      args: ["--once", "--config", "."],
      says: 'read configuration ".": it cannot be read (EISDIR)',
    },
    {
      row: "a device without an end",
      args: ["--once", "--config", "/dev/zero"],
      says: "/dev/zero: it is larger than 64 KiB",
    },
    {
      row: "a wrong key",
      args: ["--once"],
      configuration: `${LEAST}kep: 1\n`,
      says: 'tlog-observer.yaml:4: the key "kep" is not known (did you mean "keep"?)',
    },
  ])("$row", async ({ args, configuration = LEAST, says }) => {
    await expect(run(args, { runOnce: never, configuration })).rejects.toThrow(UsageError);
    await expect(run(args, { runOnce: never, configuration })).rejects.toThrow(says);
  });
});

describe("the entry", () => {
  /** What `main` says. */
  async function entry(...args: readonly string[]) {
    let [out, err] = ["", ""];
    const status = await main(args, {
      stdout: { write: (text) => void (out += text) },
      stderr: { write: (text) => void (err += text) },
      environment: {},
      directory: tmpdir(),
      shipped: "",
      now: () => new Date(0),
      clock: () => 0,
      pause: async () => undefined,
      signal: new AbortController().signal,
    });
    return { status, out, err };
  }

  test.for(["--help", "-h"])("%s names the commands", async (option) => {
    const { status, out } = await entry(option);
    expect([status, out]).toEqual([0, expect.stringContaining("\n  observe  watch tags")]);
  });

  test("--version says which this is", async () => {
    expect(await entry("--version")).toEqual({
      status: 0,
      out: expect.stringMatching(/^tlog-dockerfile \d+\.\d+\.\d+\n$/) as unknown,
      err: "",
    });
  });

  test("each command has a help of its own", async () => {
    const { status, out } = await entry("observe", "--help");
    expect(status).toBe(0);
    for (const option of ["--config FILE", "--once", "--every DURATION", "--dry-run", "--json", "--quiet"])
      expect(out).toContain(`  ${option} `);
  });

  test.for<[args: string[], says: string]>([
    [[], "tlog-dockerfile: no command is given; commands are"],
    [["obsrve"], 'tlog-dockerfile: the command "obsrve" is not known (did you mean "observe"?)'],
    [["--verbose"], 'tlog-dockerfile: the option "--verbose" is not known'],
    [["constructor"], 'tlog-dockerfile: the command "constructor" is not known'],
    [["observe", "--never"], 'tlog-dockerfile observe: the option "--never" is not known'],
  ])("%s: one line, and status 2", async ([args, says]) => {
    const { status, out, err } = await entry(...args);
    expect([status, out, err.split("\n").length]).toEqual([2, "", 2]);
    expect(err).toContain(says);
  });
});

describe("its process", () => {
  test.for(["SIGTERM", "SIGINT"] as const)(
    "ends on %s while it waits, with the status of the last run",
    async (signal) => {
      const directory = mkdtempSync(join(tmpdir(), "observe-"));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      // There is no such key, so its runs fail.
      writeFileSync(join(directory, "tlog-observer.yaml"), LEAST);
      const child = spawn(
        process.execPath,
        [join(process.cwd(), "src/main.ts"), "observe", "--every", "30d"],
        {
          cwd: directory,
          env: {},
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      onTestFinished(() => void child.kill("SIGKILL"));
      const closed = once(child, "close");
      child.stdout.resume();
      const [said] = (await once(child.stderr, "data")) as [Buffer];
      expect(said.toString()).toMatch(/^tlog-dockerfile observe: /);
      child.kill(signal);
      expect(await closed).toEqual([1, null]);
    },
  );
});
