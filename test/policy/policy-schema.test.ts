// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as v from "valibot";
import { type JsonSchema, jsonSchema } from "../../scripts/json-schema.ts";
import { policySchemaFile, withTables } from "../../scripts/policy-docs.ts";
import { KNOWN_ARGS } from "../../src/policy/build-args.ts";
import { ALLOWED_KEYS, POLICY_SCHEMA } from "../../src/policy/policy-schema.ts";
import { matches, parsePattern } from "../../src/policy/pattern.ts";
import { parseReference } from "../../src/image/reference.ts";

const PAGE = readFileSync("docs/policy.md", "utf8");
const SCHEMA = jsonSchema(POLICY_SCHEMA);

describe("what is published is what the program reads; `node scripts/policy-docs.ts` makes it anew", () => {
  test("the JSON Schema", () => {
    expect(JSON.parse(readFileSync("docs/policy.schema.json", "utf8"))).toEqual(
      JSON.parse(policySchemaFile()),
    );
  });

  test("the tables of the reference", () => {
    expect(PAGE).toBe(withTables(PAGE));
    expect([...PAGE.matchAll(/<!-- made: (\S+) -->/g)].map(([, name]) => name)).toEqual([
      "keys",
      "logs",
      "signing",
      "trust",
      "rules",
      "ledgers",
      "registries",
      "classes",
      "floor",
    ]);
  });

  test.for([...KNOWN_ARGS])("the reference has the argument %s", (name) => {
    expect(PAGE).toMatch(new RegExp(`\`[^\`]*${name}\\b`));
  });

  test("the patterns of the reference match what it says", () => {
    const rows = [...PAGE.matchAll(/^\| `([^`]+)` \| (.*) \| (.*) \|$/gm)].flatMap(
      ([, text = "", yes = "", no = ""]) => {
        const images = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, image]) => image ?? "");
        return /^`[a-z].*[:/]/.test(yes) && !yes.includes("`true`")
          ? [{ pattern: parsePattern(text), yes: images(yes), no: images(no) }]
          : [];
      },
    );
    expect(rows.length).toBeGreaterThanOrEqual(4);
    for (const { pattern, yes, no } of rows) {
      for (const image of yes)
        expect([pattern.text, image, matches(pattern, parseReference(image))]).toEqual([
          pattern.text,
          image,
          true,
        ]);
      for (const image of no)
        expect([pattern.text, image, matches(pattern, parseReference(image))]).toEqual([
          pattern.text,
          image,
          false,
        ]);
    }
  });
});

describe("the JSON Schema", () => {
  /** The mapping at a path of the file, with `*` for a place in a list. */
  function mappingAt(path: string): JsonSchema | undefined {
    let schema: JsonSchema | undefined = SCHEMA;
    for (const part of path.split(".").filter((each) => each !== "")) {
      schema = part === "*" ? schema?.items : schema?.properties?.[part];
      schema = schema?.anyOf?.find(({ type }) => type === "object") ?? schema;
    }
    return schema;
  }

  test.for([...ALLOWED_KEYS])('has the keys of "%s" that the errors name, and no others', ([path, keys]) => {
    expect(Object.keys(mappingAt(path)?.properties ?? {})).toEqual(keys);
    expect(mappingAt(path)?.additionalProperties).toBe(false);
  });

  test("describes every key", () => {
    const bare: string[] = [];
    const visit = (schema: JsonSchema, path: string): void => {
      if (schema.description === undefined && path !== "") bare.push(path);
      for (const [key, each] of Object.entries(schema.properties ?? {})) visit(each, `${path}.${key}`);
      if (schema.items !== undefined) visit(schema.items, `${path}[]`);
    };
    visit(SCHEMA, "");
    expect(bare).toEqual([]);
  });

  test("wants the keys without which nothing is said", () => {
    expect([SCHEMA.required, mappingAt("rules.*")?.required, mappingAt("registries.*")?.required]).toEqual([
      ["version"],
      ["match"],
      ["host"],
    ]);
  });

  test("is made of nothing that it does not know", () => {
    expect(() => jsonSchema(v.date())).toThrow('nobody has said what "date" is there');
  });
});
