// SPDX-License-Identifier: Apache-2.0
// How much longer a fully cached build takes with our frontend: npm run bench -- --help
import { KINDS, RECORDING_KINDS } from "./kinds.ts";
import { currentLoad, thisMachine } from "./machine.ts";
import { type Phase, phasesIn, phaseTable } from "./phases.ts";
import { measure } from "./measurement.ts";
import { type BenchOptions, USAGE, UsageError, readOptions } from "./options.ts";
import { writeSection } from "./page.ts";
import { jsonReport, markdownReport, plotReport, type Results, textReport } from "./report.ts";
import { type Bench, openSetting } from "./setting.ts";

const PLOT = "cached-builds.svg";

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

/** More builds than this are not looked into. */
const MOST_TRACED = 10;
const TRACED = ["locked", "ledger", "remembered", "log"];

/** What happens when in the builds with us, as tables. */
async function phasesOf(one: Bench, rounds: number): Promise<string> {
  const tables: string[] = [];
  for (const kind of KINDS.filter(({ name }) => TRACED.includes(name))) {
    const builds: (readonly Phase[])[] = [];
    for (let round = 0; round < rounds; round += 1)
      builds.push(phasesIn((await one.build(kind, ["--build-arg", "TLOG_TRACE=1"])).outcome.output));
    tables.push(phaseTable(kind, builds));
  }
  return tables.join("\n\n");
}

async function bench(options: BenchOptions): Promise<void> {
  const { rounds } = options;
  const kinds = options.recording ? [...KINDS, ...RECORDING_KINDS] : KINDS;
  say("making an engine, a registry, a log, images and frontends …");
  const setting = await openSetting(options, kinds);
  try {
    const before = currentLoad();
    const tables: Results["tables"][number][] = [];
    for (const images of options.images) {
      const one = await setting.bench(images);
      say(
        `timing ${rounds} rounds of ${kinds.length} builds with ${images} ${images === 1 ? "image" : "images"} …`,
      );
      const measured = await measure(one, {
        kinds,
        rounds,
        onRound: (round) => round % 5 === 0 && say(`  ${round} of ${rounds}`),
      });
      tables.push({ images, measured });
    }
    say("looking into some builds …");
    const phases = await phasesOf(await setting.bench(1), Math.min(rounds, MOST_TRACED));
    const { engine, upstream } = setting;
    const results = { kinds, tables, rounds, engine, upstream, machine: thisMachine(before) };
    process.stdout.write(options.json ? jsonReport(results) : `${textReport(results)}\n${phases}\n`);
    if (options.writeDocs) {
      writeSection({ name: "phases", text: phases, plots: new Map() });
      writeSection({
        name: "cached-builds",
        text: markdownReport(results, `images/${PLOT}`),
        plots: new Map([[PLOT, plotReport(results)]]),
      });
    }
  } finally {
    await setting.close();
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") process.stdout.write(`${USAGE}\n`);
  else await bench(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
  if (error instanceof UsageError) {
    process.stderr.write(`\n${USAGE}\n`);
    process.exitCode = 2;
  }
}
