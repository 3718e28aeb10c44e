// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { type Auditing, startAuditing } from "../audit/auditing.ts";
import type { ConfigurationParts } from "../observer/observing.ts";

const place = inject("sigstore");
const DIGEST = `sha256:${"d".repeat(64)}` as const;

let at: Auditing;
beforeEach(async () => {
  at = await startAuditing();
  onTestFinished(at.close);
  // The observer and the audit have the real logs, and no other.
  writeFileSync(join(at.directory, "sigstore", "trusted_root.json"), JSON.stringify(place.trustedRoot));
});

describe.for([
  { log: "Rekor v1", way: "search", api: 1, by: "" },
  { log: "Rekor v1", way: "indexes", api: 1, by: ", by: indexes" },
  { log: "Rekor v2", way: "tiles", api: 2, by: "" },
] as const)("a real $log log that is read by $way", ({ api, way, by }) => {
  const url = api === 1 ? place.rekorV1 : place.rekorV2;
  const parts: ConfigurationParts = {
    log: `{ url: ${url}, api: ${api} }`,
    signing: `{ key: observer.pem${api === 2 ? `, timestamps: ["${place.timestamp}"]` : ""} }`,
  };
  const logs = `[{ url: ${url}, api: ${api}${by} }]`;

  /** Audits once so many entries can be found: the index of the real v1 log has them a moment after its answer. */
  const audited = (entries: number, args: readonly string[] = []) =>
    vi.waitFor(
      async () => {
        const audit = await at.audit({ logs }, args);
        expect(audit.result).toMatchObject({ entries, notRead: [], logs: [{ way, api, unreadable: 0 }] });
        return audit;
      },
      { timeout: 20_000, interval: 500 },
    );

  test("agrees with an honest ledger, goes on from where it was, and shows a hidden entry", async () => {
    at.registry.image("team/app", "1.0", "one");
    at.registry.image("team/app", "1.1", "one");
    await at.run(parts);
    at.registry.image("team/app", "1.0", "two");
    await at.run(parts);
    const { status, result } = await audited(5, ["--from-scratch"]);
    expect({ status, findings: result.findings }).toEqual({ status: 0, findings: [] });

    await at.sign({ digest: DIGEST }, parts);
    at.registry.image("team/app", "1.1", "two");
    await at.run(parts);
    const later = await audited(8);
    expect(later).toMatchObject({ status: 1, kinds: ["hidden-entry"] });
    if (api === 1) expect(later.result.findings[0]?.message).toContain(`/team/app:1.0" is ${DIGEST}`);
    if (way !== "search") expect(later.result.logs[0]?.read).toBeLessThanOrEqual(3);
    expect(later.result.logs[0]?.size).toBeGreaterThanOrEqual(8);
  });
});
