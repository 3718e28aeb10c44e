// SPDX-License-Identifier: Apache-2.0
// How the frontend grows with what it is given: npm run bench:scale -- --help
import { currentLoad, thisMachine } from "./machine.ts";
import { readScaleOptions, SCALE_USAGE, type ScaleOptions, UsageError } from "./options.ts";
import { writeSection } from "./page.ts";
import {
  jsonScaleReport,
  type MeasuredSize,
  scalePlots,
  scaleReport,
  type ScaleResults,
} from "./scale-report.ts";
import { type Cost, layOut, type Shipped } from "./scaled-build.ts";
import { type Scale, SCALES } from "./scales.ts";

const PLOTS = { time: "scale-time.svg", memory: "scale-memory.svg" };

/** A size that has taken longer is not measured once more, in milliseconds. */
const LONG_MS = 10_000;

function say(text: string): void {
  process.stderr.write(`bench:scale: ${text}\n`);
}

/** What the frontend and the conversion take with this much. */
async function measureSize(
  shipped: Shipped,
  { scale, size, rounds }: { readonly scale: Scale; readonly size: number; readonly rounds: number },
): Promise<MeasuredSize> {
  const { build, images, close } = await scale.open(size);
  try {
    const costs: Cost[] = [];
    const conversionMs: number[] = [];
    const begun = performance.now();
    for (let round = 0; round < rounds; round += 1) {
      if (round > 0 && performance.now() - begun > LONG_MS) break;
      const cost = await shipped.build(build);
      if (cost.refusal === undefined && cost.unchanged !== images)
        throw new Error(`${size} ${scale.unit}: ${cost.unchanged} of ${images} images were found unchanged`);
      costs.push(cost);
      conversionMs.push(await shipped.convert(build));
    }
    return { size, costs, conversionMs };
  } finally {
    await close();
  }
}

async function bench(options: ScaleOptions): Promise<void> {
  const { rounds, only } = options;
  const shipped = await layOut();
  try {
    const before = currentLoad();
    const scales: ScaleResults["scales"][number][] = [];
    for (const scale of SCALES.filter(({ name }) => only?.includes(name) ?? true)) {
      const sizes: MeasuredSize[] = [];
      for (const size of scale.sizes) {
        say(`${size} ${scale.unit} …`);
        sizes.push(await measureSize(shipped, { scale, size, rounds }));
      }
      scales.push({ scale, sizes });
    }
    const results = { scales, rounds, machine: thisMachine(before) };
    process.stdout.write(options.json ? jsonScaleReport(results) : `${scaleReport(results)}\n`);
    if (options.writeDocs) {
      const { time, memory } = scalePlots(results);
      writeSection({
        name: "scale",
        text: scaleReport(results, [`images/${PLOTS.time}`, `images/${PLOTS.memory}`]),
        plots: new Map([
          [PLOTS.time, time],
          [PLOTS.memory, memory],
        ]),
      });
    }
  } finally {
    shipped.remove();
  }
}

try {
  const options = readScaleOptions(
    process.argv.slice(2),
    SCALES.map(({ name }) => name),
  );
  if (options === "help") process.stdout.write(`${SCALE_USAGE}\n`);
  else await bench(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
  if (error instanceof UsageError) {
    process.stderr.write(`\n${SCALE_USAGE}\n`);
    process.exitCode = 2;
  }
}
// What the fakes leave open does not keep this process.
process.exit();
