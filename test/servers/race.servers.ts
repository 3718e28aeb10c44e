// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { standing } from "../../src/record/history.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { DIGEST, OTHER_DIGEST, sighting } from "../record/sample-log.ts";
import { startSigstore } from "../sigstore/sigstore.ts";
import { find, historyOf, newSample, record, type Sample } from "./sample-sighting.ts";
import { developmentTarget, realTarget, type Target } from "./target.ts";

const BUILDS = 30;
/** As unordered as the real server's index is under load. */
const lag = (index: number) => (index * 67) % 150;

/** What a build does with a tag that it sees first: records it, reads back, and goes by the record that stands. */
async function build(target: Target, sample: Sample): Promise<string> {
  const uuid = await record(target, sample);
  const { record: stands } = standing(historyOf(target, sample, await find(target, sample, uuid))) ?? {};
  return `${stands?.uuid}: ${stands?.digest}`;
}

test.for(["development", "real"])(
  "thirty builds that see two digests of a new tag at once go by the same record (%s)",
  async (name) => {
    const directory = mkdtempSync(join(tmpdir(), "tlog-race-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const development = await startSigstore({ lag });
    onTestFinished(() => development.close());
    const home = { name, directory };
    const isReal = name === "real";
    const target = isReal ? realTarget(inject("sigstore"), home) : developmentTarget(development, home);
    for (let round = 0; round < 2; round += 1) {
      const sample = newSample();
      const builds = Array.from({ length: BUILDS }, (_, n) => {
        const observedAt = new Date(Date.now() - 1000 * Math.floor(n / 2));
        const what = { reference: sample.name, digest: n % 2 === 0 ? DIGEST : OTHER_DIGEST, observedAt };
        return build(target, { ...sample, statement: sightingStatement(sighting(what)) });
      });
      expect(new Set(await Promise.all(builds)).size).toBe(1);
    }
  },
);
