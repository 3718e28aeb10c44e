// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import * as v from "valibot";
import type { Conversion } from "../conversion/conversion.ts";
import { Bridge } from "../gateway/bridge.ts";
import { readBuildOptions } from "../gateway/options.ts";
import { CallError } from "../gateway/status.ts";
import { type Answer, serveGateway } from "../gateway/server.ts";
import { answerBuild } from "./answer.ts";

/** The file of a rehearsal with what was said. Beside it, `configuration` is what that build had in /etc/tlog-dockerfile. */
export const REHEARSAL_FILE = "build.json";

/** What was said in one recorded build; messages are encoded as in BuildKit's gateway API, and that in base64. */
export const RecordedBuild = v.object({
  /** Of the frontend's process. */
  environment: v.record(v.string(), v.string()),
  /** The conversion's calls in their order: method and request. */
  asked: v.array(v.tuple([v.string(), v.string()])),
  /** BuildKit's answers: method, request and answer. */
  answered: v.array(v.tuple([v.string(), v.string(), v.string()])),
  /** The calls that it did not answer: method, request and google.rpc.Status. */
  failed: v.array(v.tuple([v.string(), v.string(), v.string()])),
});
export type RecordedBuild = v.InferOutput<typeof RecordedBuild>;

/**
 * Goes through one recorded build with all that judges builds and all that speaks with BuildKit and the conversion, and without
 * these two, so that a snapshot of this process has it loaded and compiled. Nothing of that build is kept. `directory` has the
 * rehearsal, `shipped` what belongs to this program. Throws when the build no longer goes as it was recorded.
 */
export async function rehearse(directory: string, shipped: string): Promise<void> {
  const text = await readFile(join(directory, REHEARSAL_FILE), "utf8");
  const recorded = v.parse(RecordedBuild, JSON.parse(text));
  const { environment, asked } = recorded;
  const [ours, theirs] = duplexPair();
  const unknown: string[] = [];
  serveGateway(theirs, recordedBuildkit(recorded, unknown));
  const bridge = new Bridge(ours);
  const start = {
    bridge,
    buildOptions: readBuildOptions(environment),
    environment,
    program: "",
    own: join(directory, "configuration"),
    started: recordedConversion(asked),
  };
  const answer = await answerBuild(start, shipped);
  bridge.close();
  if (unknown.length > 0) throw new Error(`the recorded build has no such ${unknown.join(", ")} (any more)`);
  if ("error" in answer)
    throw new Error(`the rehearsal ended with: ${Buffer.from(answer.error).toString("latin1")}`);
}

/** Answers as BuildKit did, whoever asks first. What it was not asked then is named in `unknown`. */
function recordedBuildkit({ answered, failed }: RecordedBuild, unknown: string[]): Answer {
  return async (method, request) => {
    const by = Buffer.from(request).toString("base64");
    const find = (all: RecordedBuild["answered"]) =>
      all.find(([known, asked]) => known === method && asked === by)?.[2];
    const answer = find(answered);
    if (answer !== undefined) return Buffer.from(answer, "base64");
    const status = find(failed);
    if (status !== undefined) throw CallError.ofStatus(Buffer.from(status, "base64"));
    unknown.push(method);
    throw new Error(`no such ${method}`);
  };
}

function recordedConversion(asked: RecordedBuild["asked"]): Conversion {
  const [ours, theirs] = duplexPair();
  const ask = async (): Promise<void> => {
    const gateway = new Bridge(theirs);
    // Whatever fails here fails the build.
    for (const [method, request] of asked)
      await gateway.forward(method, Buffer.from(request, "base64")).catch(() => undefined);
    gateway.close();
  };
  return {
    serve(answer) {
      serveGateway(ours, answer);
      void ask();
    },
    ended: new Promise(() => undefined),
    end: async () => undefined,
  };
}
