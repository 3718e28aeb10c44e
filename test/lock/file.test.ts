// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { readHistory } from "../../src/record/history.ts";
import { parseLockFile, recordLine } from "../../src/lock/file.ts";
import { MAX_LOCK_BYTES } from "../../src/lock/name.ts";
import { formatLockFile } from "./lock-text.ts";
import { logName } from "../../src/lock/line.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import type { TagRecord } from "../../src/record/record.ts";
import { parseReference } from "../../src/image/reference.ts";
import {
  ALPINE,
  DIGEST,
  OBSERVED,
  OTHER_DIGEST,
  sampleKey,
  sampleLog,
  sighting,
  signEnvelope,
} from "../record/sample-log.ts";

const key = sampleKey();
const log = sampleLog();

/** A record of this sighting, logged two seconds after it was made. */
function recorded(change: Parameters<typeof sighting>[0] = {}): TagRecord {
  const what = sighting(change);
  log.now = new Date(what.observedAt.getTime() + 2000);
  const entry = log.append(signEnvelope(sightingStatement(what), key));
  const { records } = readHistory([{ kind: "entry", ...log.found(entry) }], {
    subject: parseReference(what.reference),
    trust: [{ signer: key.signer, may: new Set(["record", "approve"]) }],
    trustedRoot: log.trustedRoot,
  });
  const [record] = records;
  if (record === undefined) throw new Error("not recorded");
  return record;
}

const later = (seconds: number) => new Date(OBSERVED.getTime() + seconds * 1000);
const first = recorded();
const second = recorded({ digest: OTHER_DIGEST, observedAt: later(60) });
const busybox = recorded({ reference: "docker.io/library/busybox:1.36", observedAt: later(30) });
const suffixed = recorded({ reference: `${ALPINE}-rc1`, observedAt: later(90) });
const records = [first, second, busybox, suffixed];
const good = formatLockFile(records);
const goodLines = good.split("\n");

const parse = (text: string | Uint8Array) =>
  parseLockFile(typeof text === "string" ? Buffer.from(text) : text, "tlog.lock");

describe("a lock file has one line for each record, and reads as what changed when", () => {
  test("after its first line: tag, time, digest, log and bundle, in the order of tags and times", () => {
    expect(goodLines.map((line) => line.split(" ").slice(0, 4).join(" "))).toEqual([
      "# tlog.lock 1 (evidence",
      `${ALPINE} 2022-06-28T13:30:02Z ${DIGEST} rekor.example.org#${first.logIndex}`,
      `${ALPINE} 2022-06-28T13:31:02Z ${OTHER_DIGEST} rekor.example.org#${second.logIndex}`,
      `${ALPINE}-rc1 2022-06-28T13:31:32Z ${DIGEST} rekor.example.org#${suffixed.logIndex}`,
      `docker.io/library/busybox:1.36 2022-06-28T13:30:32Z ${DIGEST} rekor.example.org#${busybox.logIndex}`,
      "",
    ]);
    expect(JSON.parse(goodLines[1]?.split(" ").slice(4).join(" ") ?? "")).toEqual(first.bundle);
  });

  test("the same bytes, in whatever order the records are brought, and however often", () => {
    for (const order of [records.toReversed(), [second, busybox, first, suffixed], [...records, first]])
      expect(formatLockFile(order)).toBe(good);
  });

  test("the same bytes for a bundle that was read from a lock file", () => {
    const lock = parse(good);
    const again = records.map((record) => {
      const [line] = (lock.tags.get(record.reference) ?? []).filter(
        ({ logIndex }) => logIndex === record.logIndex,
      );
      return { ...record, bundle: line?.bundle as NonNullable<TagRecord["bundle"]> };
    });
    expect(formatLockFile(again)).toBe(good);
  });

  test("a log's times have fractions of a second, and the file has not", () => {
    const exact = { ...first, loggedAt: new Date(first.loggedAt.getTime() + 999) };
    expect(formatLockFile([exact])).toBe(formatLockFile([first]));
  });

  test("a record without a bundle has none", () => {
    const { bundle: _, ...weak } = { ...first, strength: "tlogistry" as const };
    expect(recordLine(weak)).toBe(undefined);
  });

  test("of a build without tags it is the first line alone", () => {
    expect(parse(formatLockFile([])).tags.size).toBe(0);
  });
});

test.for([
  { url: "https://rekor.example.org", name: "rekor.example.org" },
  { url: "https://rekor.example.org/", name: "rekor.example.org" },
  { url: "http://127.0.0.1:3000", name: "127.0.0.1:3000" },
  { url: "https://sigstore.example.org/rekor/v2/", name: "sigstore.example.org/rekor/v2" },
  { url: "a log with spaces", name: "c0ffee" },
  { url: "https://rekor.example.org/#fragment", name: "c0ffee" },
  { url: "", name: "c0ffee" },
])("a log with the URL $url is named $name", ({ url, name }) => {
  expect(logName({ logUrl: url, logId: "c0ffee" })).toBe(name);
});

/** The good file with another second line. */
function withLine(change: (line: string) => string): string {
  return goodLines.with(1, change(goodLines[1] ?? "")).join("\n");
}

const bundleText = goodLines[1]?.split(" ").slice(4).join(" ") ?? "";
/** The good file with another bundle in its second line. */
function withBundle(change: (bundle: TagRecord["bundle"]) => unknown): string {
  return withLine((line) => line.replace(bundleText, JSON.stringify(change(structuredClone(first.bundle)))));
}

describe("a file that is not what was written is refused, with its line", () => {
  test.for<{ row: string; file: string | Uint8Array; code: string; says: string }>([
    {
      row: "of nothing, as a shell's > leaves it",
      file: "",
      code: "empty",
      says: 'read "tlog.lock": it is empty, which no lock file is: restore it',
    },
    {
      row: "of 100 MB",
      file: Buffer.alloc(100_000_000, good),
      code: "too-large",
      says: `read "tlog.lock": it has 100000000 bytes, and the limit is ${MAX_LOCK_BYTES}`,
    },
    {
      row: "of more lines than any build has images",
      file: `${goodLines[0]}\n${`${goodLines[1]}\n`.slice(0, 40).padEnd(40, "x")}\n${"x\n".repeat(10_000)}`,
      code: "too-many-lines",
      says: "it has 10001 records, and the limit is 10000",
    },
    {
      row: "cut in a line",
      file: good.slice(0, -100),
      code: "truncated",
      says: "line 5: the last line does not end",
    },
    {
      row: "without its last line feed",
      file: good.slice(0, -1),
      code: "truncated",
      says: "line 5: the last line",
    },
    {
      row: "with the marks of a merge",
      file: goodLines.toSpliced(2, 0, "<<<<<<< HEAD").toSpliced(4, 0, "=======", ">>>>>>> branch").join("\n"),
      code: "conflict",
      says: "line 3: it has the marks of a merge that was not finished; delete the lines with the marks",
    },
    {
      row: "with a merge's marks around its first line",
      file: `<<<<<<< HEAD\n${good}`,
      code: "conflict",
      says: "line 1: it has the marks of a merge",
    },
    {
      row: "with a byte order mark",
      file: `\uFEFF${good}`,
      code: "byte-order-mark",
      says: "save it as UTF-8 without",
    },
    {
      row: "with the line ends of Windows",
      file: good.replaceAll("\n", "\r\n"),
      code: "carriage-return",
      says: 'line 1: its lines end as on Windows; tell git to leave it as it is, with the line "tlog.lock -text"',
    },
    {
      row: "in UTF-16, as a shell of Windows writes it",
      file: Buffer.from(`\uFEFF${good}`, "utf16le"),
      code: "not-utf8",
      says: 'read "tlog.lock": it is not UTF-8; restore it',
    },
    {
      row: "with a byte that is no UTF-8",
      file: Buffer.concat([Buffer.from(good.slice(0, -1)), Buffer.of(0xff, 0x0a)]),
      code: "not-utf8",
      says: "it is not UTF-8",
    },
    {
      row: "without the first line",
      file: goodLines.slice(1).join("\n"),
      code: "bad-header",
      says: 'line 1: it does not begin with "# tlog.lock 1"',
    },
    { row: "that is some other file", file: "{}\n", code: "bad-header", says: "line 1: it does not begin" },
    {
      row: "of a version to come",
      file: good.replace("tlog.lock 1 ", "tlog.lock 2 "),
      code: "newer-version",
      says: "line 1: it is of version 2 of the format, and this tlog-dockerfile reads version 1; update it",
    },
    {
      row: "with two lines in another order",
      file: goodLines
        .with(1, goodLines[2] ?? "")
        .with(2, goodLines[1] ?? "")
        .join("\n"),
      code: "unsorted",
      says: "line 3: it belongs before line 2; sort the file: LC_ALL=C sort -u",
    },
    {
      row: "with a line twice",
      file: goodLines.toSpliced(1, 0, goodLines[1] ?? "").join("\n"),
      code: "duplicate",
      says: "line 3: it is about the same entry of the log as line 2",
    },
    {
      row: "with two proofs of one entry",
      file: goodLines.toSpliced(1, 0, (goodLines[1] ?? "").replace("13:30:02Z", "13:30:01Z")).join("\n"),
      code: "duplicate",
      says: "line 3: it is about the same entry of the log as line 2",
    },
    {
      row: "with an empty line",
      file: goodLines.toSpliced(2, 0, "").join("\n"),
      code: "bad-line",
      says: "line 3:",
    },
    {
      row: "with a comment",
      file: goodLines.toSpliced(2, 0, "# why").join("\n"),
      code: "bad-line",
      says: "line 3:",
    },
    {
      row: "with a line cut in the middle",
      file: withLine((line) => line.slice(0, 200)),
      code: "bad-line",
      says: "line 2:",
    },
    {
      row: "with two spaces",
      file: withLine((line) => line.replace(" ", "  ")),
      code: "bad-line",
      says: "line 2:",
    },
    {
      row: "with a space at a line's end",
      file: withLine((line) => `${line} `),
      code: "bad-line",
      says: "line 2:",
    },
    ...[
      ["alpine:3.16.0", "is not the whole name of a tag"],
      ["docker.io/library/alpine", "is not the whole name of a tag"],
      [`${ALPINE}@${DIGEST}`, "is not the whole name of a tag"],
      ["docker.io/library/Alpine:1", "is not the name of a tag"],
    ].map(([name = "", says = ""]) => ({
      row: `for "${name}"`,
      file: withLine((line) => line.replace(ALPINE, name)),
      code: "bad-line",
      says,
    })),
    ...[
      "2022-06-28T13:30:02.5Z",
      "2022-06-28T13:30:02+00:00",
      "2022-02-30T13:30:02Z",
      "2022-06-28",
      "1656423002",
    ].map((time) => ({
      row: `with the time ${time}`,
      file: withLine((line) => line.replace("2022-06-28T13:30:02Z", time)),
      code: "bad-line",
      says: `line 2: "${time}" is not a time such as`,
    })),
    ...["sha256:c8", `sha256:${"C8".repeat(32)}`, "c8".repeat(32), `md5:${"c8".repeat(16)}`].map(
      (digest) => ({
        row: `with the digest ${digest}`,
        file: withLine((line) => line.replace(DIGEST, digest)),
        code: "bad-line",
        says: `line 2: "${digest}" is not a digest`,
      }),
    ),
    ...["rekor.example.org#007", "rekor.example.org#-1", "rekor.example.org#", "rekor.example.org", "#0"].map(
      (entry) => ({
        row: `with the entry ${entry}`,
        file: withLine((line) => line.replace(`rekor.example.org#${first.logIndex} `, `${entry} `)),
        code: "bad-line",
        says: "line 2:",
      }),
    ),
    {
      row: "with a log's name that is none",
      file: withLine((line) => line.replace("rekor.example.org#", "rekor#x#")),
      code: "bad-line",
      says: 'line 2: "rekor#x" is not the name of a log',
    },
    {
      row: "with a bundle that is no JSON",
      file: withLine((line) => `${line.slice(0, -1)},}`),
      code: "bad-bundle",
      says: "line 2: its bundle is not JSON",
    },
    {
      row: "with JSON that is no bundle",
      file: withBundle(() => ({ mediaType: "application/json" })),
      code: "bad-bundle",
      says: "line 2: its last column is no Sigstore bundle",
    },
    {
      row: "with a bundle of a version to come",
      file: withBundle((bundle) => ({
        ...bundle,
        mediaType: "application/vnd.dev.sigstore.bundle.v0.4+json",
      })),
      code: "newer-bundle",
      says: 'line 2: its bundle is of the kind "application/vnd.dev.sigstore.bundle.v0.4+json", and this version reads',
    },
    {
      row: "with a bundle of a version that is past",
      file: withBundle((bundle) => ({
        ...bundle,
        mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
      })),
      code: "newer-bundle",
      says: "and this version reads",
    },
    {
      row: "with a bundle in another spelling",
      file: withLine((line) => line.replace('{"dsseEnvelope":', '{"dsseEnvelope": ')),
      code: "bad-bundle",
      says: "line 2: its bundle is not in the one spelling",
    },
    {
      row: "with a name twice in a bundle",
      file: withLine((line) => line.replace('"mediaType":', '"mediaType":"x","mediaType":')),
      code: "bad-bundle",
      says: "line 2: its bundle is not in the one spelling",
    },
    {
      row: "with a bundle of very many levels",
      file: withLine((line) =>
        line.replace('"mediaType":', `"a":${"[".repeat(100_000)}${"]".repeat(100_000)},"mediaType":`),
      ),
      code: "bad-bundle",
      says: "line 2: its bundle has more than 16 levels",
    },
  ])("$row", ({ file, code, says }) => {
    expect(() => parse(file)).toThrow(
      expect.objectContaining({ name: "LockError", code, message: expect.stringContaining(says) as string }),
    );
  });
});

test("an error tells which line, for tools", () => {
  const file = goodLines.with(3, "x").join("\n");
  expect(() => parse(file)).toThrow(expect.objectContaining({ line: 4 }));
});

test("sorting the lines of both sides mends a merge, as the message says", () => {
  const ours = formatLockFile([first, second]).split("\n");
  const theirs = formatLockFile([busybox, second, suffixed]).split("\n");
  const sorted = [...new Set([...ours, ...theirs])].filter((line) => line !== "");
  const mended = sorted.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(`${mended.join("\n")}\n`).toBe(good);
});

test("a file of 10,000 images is read at once, and one that is larger is never written", () => {
  const lines = Array.from({ length: 10_000 }, (_, index) => ({
    ...first,
    reference: `registry.example.org/app-${index}:1.0`,
    logIndex: BigInt(index),
    // As small as a bundle can be told apart: whole ones, so many, are over the limit of bytes.
    bundle: { mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json" } as NonNullable<
      TagRecord["bundle"]
    >,
  }));
  const bytes = Buffer.from(formatLockFile(lines));
  const start = performance.now();
  expect(parse(bytes).tags.size).toBe(10_000);
  expect(performance.now() - start).toBeLessThan(1000);
  expect(() => formatLockFile([...lines, first])).toThrow(
    expect.objectContaining({ code: "too-many-lines" }),
  );
  expect(() =>
    formatLockFile(
      lines.map((line) => ({ ...line, bundle: first.bundle as NonNullable<TagRecord["bundle"]> })),
    ),
  ).toThrow(expect.objectContaining({ code: "too-large" }));
});

test("a file as large as it may be is read at once", () => {
  const size = Buffer.byteLength(formatLockFile([first])) - Buffer.byteLength(formatLockFile([]));
  const lines = Array.from({ length: Math.floor((MAX_LOCK_BYTES / size) * 0.98) }, (_, index) => ({
    ...first,
    logIndex: BigInt(index) + 1_000_000n,
  }));
  const bytes = Buffer.from(formatLockFile(lines));
  expect(bytes.length).toBeGreaterThan(MAX_LOCK_BYTES * 0.95);
  // The processor's time: other work on the machine is not the file's.
  const before = process.cpuUsage();
  expect(parse(bytes).tags.get(ALPINE)).toHaveLength(lines.length);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(3_000);
});
