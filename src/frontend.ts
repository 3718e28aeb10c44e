// SPDX-License-Identifier: Apache-2.0
// Loaded first is only what reaches BuildKit: the connection is made while the rest loads.
import { Bridge } from "./gateway/bridge.ts";
import { joinStdio, NotABuildError, stdioSockets } from "./gateway/connection.ts";
import { readBuildOptions } from "./gateway/options.ts";

const { input, output } = openStdio();
// When BuildKit hangs up, the build was cancelled: there is nobody left to answer.
const connection = await joinStdio(input, output, () => process.exit(1));
const bridge = new Bridge(connection.target);
const { answerBuild } = await import("./answer.ts");
const answer = await answerBuild(bridge, readBuildOptions(process.env), import.meta.dirname);
if ("result" in answer) await bridge.returnResult(answer.result);
else await bridge.returnError(answer.error);
process.exit(0);

function openStdio(): ReturnType<typeof stdioSockets> {
  try {
    return stdioSockets();
  } catch (error) {
    if (!(error instanceof NotABuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
