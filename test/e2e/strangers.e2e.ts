// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newSigningKey, proposeHashedrekord, proposeIntoto } from "../sigstore/signed-statement.ts";
import { expectBuilt, expectRefusal, verdictLines } from "./cases/refusal.ts";
import { FORGERIES, sighting } from "./cases/sightings.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;
let heal: () => void = () => undefined;

beforeAll(async () => {
  site = await startSite();
});
afterEach(() => heal());
afterAll(() => site?.stop());

describe.concurrent("when strangers write to the log", () => {
  test("entries under a tag's name, they are counted and change nothing", async () => {
    const { reference, digest } = await site.pushSystem("crowded:1.0", "one");
    const { log } = site.sigstore;
    for (let count = 0; count < 24; count += 1) {
      const other = `sha256:${count.toString(16).padStart(64, "0")}`;
      log.append(proposeIntoto(sighting(reference, other), newSigningKey()));
    }
    log.append(proposeHashedrekord(Buffer.from(reference), newSigningKey()));
    const request = { dockerfile: `FROM ${reference}\n` };
    const first = await site.build(request);
    expectBuilt(first);
    const [line] = verdictLines(first.output);
    expect(line).toContain(`${reference} first seen, recorded: ${digest}`);
    expect(line).toMatch(
      /; 25 entries under this name in the log do not count \(24 untrusted-signer, 1 [\w-]+\)$/,
    );
    const second = await site.build(request);
    expect(verdictLines(second.output)[0]).toMatch(/ unchanged since .*; 25 entries under this name/);
  });

  test.for(FORGERIES)(
    "a record of the new image with $wrong wrong, a moved tag is refused all the same",
    async (row) => {
      const image = `forged-${row.reason}:1.0`;
      const one = await site.pushSystem(image, "one");
      const request = { dockerfile: `FROM ${one.reference}\n` };
      const { log } = site.sigstore;
      const two = await site.pushSystem(image, "two");
      log.force(row.entry({ reference: one.reference, digest: two.digest, key: createPrivateKey(site.key) }));
      await site.pushSystem(image, "one");
      expectBuilt(await site.build(request));
      const record = site.entriesOf(one.reference).at(-1);
      if (record === undefined) throw new Error("nothing was recorded");

      await site.pushSystem(image, "two");
      const refused = await site.build(request);
      expectRefusal(refused, {
        reference: one.reference,
        got: two.digest,
        want: one.digest,
        record,
        signer: site.signer,
        marked: [`FROM ${one.reference}`],
      });
      expect(refused.output).toContain(
        `  1 entry under this name in the log does not count (1 ${row.reason})\n`,
      );
    },
  );
});

describe("when two builds see a new tag at the same moment", () => {
  test("both go through, and one record stands", async () => {
    const { reference, digest } = await site.pushSystem("raced:1.0", "one");
    const request = { dockerfile: `FROM ${reference}\nRUN cat /version\n` };
    // Both look before one of them can see what the other wrote.
    const slow = { path: "/api/v1/index/retrieve", times: 2, fault: { kind: "delay", ms: 1_500 } } as const;
    heal = site.sigstore.misbehave(slow);
    const built = await Promise.all([site.build(request), site.build(request)]);
    for (const one of built) {
      expectBuilt(one);
      expect(verdictLines(one.output)).toEqual([expect.stringContaining(digest)]);
    }
    heal();
    const evidence = built.map(({ output }) => /log index \d+/.exec(output)?.[0]);
    const after = await site.build(request);
    expect(verdictLines(after.output)).toEqual([expect.stringContaining(` unchanged since `)]);
    const standing = /log index \d+/.exec(after.output)?.[0];
    expect(standing).toBeDefined();
    expect(evidence).toEqual([standing, standing]);
  });
});
