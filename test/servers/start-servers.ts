// SPDX-License-Identifier: Apache-2.0
import type { TestProject } from "vitest/node";
import { findEntries } from "../../src/courier/server/find-entries.ts";
import { sendHttp } from "../../src/courier/server/http.ts";
import { parseReference } from "../../src/image/reference.ts";
import { logUrl } from "../../src/log/json-api.ts";
import { sightingStatement, subjectHash } from "../../src/record/statement.ts";
import { sampleKey, sighting } from "../record/sample-log.ts";
import { proposeIntoto } from "../sigstore/signed-statement.ts";
import { type SigstorePlace, startRealSigstore } from "./real-sigstore.ts";
import { ask } from "./target.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The real Sigstore. */
    sigstore: SigstorePlace;
    /** A sighting in the first shard of its v1 log, which is closed: the tag, and the signer's key in PEM. */
    closedShard: { readonly tag: string; readonly publicKey: string };
  }
}

const TAG = "docker.io/library/conformance:closed-shard";

/** Starts the real servers once for all test files, and stops them after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const key = sampleKey();
  const statement = Buffer.from(sightingStatement(sighting({ reference: TAG, observedAt: new Date() })));
  const { close, ...place } = await startRealSigstore({
    async fillFirstShard(url) {
      const body = proposeIntoto(statement, key.privateKey);
      const first = { place: { rekorV1: url } };
      const { status, body: entries } = await ask(first, "POST", "/api/v1/log/entries", { body });
      const [uuid] = Object.keys(entries as object);
      if (status !== 201) throw new Error(`the log answered ${status} to its first entry`);
      // The log fills index and storage after its answer, and never when it is stopped before.
      const what = { log: logUrl(url), hash: subjectHash(parseReference(TAG)), including: uuid };
      await findEntries(sendHttp, { ...what, signal: AbortSignal.timeout(10_000) }, () => undefined);
    },
  });
  project.provide("sigstore", place);
  project.provide("closedShard", { tag: TAG, publicKey: key.pem });
  return close;
}
