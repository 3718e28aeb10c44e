// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { LedgerSource } from "../../src/ledger/source.ts";
import { type Content, fakeLedger } from "../check/fake-ledger.ts";
import { type Built, good, key, logOf, OLD, progressOf, refusalOf, start } from "./sample-build.ts";

const NAMES = ["ghcr.io/acme/tlog-ledger", "registry.example/tlog-ledger"];
const DOCKERFILE = "FROM good:1\nCOPY --from=second:1 a a\nRUN x\n";
const SECOND = { digest: good.digest, layers: true };
/** What the ledger's observer saw. */
const seen = logOf({ "good:1": good.digest, "second:1": good.digest, "moved:1": OLD });
const SEEN: Content = { log: seen, entries: [0, 1, 2] };

/** A build of somebody with nothing but the ledgers. */
async function buildWith(ledgers: readonly Content[], dockerfile = DOCKERFILE): Promise<Built> {
  const names = NAMES.slice(0, ledgers.length);
  const source = (repository: string): LedgerSource => {
    return { repository, observer: key.signer, approvers: [], maxAgeMs: 1 };
  };
  const fakes = ledgers.map((content, index) => fakeLedger(names[index] ?? "", content, []));
  const setting = {
    key: undefined,
    policy: { ledgers: names.map(source) },
    context: { ledgers: fakes },
  };
  return start({ dockerfile, images: { "second:1": SECOND }, setting });
}

test("a build whose images are all in a ledger says since when, and starts nothing", async () => {
  const { done, heard, around } = await buildWith([SEEN]);
  expect((await done).length).toBeGreaterThan(0);
  expect(progressOf(heard)).toEqual([
    expect.stringContaining("docker.io/library/good:1 unchanged since "),
    expect.stringContaining("docker.io/library/second:1 unchanged since "),
  ]);
  expect(around.started).toEqual([]);
  expect(heard.warnings).toEqual([]);
});

test("a tag that moved since the observer saw it is refused, with what it saw", async () => {
  const { judgements } = await refusalOf(await buildWith([SEEN], "FROM moved:1\nRUN x\n"));
  expect(judgements).toMatchObject([
    { outcome: "refuse", verdict: { kind: "moved", record: { digest: OLD, signer: key.signer } } },
  ]);
});

test("a ledger that could not be read while another decided is warned of once, and not for each image", async () => {
  const { done, heard } = await buildWith([SEEN, "ledger-unreachable"]);
  await done;
  expect(heard.warnings.map((each) => Buffer.from(each.short ?? []).toString())).toEqual([
    'the ledger "registry.example/tlog-ledger" could not be read (ledger-unreachable), so other records decide: ledger-unreachable: why',
  ]);
});
