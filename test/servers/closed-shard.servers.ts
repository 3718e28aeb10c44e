// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { findEntries } from "../../src/courier/server/find-entries.ts";
import { sendHttp } from "../../src/courier/server/http.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { RawEntry } from "../../src/log/rekor-v1.ts";
import { readHistory } from "../../src/record/history.ts";
import { parsePublicKey } from "../../src/record/signer.ts";
import { subjectHash } from "../../src/record/statement.ts";
import { asEvidence, trusting } from "../record/sample-log.ts";
import { ask, realTarget } from "./target.ts";
import { rekorCliJson } from "./tools.ts";

test("a record stands when its log has gone on in a new tree", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tlog-closed-shard-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const target = realTarget(inject("sigstore"), { name: "real", directory });
  const { tag, publicKey } = inject("closedShard");
  const subject = parseReference(tag);

  const found: RawEntry[] = [];
  const what = { log: target.log, hash: subjectHash(subject), signal: AbortSignal.timeout(30_000) };
  await findEntries(sendHttp, what, (some) => void found.push(...some));
  const context = { subject, trust: trusting(parsePublicKey(publicKey)), trustedRoot: target.trustedRoot };
  const { records, rejected } = readHistory(found.map(asEvidence), context);
  expect([...rejected]).toEqual([]);
  expect(records).toMatchObject([{ reference: tag, logIndex: 0n }]);

  const { body } = await ask(target, "GET", "/api/v1/log");
  const [record] = records;
  const tree = BigInt(`0x${record?.uuid?.slice(0, 16) ?? ""}`).toString();
  expect(body).toMatchObject({ inactiveShards: [{ treeID: tree, treeSize: 1 }] });
  expect(await rekorCliJson(target, ["verify", "--uuid", record?.uuid ?? ""])).toMatchObject({ Size: 1 });
});
