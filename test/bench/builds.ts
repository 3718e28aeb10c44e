// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "./kinds.ts";

/** A small Dockerfile that takes its files from these images: a FROM, a COPY from each other one, a COPY, two RUNs. */
export function dockerfileOf(images: readonly string[], syntax: string | undefined): string {
  const [base, ...others] = images;
  return [
    ...(syntax === undefined ? [] : [`# syntax=${syntax}`]),
    `FROM ${base}`,
    ...others.map((image, index) => `COPY --from=${image} /number /numbers/${index}`),
    "COPY hello.txt /hello.txt",
    "RUN cat /hello.txt > /copy.txt",
    "RUN wc -c /copy.txt > /size.txt",
    "",
  ].join("\n");
}

/** What a timed build has to have gone through. */
export interface Expectation {
  readonly kind: Pick<Kind, "frontend" | "records">;
  readonly images: readonly string[];
  /** The frontend's image; undefined without a syntax line. */
  readonly frontend: string | undefined;
}

const STEP = /^#(\d+) \[\s*(?:\S+ +)?\d+\/\d+\] (?:RUN|COPY) /gm;
const FRONTEND = /^#\d+ docker-image:\/\/(\S+)@sha256:[0-9a-f]{64}$/gm;
const VERDICT = /^#\d+ \[tlog\] (\S+) (.*)$/gm;

/**
 * Why the plain progress output is not that of a fully cached build of this kind, or undefined when it is: through
 * the frontend it names, every step from the cache, and with ours, every image found unchanged, or recorded where that is timed.
 */
export function deviation(output: string, { kind, images, frontend }: Expectation): string | undefined {
  const steps = [...output.matchAll(STEP)].map(([, number]) => number);
  const expected = images.length + 2;
  if (new Set(steps).size !== expected) {
    return `it has ${new Set(steps).size} steps instead of ${expected}`;
  }
  const lines = new Set(output.split("\n"));
  const ran = steps.find((number) => !lines.has(`#${number} CACHED`));
  if (ran !== undefined) return `step #${ran} did not come from the cache`;

  const through = [...new Set([...output.matchAll(FRONTEND)].map(([, image]) => image))];
  const wanted = frontend === undefined ? [] : [frontend];
  if (through.join() !== wanted.join()) {
    return `it went through ${list(through)} instead of ${list(wanted)}`;
  }

  const [start, verdict] = kind.records
    ? ["first seen, recorded: ", "recorded"]
    : ["unchanged since ", "unchanged"];
  const found = [...output.matchAll(VERDICT)].filter(([, , said]) => said?.startsWith(start));
  // BuildKit's client says a line again when it comes back to it.
  const said = new Map(found.map(([line, image]) => [line, image]));
  const judged = [...said.values()].toSorted();
  const toJudge = kind.frontend === "none" || kind.frontend === "upstream" ? [] : images.toSorted();
  if (judged.join() !== toJudge.join()) {
    return `it found ${list(judged)} ${verdict} instead of ${list(toJudge)}`;
  }
  return undefined;
}

function list(names: readonly (string | undefined)[]): string {
  return names.length === 0 ? "nothing" : names.map((name) => `"${name}"`).join(", ");
}
