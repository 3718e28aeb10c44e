// SPDX-License-Identifier: Apache-2.0
// The entry that BuildKit starts. The image has it as a snapshot of a process that has loaded all of it and rehearsed a build
// (Node, --build-snapshot): loading it for each build would take longer than the build. The same file runs without one.
import { join } from "node:path";
import { startupSnapshot } from "node:v8";
import { answerBuild } from "./build/answer.ts";
import { rehearse } from "./build/rehearsal.ts";
import { startChild } from "./conversion/child.ts";
import type { Conversion } from "./conversion/conversion.ts";
import { conversionEnvironment } from "./conversion/environment.ts";
import { Bridge } from "./gateway/bridge.ts";
import { buildArgs, type BuildOptions, readBuildOptions } from "./gateway/options.ts";
import { NotABuildError, stdioStream } from "./gateway/stdio.ts";
import { Trace, TracedBridge } from "./gateway/trace.ts";
import { TRACE } from "./policy/commands.ts";

/** What belongs to this program lies beside it. */
const SHIPPED = import.meta.dirname;
const PROGRAM = join(SHIPPED, "conversion", "dockerfile-frontend");

if (startupSnapshot.isBuildingSnapshot()) void snapshot();
else void run(process.argv.slice(2), (args) => loadMain(args));

/** Makes this process one that a snapshot can be taken of. The argument is the directory of the rehearsal. */
async function snapshot(): Promise<void> {
  const [, , rehearsal = ""] = process.argv;
  await rehearse(rehearsal, SHIPPED);
  // Node gives a snapshot its arguments without a script's name.
  startupSnapshot.setDeserializeMainFunction(() => void run(process.argv.slice(1), becomeMain));
}

/** BuildKit gives no arguments; a person names a command. */
async function run(
  args: readonly string[],
  command: (args: readonly string[]) => Promise<never>,
): Promise<void> {
  if (args.length > 0) await command(args);
  const stream = openStdio();
  // When BuildKit hangs up, the build was cancelled: there is nobody left to answer. The conversion ends with us.
  stream.on("close", () => process.exit(1));
  const buildOptions = readBuildOptions(process.env);
  const isTraced = buildArgs(buildOptions.options)[TRACE] === "1";
  const trace = isTraced ? new Trace() : undefined;
  trace?.begin("Node starts", 0)();
  // Started first, it loads while we do.
  const started = startAhead(buildOptions, trace);
  const bridge = trace === undefined ? new Bridge(stream) : new TracedBridge(stream, trace);
  const start = { bridge, buildOptions, environment: process.env, program: PROGRAM, started, trace };
  const answer = await answerBuild(start, SHIPPED);
  try {
    if ("result" in answer) await bridge.returnResult(answer.result);
    else await bridge.returnError(answer.error);
  } catch (error) {
    // BuildKit shows it in its log alone. Node would print our whole bundle with it.
    process.stderr.write(`tlog-dockerfile: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  process.exit(0);
}

async function loadMain(args: readonly string[]): Promise<never> {
  const { main } = await import("./main.ts");
  process.exit(await main(args));
}

/** A snapshot loads no modules. So the process becomes that of the command. Throws when it cannot. */
async function becomeMain(args: readonly string[]): Promise<never> {
  process.execve?.(process.execPath, [process.execPath, join(SHIPPED, "main.js"), ...args]);
  throw new Error("this Node cannot start the command");
}

/** The standard conversion, for a build or a question that is its own to answer; ours it does not know. */
function startAhead({ options }: BuildOptions, trace: Trace | undefined): Conversion | undefined {
  if (options["requestid"]?.startsWith("frontend.tlog")) return undefined;
  const asks = trace?.begin("the conversion starts");
  const started = startChild(PROGRAM, conversionEnvironment(process.env, options));
  if (asks === undefined) return started;
  let isFirst = true;
  return {
    ...started,
    serve: (answer) =>
      started.serve((method, request) => {
        if (isFirst) asks();
        isFirst = false;
        return answer(method, request);
      }),
  };
}

function openStdio(): ReturnType<typeof stdioStream> {
  try {
    return stdioStream();
  } catch (error) {
    if (!(error instanceof NotABuildError)) throw error;
    process.stderr.write(
      `${error.message}\nits programs outside builds, such as observe, are told by --help\n`,
    );
    process.exit(2);
  }
}
