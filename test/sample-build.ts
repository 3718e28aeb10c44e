// SPDX-License-Identifier: Apache-2.0
import { onTestFinished } from "vitest";
import type { pb } from "../gen/gateway.js";
import { build } from "../src/build.ts";
import { buildArgs } from "../src/gateway/options.ts";
import type { Digest } from "../src/image/digest.ts";
import { readCommands } from "../src/policy/commands.ts";
import { BuildRefused } from "../src/response.ts";
import type { Setup } from "../src/setup.ts";
import { type Setting, servedManifest, surroundings, type Surroundings } from "./check/sample-courier.ts";
import { type Miniature, miniature, type SampleImage } from "./conversion/miniature-conversion.ts";
import {
  type AskedSolve,
  type FakeBehaviour,
  type Heard,
  startFakeBuildkit,
} from "./gateway/fake-buildkit.ts";
import { digestOf } from "./llb/sample-llb.ts";
import { sampleKey, sampleLog, type SampleLog, sighting } from "./record/sample-log.ts";

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
  readonly images?: Miniature["images"];
  readonly options?: Readonly<Record<string, string>>;
  readonly setting?: Setting;
  readonly log?: SampleLog;
  readonly inputs?: Readonly<Record<string, Uint8Array>>;
  readonly behaviour?: (usual: Required<Pick<FakeBehaviour, "solve" | "resolve">>) => Partial<FakeBehaviour>;
}

export async function start(each: Case): Promise<Built> {
  const usual = miniature({
    dockerfile: each.dockerfile,
    images: { "good:1": GOOD, "moved:1": MOVED, ...each.images },
  });
  const fake = await startFakeBuildkit({ ...usual, inputs: each.inputs ?? {}, ...each.behaviour?.(usual) });
  onTestFinished(() => fake.close());
  const around = surroundings({ key, ...each.setting }, each.log ?? logOf());
  const { options = {} } = each;
  const setup: Setup = {
    commands: readCommands(buildArgs(options)),
    open: async () => ({ context: around.context, policy: around.context.policy, lock: undefined }),
    close: async () => undefined,
  };
  const done = build(fake.bridge, { options, buildPlatform: "linux/amd64", sessionId: "" }, setup);
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
    .filter(({ Frontend, Evaluate }) => Frontend === "" && Evaluate)
    .flatMap(({ Definition }) =>
      Object.values((Definition as pb.Definition.$Properties).metadata ?? {}).map(
        ({ description }) => description?.["llb.customname"] ?? "",
      ),
    );
}

export const conversionsOf = ({ solves }: Heard): readonly AskedSolve[] =>
  solves.filter(({ Frontend }) => Frontend !== "");
