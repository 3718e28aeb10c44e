// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { PolicyError } from "../../src/policy/policy-error.ts";
import { MAX_POLICY_BYTES } from "../../src/policy/name.ts";
import { readYamlFile } from "../../src/policy/yaml-file.ts";

const POLICY = { noun: "a policy", begins: 'a policy begins with "version: 1"' };

function refusal(text: string): PolicyError {
  try {
    readYamlFile(text, "policy.yaml", POLICY);
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  throw new Error("not refused");
}

test.for([
  { row: "an empty file", text: "", says: /^policy\.yaml: it is empty; a policy begins with "version: 1"/ },
  { row: "blanks alone", text: "\ufeff \n\n", says: /^policy\.yaml: it is empty/ },
  { row: "comments alone", text: "# soon\n", says: /^policy\.yaml: it is not a mapping/ },
  { row: "a list", text: "- version: 1\n", says: /^policy\.yaml: it is not a mapping of keys to values/ },
  { row: "a word", text: "version\n", says: /^policy\.yaml: it is not a mapping/ },
  {
    row: "a tab for indentation",
    text: "version: 1\nlog:\n\turl: x\n",
    says: /^policy\.yaml:3:1: Tabs are not allowed/,
  },
  { row: "a brace that is not closed", text: "log: { url: x\n", says: /^policy\.yaml:2:1: Flow map/ },
  { row: "lines that step out too far", text: "a:\n  b: 1\n c: 2\n", says: /^policy\.yaml:3:1: / },
  {
    row: "two documents",
    text: "version: 1\n---\nversion: 1\n",
    says: /^policy\.yaml:2:1: a second document begins here; a policy is one$/,
  },
  {
    row: "a text after the document's end",
    text: "version: 1\n...\nlog: 1\n",
    says: /^policy\.yaml:3:1: a second document/,
  },
  {
    row: "another version of YAML",
    text: "%YAML 1.1\n---\nversion: 1\n",
    says: /^policy\.yaml:1: a policy is plain YAML 1\.2 without "%" directives$/,
  },
  {
    row: "a tag's definition",
    text: "# x\n%TAG ! tag:example.org,2000:\n---\na: !b 1\n",
    says: /^policy\.yaml:2: .*directives/,
  },
  { row: "an anchor at a value", text: "a: &x 1\n", says: /^policy\.yaml:1: the anchor "&x" is not allowed/ },
  {
    row: "an anchor at a mapping",
    text: "a: 1\nlog: &x { url: y }\n",
    says: /^policy\.yaml:2: the anchor "&x" is not allowed/,
  },
  { row: "an anchor at a key", text: "&x a: 1\n", says: /the anchor "&x" is not allowed/ },
  { row: "an alias of nothing", text: "a: *nope\n", says: /the alias "\*nope" is not allowed/ },
  {
    row: "a tag of YAML's own",
    text: "version: !!int '1'\n",
    says: /^policy\.yaml:1: the tag ".*int" is not allowed/,
  },
  { row: "a tag at a mapping", text: "log: !!map { url: x }\n", says: /the tag ".*map" is not allowed/ },
  { row: "a tag of somebody", text: "a: !secret x\n", says: /the tag "!secret" is not allowed/ },
  {
    row: "a merge key",
    text: "a: 1\n<<: { b: 1 }\n",
    says: /^policy\.yaml:2: the merge key "<<" is not allowed/,
  },
  {
    row: "a key given twice",
    text: "version: 1\nlog: 1\nversion: 1\n",
    says: /^policy\.yaml:3: the key "version" is there twice$/,
  },
  {
    row: "a key given twice further in",
    text: "a:\n  - b: 1\n    b: 2\n",
    says: /^policy\.yaml:3: the key "b" is there twice$/,
  },
  { row: "a number as key", text: "1: a\n", says: /^policy\.yaml:1: a key must be text$/ },
  { row: "a list as key", text: "? [a]\n: b\n", says: /a key must be text/ },
  { row: "nothing as key", text: ": b\n", says: /a key must be text/ },
])("refuses $row", ({ text, says }) => {
  const error = refusal(text);
  expect(error.message).toMatch(says);
  expect(error.code).toBe("syntax");
});

test("an alias cannot multiply a file", () => {
  const lines = Array.from(
    { length: 30 },
    (_, index) => `a${index + 1}: &a${index + 1} [*a${index}, *a${index}]`,
  );
  expect(refusal(`a0: &a0 x\n${lines.join("\n")}\n`).message).toContain(
    'is not allowed; a text that begins with "*" needs quotes',
  );
});

test("a file of the largest size is read, and one byte more is refused before it is parsed", () => {
  const head = "version: 1\n#";
  const largest = head + "x".repeat(MAX_POLICY_BYTES - head.length);
  expect(readYamlFile(largest, "policy.yaml", POLICY).value).toEqual({ version: 1 });
  const error = refusal(`${largest}\u00e9`.replace("xx", "x"));
  expect(error).toMatchObject({ code: "too-large", message: "policy.yaml: it is larger than 64 KiB" });
});

const DEEP = /^policy\.yaml:1:\d+: it is nested too deeply$/;

test.for([
  { unit: "[", says: DEEP },
  { unit: "{", says: DEEP },
  { unit: "{a: ", says: DEEP },
  { unit: "- - - ", says: DEEP },
  { unit: "? ? ? ", says: DEEP },
  { unit: "a: a: a: ", says: DEEP },
  { unit: "&a &a &a ", says: /A node can have at most one anchor/ },
  { unit: "!a ", says: /A node can have at most one tag/ },
  { unit: "*a ", says: /Unexpected alias/ },
  { unit: "]", says: /Unexpected flow-seq-end/ },
  { unit: "[]", says: /Unexpected flow-seq-start/ },
  { unit: '"', says: /Unexpected double-quoted-scalar/ },
  { unit: "a:\n\t", says: /Tabs are not allowed/ },
  { unit: "?\n", says: /a key must be text/ },
])("64 KiB of $unit are refused, and soon", ({ unit, says }) => {
  const started = performance.now();
  const { message } = refusal(unit.repeat(MAX_POLICY_BYTES / unit.length));
  // Some 0.2 seconds where nothing else runs.
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(message).toMatch(says);
  expect(message.split("\n").length).toBeLessThanOrEqual(11);
});

test("many keys take no quadratic time", () => {
  const started = performance.now();
  readYamlFile(Array.from({ length: 7_000 }, (_, index) => `k${index}: 1`).join("\n"), "policy.yaml", POLICY);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("what follows has its stacks again", () => {
  refusal("a: [");
  expect(Error.stackTraceLimit).toBeGreaterThan(0);
});
