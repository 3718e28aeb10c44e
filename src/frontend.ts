// SPDX-License-Identifier: Apache-2.0
// Started first is the conversion: all that we need to judge its questions loads while it starts. So nothing large is
// imported here.
import { join } from "node:path";
import { startChild } from "./conversion/child.ts";
import { conversionEnvironment } from "./conversion/environment.ts";
import { type BuildOptions, readBuildOptions } from "./gateway/options.ts";
import { NotABuildError, stdioStream } from "./gateway/stdio.ts";

const PROGRAM = join(import.meta.dirname, "conversion", "dockerfile-frontend");

// BuildKit gives no arguments; a person names a command.
if (process.argv.length > 2) {
  const { main } = await import("./main.ts");
  process.exit(await main(process.argv.slice(2)));
}

const stream = openStdio();
// When BuildKit hangs up, the build was cancelled: there is nobody left to answer. The conversion ends with us.
stream.on("close", () => process.exit(1));
const buildOptions = readBuildOptions(process.env);
const started = startAhead(buildOptions);
const [{ Bridge }, { answerBuild }] = await Promise.all([
  import("./gateway/bridge.ts"),
  import("./build/answer.ts"),
]);
const bridge = new Bridge(stream);
const start = { bridge, buildOptions, environment: process.env, program: PROGRAM, started };
const answer = await answerBuild(start, import.meta.dirname);
if ("result" in answer) await bridge.returnResult(answer.result);
else await bridge.returnError(answer.error);
process.exit(0);

/** The standard conversion, for a build or a question that is its own to answer; ours it does not know. */
function startAhead({ options }: BuildOptions): ReturnType<typeof startChild> | undefined {
  if (options["requestid"]?.startsWith("frontend.tlog")) return undefined;
  return startChild(PROGRAM, conversionEnvironment(process.env, options));
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
