// SPDX-License-Identifier: Apache-2.0
// How much longer a fully cached build takes with our frontend: npm run bench -- --help
import { cpus, loadavg } from "node:os";
import { KINDS } from "./builds.ts";
import { measure } from "./measurement.ts";
import { type BenchOptions, USAGE, UsageError, readOptions } from "./options.ts";
import { jsonReport, textReport } from "./report.ts";
import { openSetting } from "./setting.ts";

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

async function bench(options: BenchOptions): Promise<void> {
  const { rounds, images } = options;
  const setting = await openSetting(options, say);
  try {
    say(`timing ${rounds} rounds of ${KINDS.length} builds …`);
    const before = loadavg()[0] ?? 0;
    const samples = await measure(setting, {
      rounds,
      onRound: (round) => round % 5 === 0 && say(`  ${round} of ${rounds}`),
    });
    const results = {
      samples,
      rounds,
      images,
      engine: setting.engine,
      upstream: setting.upstream,
      cores: cpus().length,
      load: [before, loadavg()[0] ?? 0],
    } as const;
    process.stdout.write(options.json ? jsonReport(results) : textReport(results));
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
