// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { openRegistry } from "../../src/registry/client.ts";
import { startMemoryRegistry } from "../observer/memory-registry.ts";

test.for([
  { isPublicWanted: false, asked: 1 },
  { isPublicWanted: true, asked: 0 },
])(
  "a registry that is wanted at a public address alone is not asked at another one: $isPublicWanted",
  async ({ isPublicWanted, asked }) => {
    const server = await startMemoryRegistry();
    onTestFinished(() => server.close());
    server.image("team/app", "1.0", "one");
    const registry = openRegistry({
      credentials: { of: async () => undefined },
      plainHttp: () => true,
      isPublicWanted: () => isPublicWanted,
    });
    onTestFinished(() => registry.close());
    // A name, and no address: what it leads to is seen when it is looked up.
    const where = { registry: server.host.replace("127.0.0.1", "localhost"), repository: "team/app" };
    const read = registry.manifest(where, "1.0", { signal: AbortSignal.timeout(30_000) });
    if (isPublicWanted) await expect(read).rejects.toThrow("leads to no public address");
    else expect(await read).toBeDefined();
    expect(server.requests).toHaveLength(asked);
  },
);
