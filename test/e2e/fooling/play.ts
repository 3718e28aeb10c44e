// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { verdictLines } from "../cases/refusal.ts";
import type { Outcome } from "../lab/command.ts";
import type { CaseBuild, End, FoolingCase } from "./case.ts";
import { markerFound, type Told, wronglyFetched } from "./oracles.ts";
import type { Place } from "./place.ts";
import { setStage, type Stage } from "./stage.ts";

/** How a case ended, and all that is wrong with that, a line each. */
export interface Played {
  readonly id: string;
  readonly end: End | "too late";
  readonly wrong: readonly string[];
  readonly output: string;
  /** What the first oracle says, and the second. */
  readonly fetched: readonly string[];
  readonly leaked: readonly string[];
}

const WITHIN_MS = 30_000;

/** Sets the stage of a case, moves its tags, builds, and asks both oracles. */
export async function play(place: Place, one: FoolingCase, id: string): Promise<Played> {
  const { lab } = place;
  const stage = await setStage(place, one, id);
  const scratch = await mkdtemp(join(tmpdir(), "fooling-"));
  try {
    const files = one.lock ? await lockFile(place, one, { stage, scratch }) : {};
    for (const name of one.pulled ?? []) await lab.docker(["pull", stage.site.ref(name)]);
    await stage.move();

    const asked = lab.registry.requests().length;
    const built = await build(place, one, { stage, scratch, files });
    const requests = lab.registry.requests().slice(asked);
    const told = await toldBy(built, scratch);
    const ours = requests.filter((request) => request.includes(` /v2/${stage.site.repositories}`));
    const end = endOf(one, stage, { built, told });
    const fetched = wronglyFetched(ours, stage.known, { ...told, isWithoutVerdict: end === "error" });
    const { output } = built;
    const leaked = await markerFound(stage.site.marker, { output, directory: join(scratch, "out") });
    const wrong = [...unexpected(one, { end, built, stage }), ...fetched, ...leaked];
    return { id, end, wrong, output, fetched, leaked };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

interface Around {
  readonly stage: Stage;
  readonly scratch: string;
}

/** The lock file of the case's build while no tag has moved yet. */
async function lockFile(place: Place, one: FoolingCase, { stage, scratch }: Around) {
  const { dockerfile = "", args = [], files = {} } = one.build(stage.site);
  const output = join(scratch, "lock");
  const made = await place.lab.build({
    syntax: place.frontends[one.policy ?? "strict"],
    dockerfile,
    files,
    args: [...args, "--build-arg", "TLOG_LOCK=update", "-o", output],
    secrets: { "tlog-signing-key": place.key },
  });
  if (made.code !== 0) throw new Error(`no lock file was made:\n${made.output}`);
  return { "tlog.lock": await readFile(join(output, "tlog.lock"), "utf8") };
}

type Late = Outcome & { readonly late?: true };

async function build(
  place: Place,
  one: FoolingCase,
  { stage, scratch, files }: Around & { readonly files: Readonly<Record<string, string>> },
): Promise<Late> {
  const { lab, key } = place;
  const frontend = place.frontends[one.policy ?? "strict"];
  const asked = one.build(stage.site);
  const metadata = ["--metadata-file", join(scratch, "metadata.json")];
  const timeoutMs = one.withinMs ?? WITHIN_MS;
  try {
    if (asked.bake !== undefined) {
      const file = join(scratch, "bake.json");
      await writeFile(file, JSON.stringify(asked.bake(frontend)));
      await writeFile(join(scratch, "key.pem"), key);
      const secret = `*.secrets=id=tlog-signing-key,src=${join(scratch, "key.pem")}`;
      const output = `top.output=type=oci,tar=false,dest=${join(scratch, "out")}`;
      const args = ["--progress=plain", "--allow=fs=*", "-f", file, "--set", secret, "--set", output];
      return await lab.docker(["buildx", "bake", ...args, ...metadata, "top"], { timeoutMs });
    }
    const { byArgument, without, bake: _, ...request } = asked;
    const output = ["--output", `type=oci,tar=false,dest=${join(scratch, "out")}`];
    return await lab.build({
      timeoutMs,
      ...request,
      ...(byArgument || without ? {} : { syntax: frontend }),
      files: { ...request.files, ...files },
      secrets: without ? {} : { "tlog-signing-key": key },
      args: [
        ...(byArgument ? ["--build-arg", `BUILDKIT_SYNTAX=${frontend}`] : []),
        ...metadata,
        ...(hasOutput(request) ? [] : output),
        ...(request.args ?? []),
      ],
    });
  } catch (error) {
    const output = error instanceof Error ? error.message : String(error);
    return { code: -1, stdout: "", stderr: output, output, durationMs: timeoutMs, late: true };
  }
}

function hasOutput({ args = [] }: CaseBuild): boolean {
  return args.some((arg) => /^(-o|--output|--call)(=|$)/.test(arg));
}

async function toldBy({ code, output }: Outcome, scratch: string): Promise<Omit<Told, "isWithoutVerdict">> {
  const text = await readFile(join(scratch, "metadata.json"), "utf8").catch(() => "{}");
  return {
    report: reportIn(JSON.parse(text) as Readonly<Record<string, unknown>>),
    error:
      code === 0
        ? ""
        : [...verdictLines(output), output.slice(output.search(/^(ERROR|error): /m))].join("\n"),
    ran: code === 0,
  };
}

/** The report of a build's metadata, or of the targets of a bake, together. */
function reportIn(metadata: Readonly<Record<string, unknown>>): Told["report"] {
  const own = metadata["frontend.tlog"];
  if (typeof own === "string") return JSON.parse(own) as Told["report"];
  const targets = Object.values(metadata).filter((value) => typeof value === "object" && value !== null);
  const reports = targets.map((target) => reportIn(target as Readonly<Record<string, unknown>>));
  const images = reports.flatMap((report) => report?.images ?? []);
  return images.length === 0 ? undefined : { images };
}

interface Ended {
  readonly built: Late;
  readonly told: Omit<Told, "isWithoutVerdict">;
}

/** A refusal names an image of the case; any other failure is an error. */
function endOf(one: FoolingCase, { known }: Stage, { built, told }: Ended): Played["end"] {
  if (built.late) return "too late";
  if (built.code === 0) {
    const verdicts = (told.report?.images ?? []) as readonly { readonly verdict?: string }[];
    return verdicts.some(({ verdict }) => verdict === "pinned") ? "pinned" : "built";
  }
  const suspects = known.filter(({ evil }) => evil).map(({ reference }) => reference.replace(/:[^:/]+$/, ""));
  const isNamed = suspects.some((repository) => told.error.includes(repository));
  return isNamed || asList(one.expect).every((end) => end === "refused")
    ? refusedOr(told.error, isNamed)
    : "error";
}

function refusedOr(error: string, isNamed: boolean): End {
  return isNamed && /TagMoved|TagUnseen|\bcannot be judged\b|\bmismatch\b|#[a-z]+$/m.test(error)
    ? "refused"
    : "error";
}

function unexpected(
  one: FoolingCase,
  { end, built, stage }: { readonly end: Played["end"]; readonly built: Late; readonly stage: Stage },
): readonly string[] {
  const wrong: string[] = [];
  const ends = asList(one.expect);
  if (!(ends as readonly string[]).includes(end))
    wrong.push(`it ended as "${end}" instead of "${ends.join('" or "')}"`);
  if (one.says !== undefined && !one.says.test(built.output)) wrong.push(`it does not say ${one.says}`);
  // Whoever fails tells what happened, not where in our program.
  if (/^\s+at \S.*:\d+:\d+\)?$/m.test(built.output)) wrong.push("its output has a stack trace");
  const { probe } = stage.site;
  const ran = `ran ${stage.id}`;
  const hasProbe = (one.build(stage.site).dockerfile ?? "").toString().includes(probe);
  const didRun = built.output.split("\n").some((line) => line.endsWith(ran));
  if (built.code !== 0 && didRun) wrong.push("a step ran");
  if (built.code === 0 && hasProbe && !didRun) wrong.push("its step did not run");
  return wrong;
}

function asList<T extends string>(value: T | readonly T[]): readonly T[] {
  return typeof value === "string" ? [value] : value;
}
