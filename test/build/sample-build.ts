// SPDX-License-Identifier: Apache-2.0
import { onTestFinished } from "vitest";
import { pb } from "../../gen/gateway.js";
import { build } from "../../src/build/build.ts";
import { buildArgs } from "../../src/gateway/options.ts";
import type { Digest } from "../../src/image/digest.ts";
import type { LockFile } from "../../src/lock/file.ts";
import { readCommands } from "../../src/policy/commands.ts";
import { BuildRefused } from "../../src/build/respond.ts";
import type { Setup } from "../../src/build/setup.ts";
import { type Setting, servedManifest, surroundings, type Surroundings } from "../check/sample-courier.ts";
import { runnableProgram } from "./runnable-program.ts";
import { type FakeBehaviour, type Heard, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { digestOf } from "../llb/sample-llb.ts";
import { type SampleBuild, sampleBuildkit, type SampleImage } from "./sample-buildkit.ts";
import { sampleKey, sampleLog, type SampleLog, sighting } from "../record/sample-log.ts";

export const key = sampleKey();
export const good = servedManifest("good");
export const other = servedManifest("other");
export const OLD = digestOf("0d");
/** Recorded as it is. */
export const GOOD: SampleImage = { digest: good.digest, layers: true };
/** Recorded with another digest than it has. */
export const MOVED: SampleImage = { digest: other.digest, layers: true };

/** A log that has `docker.io/library/good:1` as it is and every other of these tags as it once was. */
export function logOf(
  records: Readonly<Record<string, Digest>> = { "good:1": good.digest, "moved:1": OLD },
): SampleLog {
  const log = sampleLog();
  for (const [name, digest] of Object.entries(records)) {
    const reference = name.includes("/") ? `docker.io/${name}` : `docker.io/library/${name}`;
    log.record(sighting({ reference, digest }), key);
  }
  return log;
}

export interface Built {
  readonly heard: Heard;
  readonly around: Surroundings;
  readonly done: Promise<Uint8Array>;
}

export interface Case {
  readonly dockerfile: string;
  readonly images?: SampleBuild["images"];
  readonly options?: Readonly<Record<string, string>>;
  readonly setting?: Setting;
  readonly log?: SampleLog;
  readonly lock?: LockFile;
  readonly inputs?: Readonly<Record<string, Uint8Array>>;
  readonly behaviour?: (usual: ReturnType<typeof sampleBuildkit>) => Partial<FakeBehaviour>;
}

/** One worker, of one platform. */
const WORKERS = JSON.stringify([
  { id: "w", labels: {}, platforms: [{ os: "linux", architecture: "amd64" }] },
]);

export async function start(each: Case): Promise<Built> {
  const usual = sampleBuildkit({
    dockerfile: each.dockerfile,
    images: { "good:1": GOOD, "moved:1": MOVED, ...each.images },
  });
  const fake = await startFakeBuildkit({ ...usual, inputs: each.inputs ?? {}, ...each.behaviour?.(usual) });
  onTestFinished(() => fake.close());
  const around = surroundings({ key, ...each.setting }, each.log ?? logOf());
  const { options = {} } = each;
  const setup: Setup = {
    commands: readCommands(buildArgs(options)),
    open: async () => ({
      context: around.context,
      policy: around.context.policy,
      lock: each.lock,
      notes: [],
    }),
    close: async () => undefined,
  };
  const program = await runnableProgram();
  const begun = {
    bridge: fake.bridge,
    buildOptions: { options, buildPlatform: "linux/amd64", sessionId: "s" },
    environment: { BUILDKIT_SESSION_ID: "s", BUILDKIT_WORKERS: WORKERS },
    program,
  };
  const done = build(begun, setup);
  done.catch(() => undefined);
  return { heard: fake.heard, around, done };
}

export async function refusalOf({ done }: Built): Promise<BuildRefused> {
  const error = await done.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BuildRefused)) throw new Error("the build was not refused", { cause: error });
  return error;
}

export function progressOf({ solves }: Heard): string[] {
  return solves
    .filter(({ Evaluate }) => Evaluate)
    .flatMap(({ Definition }) =>
      Object.values(pb.Definition.decode(Definition ?? new Uint8Array()).metadata ?? {}).map(
        ({ description }) => description?.["llb.customname"] ?? "",
      ),
    )
    .filter((line) => line.startsWith("[tlog] "));
}
