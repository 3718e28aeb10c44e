// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { fetchMirrorFile } from "../../src/courier/server/mirror-file.ts";
import { openTrust } from "../../src/trust/build-trust.ts";
import { localServer } from "../courier/local-server.ts";
import { sampleLog } from "../record/sample-log.ts";
import { publishTuf, tufDraft, tufKeys } from "./sample-tuf-repository.ts";

type Files = Readonly<Record<string, string>>;

const NOW = new Date("2026-06-01T12:00:00Z");
const rootOf = (log: ReturnType<typeof sampleLog>, more: object = {}) =>
  JSON.stringify({ ...log.root, ...more });
const publicLog = sampleLog("rekor.public.example");
const newLog = sampleLog("rekor2.public.example");
const acmeLog = sampleLog("rekor.acme.example");
const publicRoot = rootOf(publicLog);
const newRoot = rootOf(newLog);
const acmeRoot = rootOf(acmeLog);

const service = (url: string) => ({ url, majorApiVersion: 1 });
const signingConfig = (log: string) =>
  JSON.stringify({
    mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    caUrls: [service("https://fulcio.public.example")],
    rekorTlogUrls: [service(log)],
    rekorTlogConfig: { selector: "ANY" },
    tsaUrls: [service("https://time.public.example/timestamp")],
    tsaConfig: { selector: "ANY" },
  });
const PUBLIC_SERVICES = {
  logs: [{ url: "https://rekor.public.example", api: 1 }],
  fulcio: "https://fulcio.public.example",
  timestamps: ["https://time.public.example/timestamp"],
};

const tuf = publishTuf(
  tufDraft(tufKeys(), {
    "trusted_root.json": newRoot,
    "signing_config.v0.2.json": signingConfig("https://rekor2.public.example"),
  }),
);
const otherTuf = publishTuf(tufDraft(tufKeys(), { "trusted_root.json": acmeRoot }));

function directory(files: Files): string {
  const path = mkdtempSync(join(tmpdir(), "tlog-dockerfile-trust-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/** A repository on loopback, what it was asked, and the trust of a frontend that ships with it. */
async function opened(own: Files, { files, seed } = tuf) {
  const { url, asked } = await localServer((request, response) => {
    const file = files.get((request.url ?? "").slice(1));
    response.writeHead(file === undefined ? 404 : 200);
    response.end(file);
  });
  const ownDirectory = directory(own);
  const trust = await openTrust({
    own: ownDirectory,
    shipped: directory({
      "trusted_root.json": publicRoot,
      "signing_config.json": signingConfig("https://rekor.public.example"),
      "tuf_root.json": seed.toString(),
      "tuf_mirror.json": JSON.stringify({ mirror: url.href }),
    }),
    now: () => NOW,
  });
  const signal = AbortSignal.timeout(20_000);
  const way = {
    fetchFile: (what: Parameters<typeof fetchMirrorFile>[0]) => fetchMirrorFile(what, signal),
    signal,
    mirror: undefined as string | undefined,
  };
  return { trust, way, asked, mirror: url.href, ownDirectory };
}

const logsOf = (
  root: Awaited<ReturnType<Awaited<ReturnType<typeof openTrust>>["trustedRoot"]>> | undefined,
) => root?.material.tlogs.map(({ baseURL }) => baseURL);

describe("without files of an organisation's own", () => {
  test("the shipped trusted root and services count, and nobody is asked for them", async () => {
    const { trust, asked } = await opened({});
    expect(trust.services).toEqual(PUBLIC_SERVICES);
    expect(logsOf(await trust.trustedRoot())).toEqual(["https://rekor.public.example"]);
    expect(asked).toEqual([]);
  });

  test("the root is renewed from the shipped repository, which is asked once", async () => {
    const { trust, way, asked, mirror } = await opened({});
    const root = await trust.refreshed(way);
    expect(logsOf(root)).toEqual(["https://rekor2.public.example"]);
    expect(root?.source).toBe(`trusted_root.json of ${mirror}`);
    await trust.refreshed(way);
    expect(asked.filter((line) => line === "GET /timestamp.json")).toHaveLength(1);
  });

  test("another mirror of the same repository is asked where the policy names one", async () => {
    const { trust, way, asked } = await opened({});
    const other = await opened({});
    await expect(trust.refreshed({ ...way, mirror: other.mirror })).resolves.toBeDefined();
    expect(asked).toEqual([]);
  });

  test("a repository that has nothing newer gives nothing", async () => {
    const same = publishTuf(tufDraft(tufKeys(), { "trusted_root.json": publicRoot }));
    const { trust, way } = await opened({}, same);
    await expect(trust.refreshed(way)).resolves.toBeUndefined();
  });

  test("a repository that is wrong is said to be, each time, and asked once", async () => {
    const { trust, way, asked } = await opened({}, { ...tuf, seed: otherTuf.seed });
    await expect(trust.refreshed(way)).rejects.toMatchObject({ code: "bad-signature" });
    const count = asked.length;
    await expect(trust.refreshed(way)).rejects.toMatchObject({ code: "bad-signature" });
    expect(asked).toHaveLength(count);
  });
});

describe("an organisation's own trusted root", () => {
  test("replaces the shipped one, and the services that it does not vouch for are not used", async () => {
    const { trust } = await opened({ "trusted_root.json": acmeRoot });
    expect(logsOf(await trust.trustedRoot())).toEqual(["https://rekor.acme.example"]);
    expect(trust.services).toEqual({ logs: [], fulcio: undefined, timestamps: [] });
  });

  test("keeps the services that it vouches for, as a newer one of the same instance does", async () => {
    const newer = { ...JSON.parse(publicRoot), tlogs: [...tlogs(publicRoot), ...tlogs(newRoot)] };
    const authority = (uri: string) => ({ uri, certChain: { certificates: [] } });
    const { trust } = await opened({
      "trusted_root.json": JSON.stringify({
        ...newer,
        certificateAuthorities: [authority("https://fulcio.public.example/")],
        timestampAuthorities: [authority("https://time.public.example/timestamp")],
      }),
    });
    expect(trust.services).toEqual(PUBLIC_SERVICES);
  });

  test("is not renewed, and nobody is asked, without the root of a repository of its own", async () => {
    const { trust, way, asked, mirror } = await opened({ "trusted_root.json": acmeRoot });
    await expect(trust.refreshed({ ...way, mirror })).resolves.toBeUndefined();
    expect(asked).toEqual([]);
  });

  test("is renewed from the repository that the policy names, by its own root of it", async () => {
    const { mirror } = await opened({});
    const { trust, way } = await opened(
      {
        "trusted_root.json": acmeRoot,
        "tuf_root.json": tuf.seed.toString(),
      },
      otherTuf,
    );
    expect(logsOf(await trust.refreshed({ ...way, mirror }))).toEqual(["https://rekor2.public.example"]);
  });

  test("is not renewed from nowhere: a repository's root without the repository is refused", async () => {
    const { trust, way, asked, ownDirectory } = await opened({ "tuf_root.json": tuf.seed.toString() });
    await expect(trust.refreshed(way)).rejects.toMatchObject({
      name: "TrustError",
      message: `"${ownDirectory}/tuf_root.json" is the root of a TUF repository, and the policy does not name the repository; add "tuf: URL" to it`,
    });
    expect(asked).toEqual([]);
  });

  test("that is none is refused when it is used, by its path", async () => {
    const { trust, ownDirectory } = await opened({ "trusted_root.json": "{" });
    expect(trust.services.logs).toEqual([]);
    await expect(trust.trustedRoot()).rejects.toThrow(
      `read trusted root "${ownDirectory}/trusted_root.json"`,
    );
  });
});

describe("an organisation's own signing configuration", () => {
  const own = { "signing_config.json": signingConfig("https://rekor.acme.example") };

  test("replaces the shipped one, whatever the trusted root", async () => {
    const { trust, asked } = await opened({ ...own, "trusted_root.json": acmeRoot });
    expect(trust.services).toEqual({
      ...PUBLIC_SERVICES,
      logs: [{ url: "https://rekor.acme.example", api: 1 }],
    });
    expect(asked).toEqual([]);
  });

  test("that is none is refused at once, by its path", async () => {
    await expect(opened({ "signing_config.json": "{}" })).rejects.toMatchObject({
      name: "SigningConfigError",
      message: expect.stringMatching(
        /^read signing configuration ".*\/signing_config\.json": "mediaType" is missing$/,
      ),
    });
  });

  test("that cannot be read is not read over", async () => {
    await expect(
      openTrust({ own: join(directory({ file: "" }), "file"), shipped: directory({}), now: () => NOW }),
    ).rejects.toThrow("ENOTDIR");
  });
});

function tlogs(root: string): readonly object[] {
  return (JSON.parse(root) as { readonly tlogs: readonly object[] }).tlogs;
}
