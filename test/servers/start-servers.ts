// SPDX-License-Identifier: Apache-2.0
import type { TestProject } from "vitest/node";
import { sightingStatement } from "../../src/record/statement.ts";
import { sampleKey, sighting } from "../record/sample-log.ts";
import { proposeIntoto } from "../sigstore/signed-statement.ts";
import { startRekorV1 } from "./rekor-v1.ts";
import { ask } from "./target.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of the real Rekor v1. */
    rekorV1: string;
    /** A sighting in its first shard, which is closed: the tag, and the signer's key in PEM. */
    closedShard: { readonly tag: string; readonly publicKey: string };
  }
}

const TAG = "docker.io/library/conformance:closed-shard";

/** Starts the real servers once for all test files, and stops them after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const key = sampleKey();
  const statement = Buffer.from(sightingStatement(sighting({ reference: TAG, observedAt: new Date() })));
  const rekor = await startRekorV1({
    async fillFirstShard(url) {
      const body = proposeIntoto(statement, key.privateKey);
      const { status } = await ask({ url }, "POST", "/api/v1/log/entries", { body });
      if (status !== 201) throw new Error(`the log answered ${status} to its first entry`);
    },
  });
  project.provide("rekorV1", rekor.url);
  project.provide("closedShard", { tag: TAG, publicKey: key.pem });
  return () => rekor.close();
}
