// SPDX-License-Identifier: Apache-2.0
import { Readable } from "node:stream";
import type { Remembered, RememberedAnswer, Search } from "../check/context.ts";
import { CourierChannel } from "../courier/client/channel.ts";
import { type CourierOptions, programEnvironment, proxyArgs } from "../courier/client/container.ts";
import { MAX_FOUND, MAX_REMEMBERED_BYTES, REMEMBERED, splitLines } from "../courier/protocol.ts";
import { Turns } from "../courier/turns.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { within } from "../gateway/container.ts";
import { readResult } from "../gateway/result.ts";
import { sha256 } from "../image/digest.ts";
import { commandOutput } from "../llb/command-output.ts";
import { dayOf } from "./day.ts";

/** What the builder is asked with. */
export interface RememberingOptions extends CourierOptions {
  readonly now: () => Date;
  /** The time that one question to a log has, in milliseconds. */
  readonly timeoutMs: number;
  /** How long BuildKit has for one answer, in milliseconds. */
  readonly answerMs?: number;
}

/** How often one question is asked on one day, when the answer before was not enough. */
const MAX_TIMES = 2;
/** Each step that has to run is a process of its own, and a courier would ask for all images of a build in one. */
const AT_ONCE = 8;
const MAX_MADE = 8;
/** A log that takes longer is asked by a courier, which has the time that the policy says. */
const LOG_MS = 5_000;
/** BuildKit may have to start the step besides. */
const ANSWER_MS = LOG_MS + 10_000;
/** The longest variable that Linux gives a process is 128 KiB. */
const MAX_QUESTIONS_BYTES = 96 * 1024;
const TITLE = "[internal] ask the log";

/**
 * What the builder remembers: a search is a step of our own image, with the network and without secrets, whose output BuildKit
 * keeps like that of any step. Its key is the question, the day (UTC) and how often it was asked on that day; so the next day
 * asks anew, and so does a build for which what is kept is not enough, up to MAX_TIMES.
 *
 * A build makes few answers itself, and none once the builder or the log failed to give one: a courier is faster then.
 */
export function rememberedBy(
  bridge: Pick<Bridge, "solve" | "readFile">,
  options: RememberingOptions,
): Remembered {
  const { answerMs = ANSWER_MS } = options;
  const begun = options.now();
  const askedOn = dayOf(begun);
  const places = new Turns(AT_ONCE);
  // Each answer has its own deadline.
  const { signal } = new AbortController();
  let image: Promise<Uint8Array> | undefined;
  let room: number = MAX_FOUND.build.bytes;
  let made = 0;
  let isGivenUp = false;

  const read = async (searches: readonly Search[], time: number): Promise<Uint8Array | undefined> => {
    image ??= options.image();
    const definition = stepOf(await image, searches, { ...options, askedOn, time });
    if (definition === undefined) return undefined;
    const [ref] = readResult(await bridge.solve({ Definition: definition })).refs;
    const bytes = await bridge.readFile(ref?.id ?? "", {
      path: `/${REMEMBERED.file}`,
      offset: 0,
      length: MAX_REMEMBERED_BYTES + 1,
    });
    room -= bytes.length;
    return bytes.length > MAX_REMEMBERED_BYTES || room < 0 ? undefined : bytes;
  };
  /** What is kept, or was just made; undefined where there is nothing to be had. */
  const answer = async (searches: readonly Search[], time: number): Promise<Answer | undefined> => {
    if (isGivenUp || made >= MAX_MADE) return undefined;
    const failed = (): undefined => void (isGivenUp = true);
    const bytes = await within(answerMs, read(searches, time).catch(failed), failed);
    if (bytes === undefined) return undefined;
    const { askedAt, found } = await answersIn(bytes, searches);
    const isKept = askedAt < begun;
    if (!isKept) made += 1;
    if (!isKept && found === undefined) isGivenUp = true;
    return { isKept, found };
  };

  return async function* (searches) {
    for (let time = 1; time <= MAX_TIMES; time++) {
      const answered = await places.take("", signal, () => answer(searches, time));
      if (answered?.found !== undefined) yield { found: answered.found, askedOn };
      // What this build made is all that the log says now.
      if (answered?.isKept !== true) return;
    }
  };
}

interface Answer {
  /** Whether it was there before this build. */
  readonly isKept: boolean;
  /** Undefined when a search has none. */
  readonly found: RememberedAnswer["found"] | undefined;
}

/** The definition of the step that asks; undefined when the question is too long for one. */
function stepOf(
  image: Uint8Array,
  searches: readonly Search[],
  { askedOn, time, ...options }: RememberingOptions & { readonly askedOn: string; readonly time: number },
): Uint8Array | undefined {
  // The tag only says which searches belong together. Without it the definition has no image's name, as the log has none.
  const questions = searches.map((search, index) => {
    const { tag: _, ...what } = search;
    return { id: index + 1, ask: "find", ...what };
  });
  const text = questions.map((each) => JSON.stringify(each)).join("\n");
  if (Buffer.byteLength(text) > MAX_QUESTIONS_BYTES) return undefined;
  const proxies = proxyArgs(options);
  const proxy = (name: string): string =>
    proxies.findLast(([each]) => each.toUpperCase() === name)?.[1] ?? "";
  return commandOutput(image, {
    args: [...options.command, REMEMBERED.argument],
    env: [
      ...programEnvironment(options, Math.min(options.timeoutMs, LOG_MS)),
      `${REMEMBERED.questions}=${text}`,
      `TLOG_ASKED=${askedOn} ${time}`,
      // BuildKit leaves proxies out of the key. What one proxy brought is not for builds that use another one, or none.
      ...(proxies.length > 0 ? [`TLOG_PROXIES=${sha256(JSON.stringify(proxies))}`] : []),
    ],
    proxies: { http: proxy("HTTP_PROXY"), https: proxy("HTTPS_PROXY"), none: proxy("NO_PROXY") },
    output: REMEMBERED.directory,
    title: TITLE,
  });
}

interface Kept {
  /** When the log was asked. An invalid date where the file does not say it. */
  readonly askedAt: Date;
  /** Undefined when a search has no answer. */
  readonly found: RememberedAnswer["found"] | undefined;
}

/** What is in a file of answers: the same lines as a courier's, read with the same mistrust. Never throws. */
async function answersIn(bytes: Uint8Array, searches: readonly Search[]): Promise<Kept> {
  const end = bytes.indexOf(0x0a) + 1;
  const askedAt = timeIn(bytes.subarray(0, end));
  const asked = Promise.withResolvers<void>();
  const lines = async function* (): AsyncGenerator<string, void, undefined> {
    await asked.promise;
    yield* splitLines(Readable.from([bytes.subarray(end)]));
  };
  const channel = new CourierChannel({ write: () => undefined, close: () => undefined, lines: lines() });
  // It ends with the file, whatever is in there.
  const { signal } = new AbortController();
  const answers = Promise.all(searches.map((each) => channel.find(each, { signal })));
  asked.resolve();
  return { askedAt, found: await answers.catch(() => undefined) };
}

function timeIn(line: Uint8Array): Date {
  try {
    const { askedAt } = JSON.parse(new TextDecoder().decode(line)) as { readonly askedAt?: unknown };
    return new Date(typeof askedAt === "string" ? askedAt : Number.NaN);
  } catch {
    return new Date(Number.NaN);
  }
}
