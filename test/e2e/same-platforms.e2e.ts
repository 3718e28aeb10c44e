// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectBuilt, expectNothingRan } from "./cases/refusal.ts";
import { pushIndex } from "./cases/registry-content.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;

beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site?.stop());

const OS = "linux";
const architecture = process.arch === "arm64" ? "arm64" : "amd64";
const HOST = { os: OS, architecture };

/** A tag of an index with one manifest, recorded by a build. */
async function recordedIndex(name: string) {
  const { registry } = site.lab;
  const good = await site.pushSystem(`${name}:good`, "good");
  const other = await site.pushSystem(`${name}:other`, "other");
  await pushIndex(registry, `${name}:1.0`, [{ digest: good.digest, platform: HOST }]);
  const dockerfile = `FROM ${registry.address}/${name}:1.0\nRUN cat /version\n`;
  expectBuilt(await site.build({ dockerfile }));
  return { good: good.digest, other: other.digest, dockerfile };
}

test("an index that only has more platforms than the recorded one is built", async () => {
  const { good, other, dockerfile } = await recordedIndex("more");
  await pushIndex(site.lab.registry, "more:1.0", [
    { digest: other, platform: { os: OS, architecture: "s390x" } },
    { digest: good, platform: HOST },
  ]);
  const built = await site.build({ dockerfile });
  expectBuilt(built);
  expect(built.output).toContain("for the platforms built");
});

// BuildKit takes each of these for the platform of the machine, and of several the first.
const NAMES =
  architecture === "arm64"
    ? ["linux/aarch64", "linux/ARM64", "Linux/arm64"]
    : ["linux/x86_64", "linux/x86-64", "linux/AMD64", "Linux/amd64"];

test.for(NAMES)("an index with another image before the recorded one, as %s, is refused", async (text) => {
  const name = `as-${NAMES.indexOf(text)}`;
  const { good, other, dockerfile } = await recordedIndex(name);
  const [os = "", spelled = ""] = text.split("/");
  await pushIndex(site.lab.registry, `${name}:1.0`, [
    { digest: other, platform: { os, architecture: spelled } },
    { digest: good, platform: HOST },
  ]);
  const refused = await site.build({ dockerfile });
  expect(refused.output).toContain("mismatch");
  expectNothingRan(refused);

  const without = await site.build({
    dockerfile: `${dockerfile}RUN test "$(cat /version)" = other\n`,
    syntax: undefined,
  });
  expectBuilt(without);
});
