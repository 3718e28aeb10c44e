// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { describe, expect, test } from "vitest";
import type { Registry } from "../../src/registry/client.ts";
import { nextPage } from "../../src/registry/tag-page.ts";
import { inTurn, json, localServer, within } from "../courier/local-server.ts";
import { answer, opened } from "./opened.ts";

const path = "/v2/library/alpine/tags/list";

async function pages(registry: Registry, host: string, max = 100_000): Promise<(readonly string[])[]> {
  const repository = { registry: host, repository: "library/alpine" };
  const all: (readonly string[])[] = [];
  for await (const page of registry.tags(repository, { signal: within(10_000), max })) all.push(page);
  return all;
}

/** A page, with a link to another one. */
const page = (tags: readonly string[] | null, next?: string): RequestListener =>
  answer(
    200,
    { "content-type": "application/json", ...(next !== undefined && { link: `<${next}>; rel="next"` }) },
    JSON.stringify({ name: "library/alpine", tags }),
  );

const numbered = (from: number, count: number) => Array.from({ length: count }, (_, i) => `v${from + i}`);

describe("the tags of a repository", () => {
  test("come in the registry's pages", async () => {
    const { host, asked } = await localServer(
      inTurn(
        page(["3.16.0", "3.17"], `${path}?last=3.17&n=1000`),
        page(["edge"], "/v2/library/alpine/tags/list?last=edge"),
        page(["latest"]),
      ),
    );
    expect(await pages(opened().registry, host)).toEqual([["3.16.0", "3.17"], ["edge"], ["latest"]]);
    expect(asked).toEqual([`GET ${path}?n=1000`, `GET ${path}?last=3.17&n=1000`, `GET ${path}?last=edge`]);
  });

  test("come in one page of 50,000", async () => {
    const { host } = await localServer(page(numbered(0, 50_000)));
    const [all = []] = await pages(opened().registry, host);
    expect(all).toHaveLength(50_000);
    expect(all.at(-1)).toBe("v49999");
  });

  test.for([null, []])("are none when it has %j", async (none) => {
    const { host } = await localServer(page(none));
    expect(await pages(opened().registry, host)).toEqual([]);
  });

  test("are exactly as many as are read, and no more are asked for", async () => {
    const { host, asked } = await localServer(page(["a", "b"]));
    expect(await pages(opened().registry, host, 2)).toEqual([["a", "b"]]);
    expect(asked).toHaveLength(1);
  });

  test("are asked for no further when nobody wants the next page", async () => {
    const { host, asked } = await localServer(page(["a"], `${path}?last=a`));
    const repository = { registry: host, repository: "library/alpine" };
    for await (const _ of opened().registry.tags(repository, { signal: within(10_000), max: 10 })) break;
    expect(asked).toHaveLength(1);
  });

  test("come after a page that failed once", async () => {
    const { host } = await localServer(inTurn(page(["a"], `${path}?last=a`), answer(502), page(["b"])));
    expect(await pages(opened().registry, host)).toEqual([["a"], ["b"]]);
  });
});

describe("more tags than are read are an error, after those that are", () => {
  test.for([
    { row: "in one page", answers: [page(["a", "b", "c"])] as const },
    { row: "in another page", answers: [page(["a", "b"], `${path}?last=b`)] as const },
  ])("$row", async ({ answers }) => {
    const { host, asked } = await localServer(inTurn(...answers));
    const got: string[] = [];
    const repository = { registry: host, repository: "library/alpine" };
    const read = async () => {
      const tags = opened().registry.tags(repository, { signal: within(10_000), max: 2 });
      for await (const each of tags) got.push(...each);
    };
    await expect(read()).rejects.toMatchObject({
      code: "too-large",
      message: `GET http://${host}${path}: "${host}/library/alpine" (tags): there are more than 2 tags`,
    });
    expect(got).toEqual(["a", "b"]);
    expect(asked).toHaveLength(1);
  });
});

describe("no tags", () => {
  let made = 0;
  test.for<{ row: string; said: RequestListener; code: string; text: string; max?: number }>([
    {
      row: "of a repository that is not there",
      said: answer(404),
      code: "not-found",
      text: 'has no "HOST/library/alpine" (tags)',
    },
    { row: "that are hidden", said: answer(403), code: "needs-credentials", text: 'log in to "HOST"' },
    { row: "in HTML", said: answer(200, {}, "<p>"), code: "bad-answer", text: "not JSON" },
    { row: "that are a text", said: json({ tags: "a" }), code: "bad-answer", text: '"tags"' },
    { row: "that are numbers", said: json({ tags: [1] }), code: "bad-answer", text: '"tags.0"' },
    { row: "that climb", said: json({ tags: ["../x"] }), code: "bad-answer", text: "is not a tag" },
    {
      row: "of which the next page is the same",
      said: page(["a"], `${path}?n=1000`),
      code: "bad-answer",
      text: "do not come to an end",
    },
    {
      row: "in empty pages without end",
      said: (request, response) => page([], `${path}?last=${made++}`)(request, response),
      max: 10,
      code: "bad-answer",
      text: "do not come to an end",
    },
    {
      row: "in full pages without end",
      said: (request, response) => page(numbered(0, 20_000), `${path}?last=${made++}`)(request, response),
      code: "too-large",
      text: "more than 100000 tags",
    },
    {
      row: "of which the next page is elsewhere",
      said: page(["a"], "https://127.0.0.2/"),
      code: "bad-answer",
      text: "is not on the registry",
    },
    {
      row: "of which the next page is no URL",
      said: page(["a"], "http://["),
      code: "bad-answer",
      text: "is not on the registry",
    },
    {
      row: "in a page that is too large",
      said: answer(200, { "content-length": "100000000" }),
      code: "too-large",
      text: "is larger than",
    },
  ])("$row ($code)", async ({ said, code, text, max }) => {
    const { host } = await localServer(said);
    const done = pages(opened().registry, host, max);
    await expect(done).rejects.toMatchObject({ code });
    await expect(done).rejects.toThrow(text.replace("HOST", host));
  });
});

test.for([
  { header: '</v2/a/tags/list?last=b>; rel="next"', next: "/v2/a/tags/list?last=b" },
  { header: "</a?x=1,2>;rel=next", next: "/a?x=1,2" },
  { header: '</p>; rel="prev", </n>; title=x; REL="last next"', next: "/n" },
  { header: '</p>; rel="prev"', next: undefined },
  { header: "", next: undefined },
  { header: '</n>; rel="nextest"', next: undefined },
])("the link $header leads to $next", ({ header, next }) => {
  expect(nextPage(header)).toBe(next);
});
