// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { moby, pb } from "../../gen/gateway.js";
import type { Digest } from "../../src/image/digest.ts";
import { formatReference, parseReference } from "../../src/image/reference.ts";
import { sampleBuildkit } from "../build/sample-buildkit.ts";
import { conversionProgram } from "../e2e/lab/conversion-program.ts";
import {
  encodeResult,
  type ExecCall,
  type FakeBehaviour,
  type Heard,
  startFakeBuildkit,
} from "../gateway/fake-buildkit.ts";

/** A build as the frontend is given it. */
export interface ScaledBuild {
  readonly dockerfile: string;
  /** What the registry has. */
  readonly images: ReadonlyMap<string, Digest>;
  /** The files of /etc/tlog-dockerfile. */
  readonly configuration: Readonly<Record<string, string>>;
  /** The lock file beside the Dockerfile. */
  readonly lock?: string;
  /** How many requests the log has had. */
  readonly requests?: () => number;
}

/** What one build took. */
export interface Cost {
  /** From the frontend's start to its answer. */
  readonly milliseconds: number;
  /** What the deciding process used of the processors, in milliseconds. */
  readonly processorMs: number;
  /** The most memory that the deciding process had. */
  readonly peakBytes: number;
  /** What it asked BuildKit: solves, images, files, containers. */
  readonly calls: number;
  /** What the log was asked. */
  readonly requests: number;
  /** What the frontend said instead of a result. */
  readonly refusal?: string;
  /** The images that it found as they were recorded. */
  readonly unchanged: number;
}

/** The programs that our image has. */
export interface Shipped {
  /** Builds with them, against a fake BuildKit in this process. */
  build(given: ScaledBuild): Promise<Cost>;
  /** How long the conversion takes alone, in milliseconds. */
  convert(given: ScaledBuild): Promise<number>;
  remove(): void;
}

/** Lays out what `Dockerfile.frontend` has in its image, with the snapshot. Throws LabError. */
export async function layOut(): Promise<Shipped> {
  const directory = mkdtempSync(join(tmpdir(), "scale-"));
  // The conversion runs as nobody.
  chmodSync(directory, 0o755);
  const shipped = join(directory, "shipped");
  const conversion = join(shipped, "conversion", "dockerfile-frontend");
  cpSync("dist", shipped, { recursive: true });
  cpSync(await conversionProgram(), conversion);
  const blob = join(shipped, "frontend.blob");
  const snapshot = ["--predictable", "--snapshot-blob", blob, "--build-snapshot"];
  execFileSync(process.execPath, [
    ...snapshot,
    join(shipped, "frontend.cjs"),
    join(process.cwd(), "rehearsal"),
  ]);
  const root = join(directory, "root");
  return {
    build: (given) => build(given, { root, blob }),
    async convert(given) {
      const { milliseconds } = await runJoined(behaviourOf(given), ({ env }) => spawn(conversion, { env }));
      return milliseconds;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const WORKERS = [{ id: "w", labels: {}, platforms: [{ os: "linux", architecture: "amd64" }] }];
const ENVIRONMENT = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  BUILDKIT_SESSION_ID: "session",
  BUILDKIT_WORKERS: JSON.stringify(WORKERS),
  BUILDKIT_FRONTEND_OPT_0: "cmdline=registry.example/tlog-dockerfile:1",
  BUILDKIT_FRONTEND_OPT_1: "source=registry.example/tlog-dockerfile:1",
};
/** Gives a process /etc and /run of its own: our configuration and BuildKit's description of our image have fixed places there. */
const IN_ITS_PLACE = 'mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && shift && exec "$@"';

async function build(
  given: ScaledBuild,
  { root, blob }: { readonly root: string; readonly blob: string },
): Promise<Cost> {
  rmSync(root, { recursive: true, force: true });
  const own = join(root, "etc/tlog-dockerfile");
  const metadata = join(root, "run/config/buildkit/metadata");
  for (const directory of [own, metadata]) mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(given.configuration)) writeFileSync(join(own, name), text);
  writeFileSync(
    join(metadata, "frontend.bin"),
    pb.Definition.encode({ def: [pb.Op.encode({}).finish()] }).finish(),
  );
  const node = [process.execPath, "--max-semi-space-size=4", "--snapshot-blob", blob, "--"];
  const before = given.requests?.() ?? 0;
  const { heard, ...cost } = await runJoined(behaviourOf(given), ({ env }) =>
    spawn("unshare", ["--mount", "sh", "-c", IN_ITS_PLACE, "sh", root, ...node], { env }),
  );
  const [answer] = heard.returned;
  const refusal = answer?.result?.length
    ? undefined
    : moby.buildkit.v1.frontend.Status.decode(answer?.error ?? Buffer.alloc(0)).message;
  return {
    ...cost,
    calls: heard.solves.length + heard.resolves.length + heard.reads.length + heard.containers.length,
    requests: (given.requests?.() ?? 0) - before,
    ...(refusal !== undefined && { refusal: refusal ?? "" }),
    unchanged: unchangedIn(heard),
  };
}

/** A BuildKit with the Dockerfile, the lock file and the images. Containers are processes on this machine. */
function behaviourOf({ dockerfile, images, lock }: ScaledBuild): FakeBehaviour {
  const usual = sampleBuildkit({ dockerfile, images: {} });
  // Looking for one among many shall take no time of the build.
  const known = new Map(
    [...images].map(([name, digest]) => [
      formatReference(parseReference(name)),
      sampleBuildkit({ dockerfile, images: { [name]: { digest, layers: true } } }),
    ]),
  );
  return {
    ...usual,
    resolve(request) {
      const { digest: _, ...tagged } = parseReference(request.Ref);
      return (known.get(formatReference(tagged)) ?? usual).resolve(request);
    },
    solve(request) {
      const { def } = pb.Definition.decode(request.Definition ?? new Uint8Array());
      // Definitions can be large, and a source that is read stands at their beginning.
      const [first] = def ?? [];
      const followed = first && pb.Op.decode(first).source?.attrs?.["local.followpaths"];
      if (!followed?.includes("tlog.lock")) return usual.solve(request);
      return encodeResult({ ref: { id: "steering", def: request.Definition ?? new Uint8Array() } });
    },
    files: (ref) => (ref !== "steering" ? usual.files(ref) : lock === undefined ? {} : { "tlog.lock": lock }),
    exec: runProcess,
  };
}

/** Runs what a container is to run, as a process with these streams. */
function runProcess(call: ExecCall): void {
  let child: ChildProcess | undefined;
  call.on("data", (message: Parameters<ExecCall["write"]>[0]) => {
    const { ProcessID = null, Init, File } = message;
    if (File?.Data?.length) child?.stdin?.write(File.Data);
    if (File?.EOF) child?.stdin?.end();
    const [command, ...args] = Init?.Meta?.args ?? [];
    if (command === undefined) return;
    const env = Object.fromEntries((Init?.Meta?.env ?? []).map((each) => each.split(/=(.*)/s)));
    child = spawn(command, args, { env: env as Record<string, string> });
    child.stdin?.on("error", () => undefined);
    call.write({ ProcessID, Started: {} });
    for (const [Fd, stream] of [
      [1, child.stdout],
      [2, child.stderr],
    ] as const)
      stream?.on("data", (Data: Buffer) => call.write({ ProcessID, File: { Fd, Data } }));
    child.on("close", (code) => {
      call.write({ ProcessID, Exit: { Code: code ?? 1 } });
      call.write({ ProcessID, Done: {} });
      call.end();
    });
  });
  call.on("end", () => child?.stdin?.end());
}

interface Ran {
  readonly milliseconds: number;
  readonly processorMs: number;
  readonly peakBytes: number;
  readonly heard: Heard;
}

/** Runs a frontend's program against the fake BuildKit, to its answer. */
async function runJoined(
  behaviour: FakeBehaviour,
  start: (given: { readonly env: Readonly<Record<string, string>> }) => ChildProcess,
): Promise<Ran> {
  let child: ChildProcess | undefined;
  let answered: Omit<Ran, "heard"> | undefined;
  let begun = 0;
  const fake = await startFakeBuildkit({
    ...behaviour,
    return() {
      // The kernel forgets both with the process.
      answered ??= { milliseconds: performance.now() - begun, ...usedBy(child?.pid) };
    },
  });
  const temporary = mkdtempSync(join(tmpdir(), "scale-run-"));
  const socket = connect(fake.target.slice("unix:".length));
  try {
    socket.on("error", () => undefined);
    begun = performance.now();
    child = start({ env: { ...ENVIRONMENT, TMPDIR: temporary } });
    let complained = "";
    child.stderr?.on("data", (chunk: Buffer) => (complained += chunk.toString()));
    child.stdin?.on("error", () => undefined);
    if (child.stdin) socket.pipe(child.stdin);
    child.stdout?.pipe(socket);
    // Its streams may never end when the other end of one is gone.
    await once(child, "exit", { signal: AbortSignal.timeout(LONGEST_MS) });
    if (answered === undefined) throw new Error(`the frontend ended without an answer: ${complained.trim()}`);
    return { ...answered, heard: fake.heard };
  } finally {
    child?.kill("SIGKILL");
    for (const stream of [socket, child?.stdin, child?.stdout, child?.stderr]) stream?.destroy();
    fake.close();
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** How long one build may take, in milliseconds. */
const LONGEST_MS = 120_000;
const TICK_MS = 10;

/** The most memory that a process has had, and the time it has used. */
function usedBy(pid = 0): { readonly peakBytes: number; readonly processorMs: number } {
  const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return { peakBytes: Number(peak) * 1024, processorMs: (Number(user) + Number(system)) * TICK_MS };
}

/** The images of which the progress says that they are as they were recorded, or as somebody approved. */
function unchangedIn({ solves }: Heard): number {
  const lines = solves
    .filter(({ Evaluate }) => Evaluate)
    .flatMap(({ Definition }) =>
      Object.values(pb.Definition.decode(Definition ?? new Uint8Array()).metadata ?? {}).map(
        ({ description }) => description?.["llb.customname"] ?? "",
      ),
    );
  return lines.filter((line) => /^\[tlog\] \S+ unchanged since /.test(line)).length;
}
