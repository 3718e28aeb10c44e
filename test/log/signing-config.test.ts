// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { readSigningConfig, SigningConfigError } from "../../src/log/signing-config.ts";

const SOURCE = "/etc/tlog-dockerfile/signing_config.json";
const NOW = new Date("2026-06-01T12:00:00Z");
const PAST = { start: "2024-01-01T00:00:00Z", end: "2026-06-01T11:59:59Z" };
const FUTURE = { start: "2026-06-01T12:00:01Z" };

interface Service {
  [field: string]: unknown;
  url?: unknown;
  majorApiVersion?: unknown;
  validFor?: unknown;
  operator?: unknown;
}
interface Config {
  [field: string]: unknown;
  caUrls: Service[];
  rekorTlogUrls: Service[];
  rekorTlogConfig: unknown;
  tsaUrls: Service[];
  tsaConfig: unknown;
}

const service = (url: string, more: Service = {}): Service => ({
  url,
  majorApiVersion: 1,
  validFor: { start: "2025-01-01T00:00:00Z" },
  operator: "acme.example",
  ...more,
});

const good = (): Config => ({
  mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
  caUrls: [service("https://fulcio.acme.example")],
  oidcUrls: [service("https://oauth.acme.example")],
  rekorTlogUrls: [service("https://rekor.acme.example")],
  rekorTlogConfig: { selector: "ANY" },
  tsaUrls: [service("https://time.acme.example/api/v1/timestamp")],
  tsaConfig: { selector: "ANY" },
});

const read = (change: (config: Config) => unknown, now = NOW) => {
  const config = good();
  change(config);
  return readSigningConfig(JSON.stringify(config), SOURCE, now);
};

test("a signing configuration gives the log to write to, the certificate authority and the timestamp authority", () => {
  expect(read(() => undefined)).toEqual({
    logs: [{ url: "https://rekor.acme.example", api: 1 }],
    fulcio: "https://fulcio.acme.example",
    timestamps: ["https://time.acme.example/api/v1/timestamp"],
  });
});

describe("of several logs", () => {
  const logs = (...services: Service[]) => read((config) => (config.rekorTlogUrls = services)).logs;
  const shown = (...services: Service[]) => logs(...services).map(({ url, api }) => `${url} ${api}`);
  const old = { start: "2024-01-01T00:00:00Z" };

  test.for([
    {
      row: "the one that can be searched is written to, though another is newer",
      services: [
        service("https://new.example", { majorApiVersion: 2 }),
        service("https://old.example", { validFor: old }),
      ],
      chosen: ["https://old.example 1", "https://new.example 2"],
    },
    {
      row: "the newest shard comes first",
      services: [
        service("https://2024.example", { majorApiVersion: 2, validFor: old }),
        service("https://2025.example", { majorApiVersion: 2 }),
        service("https://always.example", { majorApiVersion: 2, validFor: undefined }),
      ],
      chosen: ["https://2025.example 2", "https://2024.example 2", "https://always.example 2"],
    },
    {
      row: "the file's order stands among those that start together",
      services: [service("https://b.example"), service("https://a.example")],
      chosen: ["https://b.example 1", "https://a.example 1"],
    },
    {
      row: "those of other operators are there to look in",
      services: [service("https://a.example"), service("https://b.example", { operator: "other.example" })],
      chosen: ["https://a.example 1", "https://b.example 1"],
    },
    {
      row: "a log with both APIs is used with each",
      services: [
        service("https://a.example", { majorApiVersion: 2 }),
        service("https://a.example/", { majorApiVersion: 1 }),
      ],
      chosen: ["https://a.example 1", "https://a.example 2"],
    },
    {
      row: "one that is named twice is one",
      services: [service("https://a.example", { validFor: old }), service("https://a.example//")],
      chosen: ["https://a.example 1"],
    },
    {
      row: "one that has ended, one that has not begun and one of an unknown API are left out",
      services: [
        service("https://ended.example", { validFor: PAST }),
        service("https://later.example", { validFor: FUTURE }),
        service("https://three.example", { majorApiVersion: 3 }),
        service("https://unreleased.example", { majorApiVersion: undefined }),
        service("https://a.example/rekor/"),
      ],
      chosen: ["https://a.example/rekor 1"],
    },
  ])("$row", ({ services, chosen }) => expect(shown(...services)).toEqual(chosen));

  test.for([
    { row: "first", now: "2026-01-01T00:00:00Z" },
    { row: "last", now: "2026-12-31T23:59:59Z" },
  ])("a log counts in the $row second of its window", ({ now }) => {
    const validFor = { start: "2026-01-01T00:00:00Z", end: "2026-12-31T23:59:59Z" };
    const { logs: chosen } = read(
      (config) => (config.rekorTlogUrls = [service("https://a.example", { validFor })]),
      new Date(now),
    );
    expect(chosen).toHaveLength(1);
  });

  test.for([
    { row: "any", selection: { selector: "ANY" } },
    { row: "exactly one", selection: { selector: "EXACT", count: 1 } },
    { row: "all of one operator", selection: { selector: "ALL" } },
  ])("a configuration that wants records in $row is followed", ({ selection }) => {
    const { logs: chosen } = read((config) => {
      config.rekorTlogUrls.push(service("https://other-shard.acme.example"));
      config.rekorTlogConfig = selection;
    });
    expect(chosen).toHaveLength(2);
  });
});

describe("of the authorities", () => {
  test("the newest certificate authority that is valid now is asked", () => {
    const { fulcio } = read(
      (config) =>
        (config.caUrls = [
          service("https://later.example", { validFor: FUTURE }),
          service("https://old.example", { validFor: { start: "2023-01-01T00:00:00Z" } }),
          service("https://new.example/ca/"),
          service("https://two.example", { majorApiVersion: 2 }),
        ]),
    );
    expect(fulcio).toBe("https://new.example/ca");
  });

  test("where none is valid now, none is given: keys need no certificates, and their logs may need no timestamps", () => {
    const services = read((config) => {
      config.caUrls = [service("https://ended.example", { validFor: PAST })];
      config.tsaUrls = [service("https://ended.example", { validFor: PAST })];
    });
    expect(services).toMatchObject({ fulcio: undefined, timestamps: [] });
  });

  test.for([
    { row: "any", selection: { selector: "ANY" }, chosen: ["https://a.example/"] },
    {
      row: "two operators",
      selection: { selector: "EXACT", count: 2 },
      chosen: ["https://a.example/", "https://b.example/timestamp"],
    },
    {
      row: "all operators",
      selection: { selector: "ALL" },
      chosen: ["https://a.example/", "https://b.example/timestamp"],
    },
  ])("timestamps are asked of $row, as the configuration says", ({ selection, chosen }) => {
    const { timestamps } = read((config) => {
      config.tsaUrls = [
        service("https://a.example/"),
        service("https://same-operator.example"),
        service("https://b.example/timestamp", { operator: "other.example" }),
      ];
      config.tsaConfig = selection;
    });
    expect(timestamps).toEqual(chosen);
  });
});

describe("a configuration that cannot be used is refused by name, with the field and what is allowed", () => {
  const bad = (row: string, change: (config: Config, log: Service) => unknown, says: string) => {
    const config = good();
    change(config, config.rekorTlogUrls[0] ?? {});
    return { row, text: JSON.stringify(config), says };
  };

  test.for([
    { row: "an empty file", text: "", says: "it is not JSON" },
    { row: "a list", text: "[]", says: '"mediaType" is missing' },
    { row: "a number", text: "1", says: '"document" is not an object' },
    { row: "a huge file", text: " ".repeat(256 * 1024 + 1), says: "it is longer than 262144 characters" },
    bad("no media type", (config) => delete config["mediaType"], '"mediaType" is missing'),
    bad(
      "an older version",
      (config) => (config["mediaType"] = "application/vnd.dev.sigstore.signingconfig.v0.1+json"),
      '"mediaType" is not "application/vnd.dev.sigstore.signingconfig.v0.2+json"',
    ),
    bad(
      "a field that is not known",
      (config) => (config["tlogUrls"] = []),
      '"tlogUrls" is not known; known here are mediaType, caUrls, oidcUrls, rekorTlogUrls, rekorTlogConfig, tsaUrls, tsaConfig',
    ),
    bad(
      "a field of a service that is not known",
      (_, log) => (log["validUntil"] = "2026-01-01T00:00:00Z"),
      '"rekorTlogUrls.0.validUntil" is not known; known here are url, majorApiVersion, validFor, operator',
    ),
    bad(
      "services that are no list",
      (config) => Object.assign(config, { caUrls: {} }),
      '"caUrls" is not a list',
    ),
    bad(
      "too many services",
      (config, log) => (config.rekorTlogUrls = Array.from({ length: 65 }, () => log)),
      '"rekorTlogUrls" has more than 64 entries',
    ),
    bad("a service without a URL", (_, log) => delete log.url, '"rekorTlogUrls.0.url" is missing'),
    bad("a URL that is a number", (_, log) => (log.url = 1), '"rekorTlogUrls.0.url" is not a text'),
    bad(
      "a URL of another scheme",
      (_, log) => (log.url = "ftp://rekor.example"),
      '"rekorTlogUrls.0.url" is not of the form "https://HOST"',
    ),
    bad("a host alone", (_, log) => (log.url = "rekor.example"), '"rekorTlogUrls.0.url" is not of the form'),
    bad(
      "a URL with a query",
      (_, log) => (log.url = "https://rekor.example/?a=b"),
      '"rekorTlogUrls.0.url" is not of the form',
    ),
    bad(
      "a very long URL",
      (_, log) => (log.url = `https://rekor.example/${"x".repeat(2048)}`),
      '"rekorTlogUrls.0.url" is longer than 2048 characters',
    ),
    bad(
      "an API version in words",
      (_, log) => (log.majorApiVersion = "1"),
      '"rekorTlogUrls.0.majorApiVersion" is not a number',
    ),
    bad(
      "an API version below zero",
      (_, log) => (log.majorApiVersion = -1),
      '"rekorTlogUrls.0.majorApiVersion" is not a whole number from 0 to 4294967295',
    ),
    bad(
      "a date that is none",
      (_, log) => (log.validFor = { start: "soon" }),
      '"rekorTlogUrls.0.validFor.start" is not a time in RFC 3339',
    ),
    bad(
      "a window that ends before it starts",
      (_, log) => (log.validFor = { start: "2026-01-02T00:00:00Z", end: "2026-01-01T00:00:00Z" }),
      '"rekorTlogUrls.0.validFor" ends before it starts',
    ),
    bad(
      "no word on how many logs",
      (config) => delete config.rekorTlogConfig,
      '"rekorTlogConfig" is missing; {"selector": "ANY"} uses one service',
    ),
    bad(
      "no word on how many timestamps",
      (config) => delete config.tsaConfig,
      '"tsaConfig" is missing; {"selector": "ANY"} uses one service',
    ),
    bad(
      "an undefined selector",
      (config) => (config.rekorTlogConfig = { selector: "SERVICE_SELECTOR_UNDEFINED" }),
      '"rekorTlogConfig.selector" is none of "ANY", "ALL", "EXACT"',
    ),
    bad(
      "an exact selector without a count",
      (config) => (config.tsaConfig = { selector: "EXACT" }),
      '"tsaConfig.count" is not at least 1',
    ),
    bad(
      "a count that is too large",
      (config) => (config.tsaConfig = { selector: "EXACT", count: 65 }),
      '"tsaConfig.count" is not a whole number from 0 to 64',
    ),
  ])("$row", ({ text, says }) => refused(text, "bad-config", says));

  test.for([
    {
      code: "none-valid",
      ...bad("no logs", (config) => (config.rekorTlogUrls = []), '"rekorTlogUrls" has no log'),
    },
    {
      code: "none-valid",
      ...bad(
        "logs that have ended or not begun",
        (config, log) =>
          (config.rekorTlogUrls = [
            { ...log, validFor: PAST },
            { ...log, validFor: FUTURE },
          ]),
        'no log that is valid at 2026-06-01T12:00:00.000Z with "majorApiVersion" 1 or 2 (it has 2 in all)',
      ),
    },
    {
      code: "none-valid",
      ...bad("logs with another API", (_, log) => (log.majorApiVersion = 3), '"majorApiVersion" 1 or 2'),
    },
    {
      code: "several-logs",
      ...bad(
        "records wanted in all logs, of two operators",
        (config, log) => {
          config.rekorTlogUrls.push({ ...log, operator: "other.example" });
          config.rekorTlogConfig = { selector: "ALL" };
        },
        '"rekorTlogConfig" wants records in 2 logs, and a build writes to one; allowed are "ANY"',
      ),
    },
    {
      code: "several-logs",
      ...bad(
        "records wanted in exactly two logs",
        (config) => (config.rekorTlogConfig = { selector: "EXACT", count: 2 }),
        "wants records in 2 logs",
      ),
    },
    {
      code: "too-few",
      ...bad(
        "two timestamps wanted, of one operator",
        (config) => {
          config.tsaUrls.push(service("https://second.example"));
          config.tsaConfig = { selector: "EXACT", count: 2 };
        },
        '"tsaConfig" wants timestamps of 2 operators, and "tsaUrls" has those of 1 that are valid at',
      ),
    },
  ])("$row", ({ text, code, says }) => refused(text, code, says));

  test("what stands in a URL before an @ is not shown: it may be a password", () => {
    const { text } = bad("", (_, log) => (log.url = "https://user:secret@rekor.example"), "");
    expect(() => readSigningConfig(text, SOURCE, NOW)).toThrow(/^(?!.*secret).*without credentials/);
  });

  function refused(text: string, code: string, says: string): void {
    const act = () => readSigningConfig(text, SOURCE, NOW);
    expect(act).toThrow(SigningConfigError);
    expect(act).toThrow(expect.objectContaining({ code, message: expect.stringContaining(`"${SOURCE}": `) }));
    expect(act).toThrow(expect.objectContaining({ message: expect.stringContaining(says) }));
  }
});
