// SPDX-License-Identifier: Apache-2.0
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type YAMLMap,
} from "yaml";
import { excerpt } from "../log/excerpt.ts";
import { MAX_POLICY_BYTES } from "./name.ts";
import { PolicyError, type PolicyProblem, throwProblems } from "./policy-error.ts";

/** A YAML file that is one plain mapping: no anchors, tags, merge keys, directives or keys given twice. */
export interface YamlFile {
  readonly root: YAMLMap;
  /** The whole content as plain values. */
  readonly value: unknown;
  /** The line of a node, from 1. */
  readonly lineOf: (node: unknown) => number;
}

/** More problems than are ever shown. */
const ENOUGH = 100;

/** What a file is for, in the words of messages. */
export interface FileKind {
  /** `a policy` */
  readonly noun: string;
  /** `a policy begins with "version: 1"` */
  readonly begins: string;
}

/** Reads a YAML file of at most 64 KiB. `name` is for messages. Throws PolicyError (`too-large`, `syntax`). */
export function readYamlFile(text: string, name: string, { noun, begins }: FileKind): YamlFile {
  const problem = (why: string, line?: number, column?: number): PolicyProblem => ({
    code: "syntax",
    place: [name, line, column].filter((each) => each !== undefined).join(":"),
    ...(line !== undefined && { line }),
    text: why,
  });
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES)
    throw new PolicyError({
      ...problem(`it is larger than ${MAX_POLICY_BYTES / 1024} KiB`),
      code: "too-large",
    });
  if (/^[\ufeff\s]*$/.test(text)) {
    throw new PolicyError(
      problem(`it is empty; ${begins}, and to have ${noun.replace(/^an? /, "no ")} is to have no file`),
    );
  }
  const directive = text.split("\n", ENOUGH).findIndex((line) => line.startsWith("%"));
  if (directive >= 0)
    throw new PolicyError(problem(`${noun} is plain YAML 1.2 without "%" directives`, directive + 1));

  const lineCounter = new LineCounter();
  const document = withoutStacks(() =>
    parseDocument(text, {
      version: "1.2",
      schema: "core",
      // They are looked for below: the parser's own way takes quadratic time.
      uniqueKeys: false,
      merge: false,
      prettyErrors: false,
      lineCounter,
    }),
  );
  const exhausted = document.errors.find(({ code }) => code === "RESOURCE_EXHAUSTION");
  const errors = (exhausted ? [exhausted] : document.errors.slice(0, ENOUGH)).map(
    ({ pos, code, message }) => {
      const { line, col } = lineCounter.linePos(pos[0]);
      return problem(PARSER_WORDS.get(code)?.(noun) ?? excerpt(message, 160), line, col);
    },
  );
  // The parser may report the same twice.
  throwProblems([...new Map(errors.map((each) => [`${each.place}:${each.text}`, each])).values()]);
  const lineOf = (node: unknown) => lineCounter.linePos((isNode(node) && node.range?.[0]) || 0).line;
  const fancy = fancyParts(document).map(({ node, text: why }) => ({ line: lineOf(node), why }));
  throwProblems(
    fancy.toSorted((one, other) => one.line - other.line).map(({ line, why }) => problem(why, line)),
  );
  const root = document.contents;
  if (!isMap(root)) throw new PolicyError(problem(`it is not a mapping of keys to values; ${begins}`));
  return { root, value: document.toJS({ maxAliasCount: 0 }), lineOf };
}

/** The parser makes an error for each mistake, and most of the time that takes is for their stacks, which nobody reads. */
function withoutStacks<T>(parse: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parse();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const PARSER_WORDS: ReadonlyMap<string, (noun: string) => string> = new Map([
  ["RESOURCE_EXHAUSTION", () => "it is nested too deeply"],
  ["MULTIPLE_DOCS", (noun: string) => `a second document begins here; ${noun} is one`],
]);

/** YAML features that no such file needs, each of which could make a file mean something else than it seems to. */
function fancyParts(document: Document.Parsed): { node: unknown; text: string }[] {
  const found: { node: unknown; text: string }[] = [];
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) {
        found.push({
          node,
          text: `the alias "*${excerpt(node.source)}" is not allowed; a text that begins with "*" needs quotes`,
        });
      } else if (node.anchor) {
        found.push({ node, text: `the anchor "&${excerpt(node.anchor)}" is not allowed; repeat the value` });
      }
      if (node.tag) found.push({ node, text: `the tag "${excerpt(node.tag)}" is not allowed; leave it out` });
      if (isMap(node)) found.push(...fancyKeys(node));
      return found.length < ENOUGH ? undefined : visit.BREAK;
    },
  });
  return found;
}

function fancyKeys({ items }: YAMLMap): { node: unknown; text: string }[] {
  const names = new Set<string>();
  return items.flatMap(({ key: node }) => {
    const name: unknown = isScalar(node) ? node.value : undefined;
    if (typeof name !== "string") return { node, text: "a key must be text" };
    if (name === "<<") return { node, text: 'the merge key "<<" is not allowed; repeat the values' };
    if (names.has(name)) return { node, text: `the key "${excerpt(name)}" is there twice` };
    names.add(name);
    return [];
  });
}
