// SPDX-License-Identifier: Apache-2.0
import type { JudgeImages } from "../check/check.ts";
import { ImportedCaches } from "../gate/imported-caches.ts";
import type { ReadDockerfile } from "../gate/gate.ts";
import type { Judge } from "../gate/judged-images.ts";
import { readEngine } from "../gateway/engine.ts";
import { askedPlatforms } from "../gateway/options.ts";
import { readResult } from "../gateway/result.ts";
import { formatReference } from "../image/reference.ts";
import { DESCRIBE, isOfNoImage, isStandardText, ownRequest, withoutRequest } from "../subrequests/request.ts";
import { buildFiles } from "./build-files.ts";
import { convert, type ConvertContext, type ConvertRequest, resultOf } from "./convert.ts";
import { type BuildStart, type OpenedCheck, type Setup, STEERING_FILES } from "./setup.ts";

/**
 * The whole way of one build: convert behind the gate, judge every image on the way, say so. Answers the encoded Result to
 * return.
 *
 * Throws BuildRefused, what the conversion says of the Dockerfile (CallError), and the errors of what could not be judged at
 * all; then nothing may be returned but an error.
 */
export async function build(start: BuildStart, setup: Setup): Promise<Uint8Array> {
  const { bridge, buildOptions, started, trace } = start;
  const during = <T>(what: string, work: Promise<T>): Promise<T> => trace?.during(what, work) ?? work;
  const { options } = buildOptions;
  const request = ownRequest(options, setup.commands);
  const pong = bridge.forward("Ping", new Uint8Array());
  const inputs = bridge.inputs();
  // An old engine may fail at it, and what is told then is that it is old.
  inputs.catch(() => undefined);
  const contexts = inputs.then((all) => Object.keys(all));
  // A request that is answered at once may leave it behind.
  contexts.catch(() => undefined);

  const dockerfile = Promise.withResolvers<ReadDockerfile>();
  dockerfile.promise.catch(() => undefined);
  const origin = {
    buildOptions,
    inputs: contexts,
    dockerfile: dockerfile.promise,
  };
  const files = buildFiles(bridge, origin, STEERING_FILES);
  let opening: Promise<OpenedCheck> | undefined;
  const open = (): Promise<OpenedCheck> =>
    (opening ??= during("policy, lock file and trusted root are read", setup.open(files)));
  const caches = new ImportedCaches(async (cache) => {
    const [{ policy }, { mayImport }] = await Promise.all([open(), import("./judging.ts")]);
    return mayImport(policy, cache);
  });
  const judge = judgeOnceOpened(open);
  const context: ConvertContext = {
    ...start,
    pong,
    inputs,
    judge: (image) => during(`${formatReference(image.reference)} is judged`, judge(image)),
    policy: async () => (await open()).policy,
    caches,
  };
  const conversion: ConvertRequest = {
    options: withoutRequest(options, request),
    // What the text of a Dockerfile answers needs no policy and no log.
    isTextRequest: isStandardText(options),
    stopsAtDockerfile: isOfNoImage(request),
    onDockerfile: dockerfile.resolve,
  };
  const converting = during(
    "the Dockerfile is converted",
    convert(context, { ...conversion, ...(started && { started }) }),
  ).finally(() => dockerfile.reject(new Error("the conversion ended before it had read the Dockerfile")));
  converting.catch(() => undefined);
  // The conversion has begun by now: what an engine that is too old answers to it does not matter.
  const { attestations } = readEngine(await pong);

  if (request === "policy") {
    const { showPolicy } = await import("./judging.ts");
    return showPolicy((await open()).policy);
  }
  if (request === "verify") {
    const { verifyImage } = await import("./judging.ts");
    const { image } = setup.commands;
    return verifyImage(bridge, {
      image,
      platforms: askedPlatforms(options),
      context: (await open()).context,
    });
  }
  if (request === "history") {
    const { showHistory } = await import("./judging.ts");
    return showHistory(setup.commands, await open());
  }
  const converted = await converting;
  if (conversion.isTextRequest) {
    const result = readResult(resultOf(converted));
    if (options["requestid"] !== DESCRIBE) return result.bytes;
    const { withOwnRequests } = await import("./judging.ts");
    return withOwnRequests(result);
  }
  const { respond } = await import("./judging.ts");
  const responding = respond({
    bridge,
    buildOptions,
    request,
    commands: setup.commands,
    attestations,
    opened: open(),
    caches,
    converted,
    convertFor: (changed) =>
      convert(context, {
        options: { ...conversion.options, ...changed },
        isTextRequest: isStandardText(changed),
        images: converted.images,
      }),
  });
  return during("the report is made and shown", responding);
}

/** Judges by the policy and the lock file of the build, which are read while the Dockerfile is. */
function judgeOnceOpened(open: () => Promise<OpenedCheck>): Judge {
  let check: Promise<JudgeImages> | undefined;
  return async (image) => {
    check ??= open().then(async ({ context }) => (await import("./judging.ts")).openCheck(context));
    const [judgement] = await (await check)([image]);
    if (judgement === undefined) throw new Error("a check without a judgement");
    return judgement;
  };
}
