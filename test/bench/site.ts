// SPDX-License-Identifier: Apache-2.0
// What a site of a ledger costs, as a Markdown table: `npm run bench:site`, or `npm run bench:site -- 1000` for so many tags. Every
// tenth tag has moved. The ledger is made in this process, which takes as long as the site, and served from a registry in memory; each
// run is the program that ships, in a process of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { sha256 } from "../../src/image/digest.ts";
import { INDEX_MEDIA_TYPE, ledgerIndex, MANIFEST_MEDIA_TYPE, manifestOf } from "../../src/ledger/layout.ts";
import { partsFor } from "../../src/ledger/registry/kept-ledger.ts";
import { chainOf, keyWriter, sampleLedger, TAGGED } from "../ledger/sample-ledger.ts";
import { startMemoryRegistry } from "../observer/memory-registry.ts";
import { DIGEST, OTHER_DIGEST, sampleKey, sampleLog } from "../record/sample-log.ts";

const PROGRAM = new URL("../../dist/frontend.cjs", import.meta.url).pathname;
const LOOK_MS = 50;
const [tags = 10_000] = process.argv.slice(2).map(Number);

const directory = mkdtempSync(join(tmpdir(), "bench-site-"));
const registry = await startMemoryRegistry();
try {
  await makeLedger();
  console.log("| tags | run | seconds | peak memory, MB | it says |");
  console.log("|---|---|---|---|---|");
  for (const run of ["first", "again"]) {
    const { seconds, peakBytes, said } = await runOnce();
    console.log(`| ${[tags, run, seconds.toFixed(1), (peakBytes / 1e6).toFixed(0), said].join(" | ")} |`);
  }
} finally {
  await registry.close();
  rmSync(directory, { recursive: true });
}

async function makeLedger(): Promise<void> {
  const log = sampleLog();
  const place = { log, root: log.trustedRoot };
  const key = sampleKey();
  const observer = keyWriter(key);
  const lines = Array.from({ length: tags }, (_, index) =>
    chainOf(
      (index % 10 === 0 ? [DIGEST, OTHER_DIGEST] : [DIGEST]).map((digest) => ({
        reference: `ghcr.io/acme/app-${index % 100}:1.${index}`,
        digest,
      })),
      observer,
      place,
    ),
  ).flat();
  const content = { lines, shards: partsFor(lines.length, 2), ledger: `${registry.host}/acme/tlog-ledger` };
  const { configurations } = sampleLedger(content, observer, place);
  const described = [...configurations].map(([reference, configuration]) => {
    const bytes = Buffer.from(manifestOf(configuration));
    const digest = sha256(bytes);
    registry.blobs.set(sha256(configuration), Buffer.from(configuration));
    registry.manifests.set(digest, { bytes, mediaType: MANIFEST_MEDIA_TYPE });
    return { reference, digest, size: bytes.length };
  });
  const head = described.find(({ reference }) => reference === TAGGED);
  if (head === undefined) throw new Error("the sample has no head");
  const index = Buffer.from(ledgerIndex({ head, shards: described.filter((each) => each !== head) }));
  registry.manifests.set(sha256(index), { bytes: index, mediaType: INDEX_MEDIA_TYPE });
  registry.tags.set("acme/tlog-ledger", new Map([["v1", sha256(index)]]));
  writeFileSync(join(directory, "observer.pub"), key.pem);
  writeFileSync(join(directory, "trusted_root.json"), JSON.stringify(log.root));
}

async function runOnce(): Promise<{
  readonly seconds: number;
  readonly peakBytes: number;
  readonly said: string;
}> {
  const begun = performance.now();
  const named = ["--ledger", `${registry.host}/acme/tlog-ledger`, "--observer-key", "observer.pub"];
  const run = spawn(
    process.execPath,
    [PROGRAM, "site", ...named, "--trusted-root", "trusted_root.json", "--out", "site"],
    { cwd: directory, stdio: ["ignore", "inherit", "pipe"] },
  );
  let peakBytes = 0;
  // The kernel forgets it with the process.
  const looking = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(run.pid))), LOOK_MS);
  const [said, [status]] = await Promise.all([text(run.stderr), once(run, "exit")]);
  clearInterval(looking);
  if (status !== 0) throw new Error(said);
  return { seconds: (performance.now() - begun) / 1_000, peakBytes, said: said.trim() };
}

/** The most memory that a process has had, in bytes; 0 when it is gone. */
function peakOf(pid = 0): number {
  try {
    const [, peak = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(peak) * 1024;
  } catch {
    return 0;
  }
}
