// SPDX-License-Identifier: Apache-2.0

/** The kinds of builds that are compared. */
export const KINDS = ["none", "upstream", "locked", "ledger", "ours"] as const;
export type Kind = (typeof KINDS)[number];

/** The path of the file with the syntax line of this kind: each in a directory of its own, so that one may have a lock file. */
export function dockerfileName(kind: Kind): string {
  return `${kind}/Dockerfile`;
}

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
  readonly kind: Kind;
  readonly images: readonly string[];
  /** The frontend's image; undefined without a syntax line. */
  readonly frontend: string | undefined;
}

const STEP = /^#(\d+) \[\s*(?:\S+ +)?\d+\/\d+\] (?:RUN|COPY) /gm;
const FRONTEND = /^#\d+ docker-image:\/\/(\S+)@sha256:[0-9a-f]{64}$/gm;
const VERDICT = /^#\d+ \[tlog\] (\S+) (.*)$/gm;

/**
 * Why the plain progress output is not that of a fully cached build of this kind, or undefined when it is: through
 * the frontend it names, every step from the cache, and with ours, every image found unchanged.
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

  const unchanged = [...output.matchAll(VERDICT)].filter(([, , verdict]) =>
    verdict?.startsWith("unchanged since "),
  );
  const judged = unchanged.map(([, image]) => image).toSorted();
  const toJudge = kind === "none" || kind === "upstream" ? [] : images.toSorted();
  if (judged.join() !== toJudge.join()) {
    return `it found ${list(judged)} unchanged instead of ${list(toJudge)}`;
  }
  return undefined;
}

function list(names: readonly (string | undefined)[]): string {
  return names.length === 0 ? "nothing" : names.map((name) => `"${name}"`).join(", ");
}
