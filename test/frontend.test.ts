// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFile, execFileSync, spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { moby, pb } from "../gen/gateway.js";
import { sampleBuildkit } from "./build/sample-buildkit.ts";
import { conversionProgram } from "./e2e/lab/conversion-program.ts";
import {
  encodeResult,
  type FakeBehaviour,
  type FakeFile,
  FakeFailure,
  type Heard,
  startFakeBuildkit,
} from "./gateway/fake-buildkit.ts";
import { digestOf } from "./llb/sample-llb.ts";

const WORKERS = JSON.stringify([
  { id: "w", labels: {}, platforms: [{ os: "linux", architecture: "amd64" }] },
]);
/** What our image has in its directory: the bundle and the conversion. */
let shipped: string;

beforeAll(async () => {
  const path = await conversionProgram();
  shipped = mkdtempSync(join(tmpdir(), "shipped-"));
  cpSync("dist", shipped, { recursive: true });
  cpSync(path, join(shipped, "conversion", "dockerfile-frontend"));
  // The conversion runs as nobody.
  chmodSync(shipped, 0o755);
  // As Dockerfile.frontend does.
  const snapshot = ["--predictable", "--snapshot-blob", join(shipped, "frontend.blob"), "--build-snapshot"];
  execFileSync(process.execPath, [
    ...snapshot,
    join(shipped, "frontend.cjs"),
    join(process.cwd(), "rehearsal"),
  ]);
});
afterAll(() => rmSync(shipped, { recursive: true }));

interface Process {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly complained: () => string;
}

/** The frontend's program as it ships ("npm run build"), started as BuildKit does, or by a person with arguments. */
function start(
  environment: Readonly<Record<string, string>>,
  stdio: StdioOptions = "pipe",
  args: readonly string[] = [],
): Process {
  const temporary = mkdtempSync(join(tmpdir(), "frontend-test-"));
  const child = spawn(process.execPath, ["--snapshot-blob", join(shipped, "frontend.blob"), "--", ...args], {
    env: { PATH: "/usr/bin", TMPDIR: temporary, ...environment },
    stdio,
  });
  let complained = "";
  child.stderr?.on("data", (chunk: Buffer) => (complained += chunk.toString()));
  child.stdin?.on("error", () => undefined);
  const ended = once(child, "close").then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(temporary, { recursive: true });
  });
  return { child, ended, complained: () => complained };
}

/** The frontend, joined to a fake BuildKit by its standard input and output. */
async function startJoined(
  behaviour: FakeBehaviour,
  options: readonly string[] = [],
  environment: Readonly<Record<string, string>> = { BUILDKIT_WORKERS: WORKERS },
): Promise<Process & { heard: Heard; hangUp(): void }> {
  const fake = await startFakeBuildkit(behaviour);
  const given = Object.fromEntries(
    options.map((option, index) => [`BUILDKIT_FRONTEND_OPT_${index}`, option]),
  );
  const running = start({ ...given, ...environment });
  const { child } = running;
  if (!child.stdin || !child.stdout) throw new Error("the frontend has no standard input and output");
  const socket = connect(fake.target.slice("unix:".length));
  socket.on("error", () => undefined);
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
  onTestFinished(() => {
    socket.destroy();
    fake.close();
  });
  return {
    ...running,
    heard: fake.heard,
    hangUp: () => [socket, child.stdin, child.stdout].forEach((each) => each?.destroy()),
  };
}

function errorOf({ returned }: Heard): string {
  return moby.buildkit.v1.frontend.Status.decode(returned[0]?.error ?? Buffer.alloc(0)).message ?? "";
}

const withoutImages = sampleBuildkit({ dockerfile: "FROM scratch\nRUN x\n", images: {} });

/** The same, with files of ours in the directories that the client sends. */
function withFiles(trees: Readonly<Record<string, Readonly<Record<string, FakeFile>>>>): FakeBehaviour {
  return {
    ...withoutImages,
    solve(request) {
      const { def } = pb.Definition.decode(request.Definition ?? new Uint8Array());
      const source = (def ?? []).map((op) => pb.Op.decode(op).source).find((each) => each);
      const [, tree] = /^local:\/\/(\w+)$/.exec(source?.identifier ?? "") ?? [];
      const isOurs = source?.attrs?.["local.followpaths"]?.includes("tlog.lock") === true;
      if (tree === undefined || !isOurs) return withoutImages.solve(request);
      return encodeResult({ ref: { id: `ours-${tree}`, def: request.Definition ?? new Uint8Array() } });
    },
    files: (ref) =>
      ref.startsWith("ours-") ? (trees[ref.slice("ours-".length)] ?? {}) : withoutImages.files(ref),
  };
}

describe("the frontend always ends with an answer", () => {
  test("a build without images: the conversion's result", async () => {
    const { ended, heard, complained } = await startJoined(withoutImages, [
      "target=",
      "cmdline=org/frontend:1",
    ]);
    expect(await ended).toBe(0);
    expect(heard.returned).toHaveLength(1);
    const { ref } = moby.buildkit.v1.frontend.Result.decode(heard.returned[0]?.result ?? Buffer.alloc(0));
    expect(ref?.id).toMatch(/^ref-/);
    expect(complained()).toBe("");
  });

  test("with TLOG_TRACE=1 it shows what took how long", async () => {
    const { ended, heard } = await startJoined(withoutImages, ["build-arg:TLOG_TRACE=1"]);
    expect(await ended).toBe(0);
    const shown = heard.solves
      .flatMap(({ Definition }) =>
        Object.values(pb.Definition.decode(Definition ?? new Uint8Array()).metadata ?? {}),
      )
      .flatMap(({ description }) => description?.["llb.customname"] ?? [])
      .filter((line) => line.startsWith("[tlog] trace "));
    expect(shown[0]).toMatch(/^\[tlog\] trace 0\.0 to \d+\.\d ms \(\d+\.\d\): Node starts$/);
    for (const what of ["the conversion starts", "BuildKit answers Ping", "the Dockerfile is converted"])
      expect(shown).toContainEqual(expect.stringContaining(`: ${what}`));
    expect(heard.returned).toHaveLength(1);
  });

  test("a build without any option", async () => {
    const { ended, heard } = await startJoined(withoutImages, [], {});
    expect(await ended).toBe(0);
    expect(heard.returned).toHaveLength(1);
  });

  test("a Dockerfile that does not convert: the conversion's own words, with the lines", async () => {
    const { ended, heard } = await startJoined(sampleBuildkit({ dockerfile: "FROM a b c\n", images: {} }));
    expect(await ended).toBe(0);
    expect(heard.returned).toHaveLength(1);
    expect(errorOf(heard)).toContain("dockerfile parse error on line 1");
    const { details } = moby.buildkit.v1.frontend.Status.decode(heard.returned[0]?.error ?? Buffer.alloc(0));
    expect(details?.map(({ type_url }) => type_url)).toContain(
      "github.com/moby/buildkit/errdefs.Source+json",
    );
  });

  test("a policy that does not hold: what is wrong with it", async () => {
    const { ended, heard } = await startJoined(withoutImages, ["build-arg:TLOG_UNSEN=allow"]);
    expect(await ended).toBe(0);
    expect(errorOf(heard)).toContain("--build-arg TLOG_UNSEN");
    expect(heard.returned[0]?.result?.length ?? 0).toBe(0);
  });

  test.for([
    ["before the first stage", "ARG TLOG_LEVEL=1\nFROM scratch\nRUN x\n"],
    ["in a stage, among others", "FROM scratch\nARG A TLOG_LEVEL B=2\nRUN x\n"],
  ] as const)(
    "an argument with a name like ours that the Dockerfile declares, %s: the build",
    async ([, dockerfile]) => {
      const { ended, heard } = await startJoined(sampleBuildkit({ dockerfile, images: {} }), [
        "build-arg:TLOG_LEVEL=2",
      ]);
      expect(await ended).toBe(0);
      expect(errorOf(heard)).toBe("");
    },
  );

  test.for([
    ["dockerfile", "beside the Dockerfile"],
    ["context", "in the root of the context"],
  ] as const)("a policy by a name that is not read, %s: what it must be called", async ([tree]) => {
    const { ended, heard } = await startJoined(withFiles({ [tree]: { "tlog.policy.yml": "version: 1\n" } }));
    expect(await ended).toBe(0);
    expect(errorOf(heard)).toBe(
      'tlog-dockerfile: find "tlog.policy.yml": a policy is read from a file with the name "tlog.policy.yaml" alone; rename it, or remove it',
    );
  });

  test("a policy that hides another one: a warning, and the build", async () => {
    const { ended, heard } = await startJoined(
      withFiles({
        dockerfile: { "tlog.policy.yaml": "version: 1\nprofile: strict\n" },
        context: { "tlog.policy.yaml": "version: 1\n" },
      }),
    );
    expect(await ended).toBe(0);
    expect(errorOf(heard)).toBe("");
    expect(heard.warnings.map(({ short }) => short.toString())).toEqual([
      'the "tlog.policy.yaml" beside the Dockerfile counts for this build, and the other one in the root of its context does not',
    ]);
  });

  test("the same policy in both places, as when they are one directory: no warning", async () => {
    const files = { "tlog.policy.yaml": "version: 1\n" };
    const { ended, heard } = await startJoined(withFiles({ dockerfile: files, context: files }));
    expect(await ended).toBe(0);
    expect(errorOf(heard)).toBe("");
    expect(heard.warnings).toEqual([]);
  });

  test("a policy that is too large to be read in no time: the limit", async () => {
    const { ended, heard } = await startJoined(
      withFiles({ dockerfile: { "tlog.policy.yaml": "#".repeat(64 * 1024 + 1) } }),
    );
    expect(await ended).toBe(0);
    expect(errorOf(heard)).toContain('read "tlog.policy.yaml": it has more than 65536 bytes');
  });

  test("a tag to check where BuildKit does not let it be checked: what is needed", async () => {
    const image = { digest: digestOf("aa"), layers: true };
    const { ended, heard } = await startJoined(
      sampleBuildkit({ dockerfile: "FROM a:1\nRUN x\n", images: { "a:1": image } }),
    );
    expect(await ended).toBe(0);
    expect(heard.returned[0]?.result?.length ?? 0).toBe(0);
    expect(errorOf(heard)).toContain("Docker Engine 24 or newer is needed");
  });
});

describe("when there is nobody to answer, the frontend ends at once and not with 0", () => {
  test("BuildKit hangs up in the middle", async () => {
    const asked = Promise.withResolvers<void>();
    const { ended, hangUp } = await startJoined({
      ...withoutImages,
      solve() {
        asked.resolve();
        return new Promise(() => undefined);
      },
    });
    await asked.promise;
    const begun = performance.now();
    hangUp();
    expect(await ended).toBe(1);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test("BuildKit takes no answer", async () => {
    const { ended, heard, complained } = await startJoined({
      ...withoutImages,
      return() {
        throw new FakeFailure("return is not taken");
      },
    });
    expect(await ended).not.toBe(0);
    expect(heard.returned.length).toBeGreaterThan(0);
    expect(complained()).toBe("tlog-dockerfile: return is not taken\n");
  });

  test.for([
    {
      row: "garbage",
      input: "garbage\n".repeat(1000),
      says: /: a frame has 6775154 bytes, and the limit is 16384\n$/,
    },
    {
      row: "another protocol",
      input: "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
      says: /: a frame has 4740180 bytes, and the limit is 16384\n$/,
    },
    { row: "nothing", input: "", says: /^/ },
  ])("there is $row on its standard input, and it says so", async ({ input, says }) => {
    const { child, ended, complained } = start({ BUILDKIT_WORKERS: WORKERS });
    child.stdout?.resume();
    child.stdin?.end(input);
    expect(await ended).not.toBe(0);
    expect(complained()).toMatch(says);
    expect(complained().length).toBeLessThan(200);
  });
});

describe("started by hand without a command it says what it is, and where its programs are told", () => {
  const SAYS =
    /^this image is a BuildKit frontend and is not run by hand: put "# syntax=" [^\n]+ BUILDKIT_SYNTAX= and its name\nits programs outside builds, such as observe, are told by --help\n$/;

  test("without standard input", async () => {
    const { ended, complained } = start({}, ["ignore", "pipe", "pipe"]);
    expect(await ended).toBe(2);
    expect(complained()).toMatch(SAYS);
  });

  test("with a file as standard input or output", async () => {
    const directory = mkdtempSync(join(tmpdir(), "by-hand-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "file");
    writeFileSync(path, "FROM alpine\n");
    for (const stdio of [
      [openSync(path, "r"), "pipe", "pipe"],
      ["pipe", openSync(path, "a"), "pipe"],
    ] as const) {
      const { ended, complained } = start({}, [...stdio]);
      expect(await ended).toBe(2);
      expect(complained()).toMatch(SAYS);
    }
  });
});

describe("started by hand with arguments it is the program that they name", () => {
  const run = async (...args: readonly string[]) => {
    const { child, ended, complained } = start({}, ["ignore", "pipe", "pipe"], args);
    let said = "";
    child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    return { status: await ended, said, complained: complained() };
  };

  test("--help: the commands", async () => {
    expect(await run("--help")).toEqual({
      status: 0,
      said: expect.stringMatching(/^Usage: COMMAND [^]*^ {2}observe /m) as unknown,
      complained: "",
    });
  });

  test("a command that is not there: the nearest", async () => {
    expect(await run("obsreve")).toEqual({
      status: 2,
      said: "",
      complained: expect.stringMatching(
        /^tlog-dockerfile: the command "obsreve" is not known \(did you mean "observe"\?\); commands are "observe", "\w+".*; --help says more\n$/,
      ),
    });
  });

  test("a command's own program, with its arguments", async () => {
    expect(await run("observe", "--once", "--config", "/nowhere/observer.yaml")).toEqual({
      status: 2,
      said: "",
      complained:
        'tlog-dockerfile observe: read configuration "/nowhere/observer.yaml": there is no such file; write one, or name another with --config\n',
    });
  });

  test("without the snapshot, the same", async () => {
    const program = join(shipped, "frontend.cjs");
    const { stdout } = await promisify(execFile)(process.execPath, [program, "observe", "--help"]);
    expect(stdout).toMatch(/^Usage: observe /);
  });
});
