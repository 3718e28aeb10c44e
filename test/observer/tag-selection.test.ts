// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import {
  needsListing,
  readTagChoice,
  selectTags,
  TagSelectionError,
} from "../../src/observer/tag-selection.ts";
import { compareVersions, tagVersion, versionKey } from "../../src/observer/version.ts";

type Written = Parameters<typeof readTagChoice>[0];

async function* pagesOf(...pages: readonly (readonly string[])[]): AsyncIterable<readonly string[]> {
  yield* pages;
}

async function selected(written: Written, ...tags: readonly string[]): Promise<readonly string[]> {
  return (await selectTags(readTagChoice(written), pagesOf(tags))).tags;
}

describe("versions", () => {
  test("in one order, the oldest first", () => {
    const order = [
      "3.9",
      "3.14.99",
      "3.16.0-dev",
      "3.16.0-alpha",
      "v3.16.0-alpha.2",
      "3.16.0a3",
      "3.16.0-beta1",
      "3.16.0-pre1",
      "3.16.0_rc1",
      "3.16.0-RC.2-alpine",
      "3.16.0rc10",
      "3.16.0",
      "3.16.0-1",
      "3.16.0-12.5",
      "3.16.0.1",
      "v3.17-bookworm",
      "22.04",
      "22.10",
      `1${"0".repeat(60)}`,
    ];
    const sorted = order.toReversed().toSorted((one, other) => {
      const [a, b] = [tagVersion(one), tagVersion(other)];
      return a && b ? compareVersions(a, b) : NaN;
    });
    expect(sorted).toEqual(order);
  });

  test.for<[one: string, other: string]>([
    ["3", "3.0.0"],
    ["v1.2.3", "1.2.3-alpine3.19"],
    ["1.2.3-bookworm", "1.2.3-slim-bookworm"],
    ["22.4", "22.04"],
    ["17beta1-alpine", "17-beta.1"],
  ])("%s is the same version as %s", ([one, other]) => {
    const [a, b] = [tagVersion(one), tagVersion(other)];
    if (a === undefined || b === undefined) throw new Error("no version");
    expect(compareVersions(a, b)).toBe(0);
    expect(versionKey(a)).toBe(versionKey(b));
  });

  test.for(["latest", "bookworm-20240701", "version1", "1.2.3.4.5", "-1"])("%s begins with none", (tag) => {
    expect(tagVersion(tag)).toBeUndefined();
  });

  test("a word that only begins like a prerelease is a variant", () => {
    expect(tagVersion("1.2-alpine")).toEqual(tagVersion("1.2"));
    expect(tagVersion("1.2-b")).toEqual(tagVersion("1.2"));
    expect(tagVersion("1.2-rcu")).toEqual(tagVersion("1.2"));
  });
});

describe("tags that are written out", () => {
  const never: AsyncIterable<readonly string[]> = {
    [Symbol.asyncIterator]() {
      throw new Error("listed");
    },
  };

  test("need no listing", async () => {
    const choice = readTagChoice({ tags: ["latest", "3.16.0", "latest"] });
    expect(needsListing(choice)).toBe(false);
    expect(await selectTags(choice, never)).toEqual({ tags: ["latest", "3.16.0"], listed: 0, notTags: 0 });
  });

  test("are watched whatever else chooses, and once", async () => {
    const written = { tags: ["latest", "3.1", "3.*"], newest: 1, "newer-than": "3.2" };
    expect(needsListing(readTagChoice(written))).toBe(true);
    expect(await selected(written, "latest", "3.1", "3.3", "3.4")).toEqual(["latest", "3.1", "3.4"]);
  });
});

describe("tags that patterns match", () => {
  test("all of them, when nothing is said", async () => {
    expect(await selected({}, "latest", "1", "1")).toEqual(["latest", "1"]);
  });

  test("by wildcards over the whole tag", async () => {
    const tags = ["3.1", "3.10", "13.1", "3.1-rc1", "3"];
    expect(await selected({ tags: ["3.*"] }, ...tags)).toEqual(["3.1", "3.10", "3.1-rc1"]);
    expect(await selected({ tags: ["3.?"] }, ...tags)).toEqual(["3.1"]);
    expect(await selected({ tags: ["3.*"], except: ["*-rc*"] }, ...tags)).toEqual(["3.1", "3.10"]);
  });

  test("newer than a version: neither it nor what has none", async () => {
    const tags = ["latest", "3.13.9", "3.14", "3.14.0", "3.14.1", "3.15-rc1", "3"];
    expect(await selected({ "newer-than": "3.14" }, ...tags)).toEqual(["3.14.1", "3.15-rc1"]);
  });

  test("the newest versions, in all variants, those of each length apart", async () => {
    const tags = [
      "latest",
      "3.19.0",
      "3.20.1-slim",
      "3.18.0",
      "3.20.1",
      "3.20.0",
      "3.19",
      "3.20",
      "3.18",
      "20240329",
      "3",
      "20240101",
      "3.20.1",
    ];
    expect(await selected({ newest: 2 }, ...tags)).toEqual([
      "3.20.1",
      "3.20.1-slim",
      "3.20.0",
      "3.20",
      "3.19",
      "20240329",
      "20240101",
    ]);
  });

  test("the newest of those that are left by the rest", async () => {
    const written = { tags: ["3.*"], except: ["*-rc*"], "newer-than": "3.14", newest: 2 };
    expect(await selected(written, "3.13", "3.15", "3.17-rc1", "3.14", "3.16", "4.0")).toEqual([
      "3.16",
      "3.15",
    ]);
  });
});

describe("what a registry lists", () => {
  test("names that cannot be tags are dropped and counted", async () => {
    const names = ["ok", "a b", "", "-x", "x".repeat(129), "a/b", "ü", "x\u001b[2J"];
    expect(await selectTags(readTagChoice({}), pagesOf(names))).toEqual({
      tags: ["ok"],
      listed: 8,
      notTags: 7,
    });
  });

  test.for([
    ["ascending", (index: number) => index],
    ["descending", (index: number) => 99_999 - index],
    ["shuffled", (index: number) => (index * 7_919) % 100_000],
  ] as const)("100,000 versions, %s: the newest", async ([, at]) => {
    async function* many() {
      for (let page = 0; page < 100; page++)
        yield Array.from({ length: 1_000 }, (_, index) => `1.${at(page * 1_000 + index)}.0`);
    }
    const { tags, listed } = await selectTags(readTagChoice({ newest: 3 }), many());
    expect(tags).toEqual(["1.99999.0", "1.99998.0", "1.99997.0"]);
    expect(listed).toBe(100_000);
  });

  test("a list without an end is an error, and so is a choice that is too large", async () => {
    const endless = (name: (page: number, index: number) => string) =>
      (async function* pages() {
        for (let page = 0; ; page++) yield Array.from({ length: 10_000 }, (_, index) => name(page, index));
      })();
    await expect(
      selectTags(
        readTagChoice({}),
        endless(() => "a"),
      ),
    ).rejects.toThrow(
      new TagSelectionError(
        "its list has more than 1000000 tags; name the tags to watch one by one, without patterns",
      ),
    );
    const tooMany =
      'more than 100000 of its tags are to be watched; choose fewer with "tags", "newer-than", "newest" or "except"';
    await expect(
      selectTags(
        readTagChoice({}),
        endless((page, index) => `t${page}-${index}`),
      ),
    ).rejects.toThrow(tooMany);
    await expect(
      selectTags(
        readTagChoice({ newest: 1 }),
        endless((page, index) => `1.0-v${page}-${index}`),
      ),
    ).rejects.toThrow(tooMany);
  });
});
