// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { escaped, markup, safeJson, shellArgument, webUrl } from "../../src/site/markup.ts";
import { HOSTILE } from "./hostile.ts";
import { parseXml } from "./xml.ts";

/** A text as a reader sees it: what XML does not allow, and what turns writing round, is U+FFFD. */
const shown = (text: string) =>
  text.toWellFormed().replace(/[^\P{Cc}\t\n\r]|[\u202e\u2066\ufffe\uffff]/gu, "\ufffd");

describe.for(HOSTILE)("a stranger's text: %j", (text) => {
  test("is text in an element, and nothing else", () => {
    const element = parseXml(markup`<p>${text}</p>`.text);
    expect(element).toEqual({ name: "p", attributes: {}, children: [], text: shown(text) });
  });
  test("is the value of its attribute, and nothing else", () => {
    const element = parseXml(markup`<p title="${text}" id="a"></p>`.text);
    expect(element).toEqual({
      name: "p",
      attributes: { title: shown(text), id: "a" },
      children: [],
      text: "",
    });
  });
  test("has no character that means anything in markup once it is escaped", () => {
    expect(escaped(text)).not.toMatch(/[<>"'`]|&(?!(?:amp|lt|gt|#34|#39|#96);)/);
  });
  test("is the same text in JSON, which has nothing that is markup", () => {
    const json = safeJson({ [text]: text });
    expect(JSON.parse(json)).toEqual({ [text]: text });
    expect(json).not.toMatch(/[<>&\u2028\u2029\u202e\u2066]/);
  });
  test("is no link, because it is no address of the web", () => {
    expect(webUrl(text)).toBeUndefined();
  });
});

// No argument of a program can hold the others.
test.for(HOSTILE.filter((text) => !text.includes("\0") && text.isWellFormed()))(
  "%j is one argument in a shell",
  (text) => {
    const printed = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${shellArgument(text)} end`]).toString();
    expect(printed).toBe(`${text}\0end\0`);
  },
);

test("markup in markup is not escaped again, and lists are joined", () => {
  const items = ["<a>", "b"].map((each) => markup`<li>${each}</li>`);
  expect(markup`<ul>${items}</ul>${undefined}${3}${4n}`.text).toBe("<ul><li>&lt;a&gt;</li><li>b</li></ul>34");
});

test("an option is not taken for a text", () => {
  expect(shellArgument("--rm")).toBe("'--rm'");
  expect(shellArgument("docker.io/library/alpine:3.16.0")).toBe("docker.io/library/alpine:3.16.0");
});

test("addresses of the web are links in their one spelling", () => {
  expect(webUrl("HTTPS://rekor.example.org")).toBe("https://rekor.example.org/");
});
