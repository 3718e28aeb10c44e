// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Site, type SiteRequest, startSite } from "./cases/site.ts";
import type { BuildOutcome } from "./lab/builds.ts";

let site: Site;
let base: string;
/** The image of the conversion that we bring along, as it is without us. */
let upstream: string;

beforeAll(async () => {
  site = await startSite();
  upstream = (await site.lab.upstreamFrontend()).reference;
  ({ reference: base } = await site.pushSystem("base:1.0", "base"));
});
afterAll(() => site?.stop());

interface Built {
  readonly plain: BuildOutcome;
  readonly ours: BuildOutcome;
}

/** Builds with the conversion alone, and with us. */
async function both(
  dockerfile: string | Uint8Array,
  { before = "", ...request }: SiteRequest & { readonly before?: string } = {},
): Promise<Built> {
  const text = Buffer.from(dockerfile);
  const under = (first: string) => Buffer.concat([Buffer.from(`${before}# ${first}`), text]);
  const by = (frontend: string) => ({ syntax: undefined, dockerfile: under(`syntax=${frontend}\n`) });
  return {
    plain: await site.build({ ...request, ...by(upstream), sign: false }),
    ours: await site.build({ ...request, ...by(site.frontend) }),
  };
}

/**
 * What a person reads besides the progress: no steps but those that failed, no durations, paths and random ids, and
 * warnings sorted, whose order differs from build to build.
 */
function told({ output, dir }: BuildOutcome): string {
  const lines = output
    .replaceAll("\u001B[0m", "")
    .split("\n")
    .filter((line) => line !== "" && !/^#\d+ (?!ERROR: )/.test(line));
  const isWarning = (line: string) => /^ - \w+: /.test(line);
  const warnings = lines.filter(isWarning);
  return [...lines.filter((line) => !isWarning(line)), ...warnings.toSorted()]
    .map((line) =>
      line
        .replace(/^#\d+ ERROR: /, "failed step: ")
        .replace(/^\d+\.\d+ /, "")
        .replaceAll(dir, "")
        .replace(/# syntax=\S+$/, "# the first line")
        .replace(/checksum of ref \w+::\w+/, "checksum of ref"),
    )
    .join("\n");
}

/** Of an error that is found before its step begins, BuildKit tells the step in some builds and not in others. */
function withoutSteps(text: string): string {
  return text.replace(/^failed step: .*\n/gm, "").replace(/^-{6}\n > .*:\n-{6}\n/gm, "");
}

function expectSame({ plain, ours }: Built, says: string, part = (text: string) => text): void {
  expect(ours.output).toContain(`docker-image://${site.frontend}@sha256:`);
  expect(plain.output).not.toContain(site.frontend);
  expect(told(plain)).toContain(says);
  expect(part(told(ours))).toBe(part(told(plain)));
  expect(ours.stdout).toBe(plain.stdout.replaceAll(plain.dir, ours.dir).replaceAll(upstream, site.frontend));
  expect(ours.code).toBe(plain.code);
}

describe.concurrent("a mistake in a Dockerfile looks as it does without us", () => {
  test.for([
    { row: "no instruction", dockerfile: () => "# nothing\n", says: "file with no instructions" },
    {
      row: "a syntax error",
      dockerfile: () => `FROM ${base} AS\nRUN true\n`,
      says: "dockerfile parse error on line 2: FROM requires either one or three arguments",
    },
    {
      row: "an unknown instruction",
      dockerfile: () => `FROM ${base}\nFRUN true\n`,
      says: "unknown instruction: FRUN (did you mean RUN?)",
    },
    {
      row: "a source of COPY that is not there",
      dockerfile: () => `FROM ${base}\nCOPY nosuch /\n`,
      says: '"/nosuch": not found',
      part: withoutSteps,
    },
    {
      row: "a step that fails",
      dockerfile: () => `FROM ${base}\nRUN echo to standard error >&2; exit 7\n`,
      says: "did not complete successfully: exit code: 7",
    },
    {
      row: "a step that fails, with CRLF at the lines' ends",
      dockerfile: () => `FROM ${base}\r\nRUN exit 7\r\n`,
      says: ">>> RUN exit 7",
    },
    {
      row: "a step that fails, after a byte order mark",
      before: "\uFEFF",
      dockerfile: () => `FROM ${base}\nRUN exit 8\n`,
      says: "exit code: 8",
    },
    {
      row: "a tag that does not exist",
      dockerfile: () => `FROM ${base.replace("1.0", "9.9")}\nRUN true\n`,
      says: "base:9.9: not found",
    },
    {
      row: "a tag in COPY --from that does not exist",
      dockerfile: () => `FROM ${base}\nCOPY --from=${base.replace("1.0", "9.9")} /a /b\n`,
      says: "base:9.9: not found",
    },
    {
      row: "warnings of a build that goes through",
      dockerfile: () => `from ${base}\nMAINTAINER x\nRUN cat /version\n`,
      says: "2 warnings found",
    },
  ])("$row", async ({ dockerfile, says, before = "", part }) => {
    expectSame(await both(dockerfile(), { before }), says, part);
  });

  test("a target that does not exist", async () => {
    const built = await both(`FROM ${base}\n`, { args: ["--target", "nosuch"] });
    expectSame(built, 'target stage "nosuch" could not be found');
  });

  test.for([
    { row: "no Dockerfile", request: {}, says: "open Dockerfile: no such file" },
    { row: "an empty Dockerfile", request: { dockerfile: "" }, says: "the Dockerfile cannot be empty" },
  ])("$row", async ({ request, says }) => {
    const by = (frontend: string) =>
      site.build({ ...request, syntax: undefined, args: ["--build-arg", `BUILDKIT_SYNTAX=${frontend}`] });
    expectSame({ plain: await by(upstream), ours: await by(site.frontend) }, says);
  });
});

function comments(bytes: number): string {
  return `# ${"x".repeat(61)}\n`.repeat(Math.floor(bytes / 64));
}

describe("a Dockerfile with much in it", () => {
  const LIMIT = 1024 * 1024;

  test("is built when it has a mebibyte", async () => {
    const { ours } = await both(`${comments(LIMIT - 4096)}FROM ${base}\nRUN cat /version\n`);
    expect(ours.code, ours.output.slice(-2000)).toBe(0);
    expect(ours.output).toContain("[tlog]");
  });
});

describe.concurrent("questions about a Dockerfile are answered as without us", () => {
  test.for([
    { args: ["--call=lint"], says: "MaintainerDeprecated" },
    { args: ["--call=check"], says: "MaintainerDeprecated" },
    { args: ["--check"], says: "MaintainerDeprecated" },
    { args: ["--call=outline"], says: "BUILD ARG" },
    { args: ["--call=targets"], says: "two (default)" },
  ])("$args.0", async ({ args, says }) => {
    const size = site.sigstore.log.size;
    expectSame(
      await both(`ARG A=1\nFROM ${base} AS one\nARG B\nMAINTAINER x\nFROM one AS two\nRUN true\n`, { args }),
      says,
    );
    // Nothing is consumed, so nothing is recorded.
    expect(site.sigstore.log.size).toBe(size);
  });

  test("--call=subrequests.describe, and ours are in the list", async () => {
    const { code, output } = await site.build({
      dockerfile: `FROM ${base}\n`,
      args: ["--call=subrequests.describe"],
    });
    expect(code).toBe(0);
    expect(output).toMatch(/^targets +1\.0\.0 +List all targets current build supports$/m);
    expect(output).toMatch(/^tlog +1\.0\.0 +Check every image of the build/m);
  });
});
