// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { TrustError } from "../../src/trust/error.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";
import { sampleLog } from "../record/sample-log.ts";

type Json = { [field: string]: unknown };

const SOURCE = "/etc/tlog-dockerfile/trusted_root.json";
const sample = sampleLog();

interface Root extends Json {
  tlogs: { baseUrl: unknown; publicKey: Json; logId: Json }[];
}

function changed(change: (root: Root, log: Root["tlogs"][0]) => unknown): string {
  const root = JSON.parse(JSON.stringify(sample.root)) as Root;
  const [log] = root.tlogs;
  if (log === undefined) throw new Error("the sample has no log");
  change(root, log);
  return JSON.stringify(root);
}

test("a trusted root gives the logs that are believed, and where it came from", () => {
  const root = parseTrustedRoot(JSON.stringify(sample.root), SOURCE);
  expect(root.source).toBe(SOURCE);
  expect(root.material.tlogs).toHaveLength(1);
  expect(root.material.tlogs[0]?.logID).toEqual(sample.log.logId);
  expect(root.material.tlogs[0]?.validFor.start).toEqual(new Date("2021-01-01T00:00:00Z"));
});

test("the root of the public Sigstore instance is read with its logs and authorities", () => {
  const file = createRequire(import.meta.url).resolve("@sigstore/tuf/seeds.json");
  const seeds = JSON.parse(readFileSync(file, "utf8")) as {
    [repository: string]: { targets: { [name: string]: string } };
  };
  const target = seeds["https://tuf-repo-cdn.sigstore.dev"]?.targets["trusted_root.json"] ?? "";
  const { material } = parseTrustedRoot(Buffer.from(target, "base64").toString("utf8"), SOURCE);
  expect(material.tlogs.map(({ baseURL }) => baseURL)).toContain("https://rekor.sigstore.dev");
  expect(material.certificateAuthorities.length).toBeGreaterThan(0);
  expect(material.timestampAuthorities.length).toBeGreaterThan(0);
});

test("its newer media type is read too", () => {
  const text = changed((root) => (root["mediaType"] = "application/vnd.dev.sigstore.trustedroot.v0.2+json"));
  expect(parseTrustedRoot(text, SOURCE).material.tlogs).toHaveLength(1);
});

describe("a file that cannot be used is refused by name, with the field that is wrong", () => {
  test.for<{ row: string; text: string; says: string }>([
    { row: "an empty file", text: "", says: "it is not JSON" },
    { row: "a list", text: "[]", says: '"mediaType"' },
    {
      row: "another format",
      text: changed((root) => (root["mediaType"] = "application/json")),
      says: '"mediaType": is not that of',
    },
    {
      row: "no logs",
      text: changed((root) => (root.tlogs = [])),
      says: '"tlogs": names no transparency log',
    },
    { row: "a log without a URL", text: changed((_, log) => delete log.baseUrl), says: '"tlogs.0.baseUrl"' },
    {
      row: "a log with a bad URL",
      text: changed((_, log) => (log.baseUrl = "rekor")),
      says: '"tlogs.0.baseUrl": is not a URL',
    },
    {
      row: "a log without a key",
      text: changed((_, log) => delete log.publicKey["rawBytes"]),
      says: '"tlogs.0.publicKey.rawBytes"',
    },
    {
      row: "a key that is not base64",
      text: changed((_, log) => (log.publicKey["rawBytes"] = "not base64")),
      says: '"tlogs.0.publicKey.rawBytes": is not base64',
    },
    {
      row: "a key that is no key",
      text: changed((_, log) => (log.publicKey["rawBytes"] = "AAAA")),
      says: "a key or certificate in it cannot be read",
    },
    {
      row: "a kind of key that does not exist",
      text: changed((_, log) => (log.publicKey["keyDetails"] = "ROT13")),
      says: "a key or certificate in it cannot be read",
    },
    {
      row: "a log without an id",
      text: changed((_, log) => delete log.logId["keyId"]),
      says: '"tlogs.0.logId.keyId"',
    },
    {
      row: "a date that is none",
      text: changed((_, log) => (log.publicKey["validFor"] = { start: "soon" })),
      says: '"tlogs.0.publicKey.validFor.start": is not a time',
    },
    {
      row: "an authority without certificates",
      text: changed((root) => (root["certificateAuthorities"] = [{ certChain: { certificates: [] } }])),
      says: '"certificateAuthorities.0.certChain.certificates": is empty',
    },
    {
      row: "a certificate that is none",
      text: changed(
        (root) =>
          (root["certificateAuthorities"] = [{ certChain: { certificates: [{ rawBytes: "AAAA" }] } }]),
      ),
      says: "a key or certificate in it cannot be read",
    },
    {
      row: "too many logs",
      text: changed((root, log) => (root.tlogs = Array.from({ length: 65 }, () => log))),
      says: '"tlogs"',
    },
    { row: "a huge file", text: " ".repeat(1024 * 1024 + 1), says: "longer than" },
  ])("$row", ({ text, says }) => {
    const read = () => parseTrustedRoot(text, SOURCE);
    expect(read).toThrow(TrustError);
    expect(read).toThrow(
      expect.objectContaining({ code: "bad-root", message: expect.stringContaining(`"${SOURCE}"`) }),
    );
    expect(read).toThrow(expect.objectContaining({ message: expect.stringContaining(says) }));
  });
});
