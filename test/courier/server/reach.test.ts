// SPDX-License-Identifier: Apache-2.0
import type { LookupAddress } from "node:dns";
import { describe, expect, onTestFinished, test } from "vitest";
import { openReach, type Reach } from "../../../src/courier/server/reach.ts";
import { fetchBlob, fetchManifest } from "../../../src/courier/server/registry.ts";
import { json, localServer, within } from "../local-server.ts";

const at = (address: string): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 });
const PUBLIC = [at("93.184.216.34")];
const PRIVATE = [at("10.0.0.7")];
const REGISTRY = "registry.acme.dev";
const start = new URL(`https://${REGISTRY}/v2/team/app/`);

/** What a question may reach, by a DNS server of the test's. */
function reachOf(
  names: Readonly<Record<string, readonly LookupAddress[]>>,
  { registry = REGISTRY, isPublicWanted = false, url = start } = {},
): Reach {
  const reach = openReach({ registry, isPublicWanted, start: url }, async (name) => names[name] ?? []);
  onTestFinished(() => reach.close());
  return reach;
}

/** The addresses that are connected to for a name. */
function connected({ connections }: Reach, hostname: string): Promise<unknown> {
  const { lookup } = connections.https.options;
  return new Promise((resolve, reject) => {
    lookup?.(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
}

test("a registry leads to no more than 1,000 hosts, its own included", () => {
  const reach = reachOf({});
  const to = (n: number) => reach.objection(new URL(`https://s${n}.acme.dev/`));
  for (let n = 1; n < 1_000; n++) expect(to(n)).toBeUndefined();
  expect(to(1_000)).toBe("which is not asked: the registry led to 999 other hosts before");
  expect(to(1)).toBeUndefined();
});

describe("a registry on the public internet leads nowhere else", () => {
  test.for([
    { row: "another scheme", to: "http://storage.acme.dev/", why: "it is not https" },
    { row: "no web server", to: "file:///etc/passwd", why: "it is not https" },
    { row: "a private address", to: "https://10.0.0.7/", why: "it is not on the public internet" },
    { row: "this machine", to: "https://127.0.0.1:5000/", why: "it is not on the public internet" },
    { row: "the cloud's metadata", to: "https://169.254.169.254/", why: "it is not on the public internet" },
    { row: "IPv4 in IPv6", to: "https://[::ffff:10.0.0.7]/", why: "it is not on the public internet" },
    {
      row: "a name inside a network",
      to: "https://vault.internal/",
      why: "it is not on the public internet",
    },
    { row: "a name without a domain", to: "https://vault/", why: "it is not on the public internet" },
    { row: "somebody's password", to: "https://me:pw@storage.acme.dev/", why: "it has credentials in it" },
  ])("not to $row", ({ to, why }) => {
    const reach = reachOf({});
    expect(reach.objection(new URL(to))).toBe(
      `which is not asked: ${why}${why.endsWith("internet") ? ", and the registry is" : ""}`,
    );
    expect(reach.realmObjection(new URL(to))).toContain(why);
  });

  test("not to a public name with a private address, to which nothing is sent", async () => {
    const reach = reachOf({ [REGISTRY]: PUBLIC, "storage.acme.dev": PRIVATE });
    expect(await connected(reach, REGISTRY)).toEqual(PUBLIC);
    expect(reach.objection(new URL("https://storage.acme.dev/blob"))).toBeUndefined();
    await expect(connected(reach, "storage.acme.dev")).rejects.toThrow(
      '"storage.acme.dev" leads to no public address',
    );
  });

  test("only to the public addresses of a name that has both", async () => {
    const reach = reachOf({ [REGISTRY]: PUBLIC, "storage.acme.dev": [...PRIVATE, ...PUBLIC] });
    await connected(reach, REGISTRY);
    reach.objection(new URL("https://storage.acme.dev/blob"));
    expect(await connected(reach, "storage.acme.dev")).toEqual(PUBLIC);
  });

  test("not even when its own name has a private address the second time", async () => {
    const names = { [REGISTRY]: PUBLIC, "storage.acme.dev": PRIVATE };
    const reach = reachOf(names);
    await connected(reach, REGISTRY);
    names[REGISTRY] = PRIVATE;
    await expect(connected(reach, REGISTRY)).rejects.toThrow("leads to no public address");
    expect(reach.objection(new URL("https://10.0.0.7/"))).toContain("not on the public internet");
  });

  test("but through the proxy of this network, wherever that is", async () => {
    const reach = reachOf({ [REGISTRY]: PUBLIC, "proxy.internal": PRIVATE });
    expect(await connected(reach, "proxy.internal")).toEqual(PRIVATE);
  });
});

describe("a registry inside a network leads to what is inside", () => {
  test("by its name", () => {
    const url = new URL("https://registry.internal/v2/a/b/");
    const reach = reachOf({}, { registry: "registry.internal", url });
    expect(reach.objection(new URL("https://storage.internal/blob"))).toBeUndefined();
    expect(reach.objection(new URL("http://storage.internal/blob"))).toContain("it is not https");
  });

  test("by its address", async () => {
    const reach = reachOf({ [REGISTRY]: PRIVATE, "storage.acme.dev": PRIVATE });
    expect(await connected(reach, REGISTRY)).toEqual(PRIVATE);
    expect(reach.objection(new URL("https://storage.acme.dev/"))).toBeUndefined();
    expect(await connected(reach, "storage.acme.dev")).toEqual(PRIVATE);
  });
});

test.for([
  { registry: "docker.io", to: "https://auth.docker.io/token", may: true },
  { registry: "docker.io", to: "https://auth.evil.example.com/token", may: false },
  { registry: "index.docker.io", to: "https://docker.io.evil.example.com/token", may: false },
  { registry: "docker.io", to: "https://auth.docker.io:8443/token", may: false },
  { registry: REGISTRY, to: "https://auth.another.dev/token", may: true },
])("tokens for $registry come from $to: $may", ({ registry, to, may }) => {
  const reach = reachOf({}, { registry });
  expect(reach.realmObjection(new URL(to)) === undefined).toBe(may);
});

describe("a registry that is to be public", () => {
  const address = { repository: "team/app", tag: "1", plainHttp: true, public: true };
  const resolve = async () => [at("127.0.0.1")];

  test("is not asked when its name leads to an address that is not", async () => {
    const { url, asked } = await localServer(json({}));
    const registry = `registry.acme.dev:${url.port}`;
    const done = fetchManifest({ ...address, registry }, within(2_000), resolve);
    await expect(done).rejects.toMatchObject({ code: "not-public" });
    await expect(done).rejects.toThrow(
      `"${registry}/team/app" is not asked for: "registry.acme.dev" leads to no public address`,
    );
    expect(asked).toEqual([]);
  });

  test.for(["127.0.0.1:5000", "localhost", "registry.internal", "10.0.0.7"])(
    "is not asked by the name %s",
    async (registry) => {
      await expect(fetchManifest({ ...address, registry }, within(2_000), resolve)).rejects.toMatchObject({
        code: "not-public",
      });
    },
  );

  test("is asked like any other where nobody wants that", async () => {
    const { url, asked } = await localServer((_, response) => response.end("{}"));
    const digest = `sha256:${"ab".repeat(32)}`;
    const registry = `registry.acme.dev:${url.port}`;
    const blob = { registry, repository: "team/app", plainHttp: true, digest, maxBytes: 10 };
    expect(await fetchBlob(blob, within(2_000), resolve)).toEqual(Buffer.from("{}"));
    expect(asked).toHaveLength(1);
  });
});
