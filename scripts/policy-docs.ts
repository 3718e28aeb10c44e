// SPDX-License-Identifier: Apache-2.0
// Writes docs/policy.schema.json, and into docs/policy.md the tables that are made from the schema.
import { readFileSync, writeFileSync } from "node:fs";
import type { Key } from "../src/policy/key.ts";
import { KEYS } from "../src/policy/keys.ts";
import { POLICY_SCHEMA } from "../src/policy/policy-schema.ts";
import { PART_KEYS } from "../src/policy/rule.ts";
import { TAG_CLASSES } from "../src/policy/tag-classes.ts";
import { type JsonSchema, jsonSchema } from "./json-schema.ts";
import { cell, keyTable, replaceTables } from "./key-table.ts";

/** The text of docs/policy.schema.json. */
export function policySchemaFile(): string {
  const schema: JsonSchema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://raw.githubusercontent.com/tlog-dockerfile/tlog-dockerfile/main/docs/policy.schema.json",
    title: "Policy of tlog-dockerfile",
    description: "policy.yaml in the frontend image, or tlog.policy.yaml beside a Dockerfile",
    ...jsonSchema(POLICY_SCHEMA),
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

/** The page with its tables made anew. */
export function withTables(page: string): string {
  return replaceTables(page, table);
}

function table(name: string): string {
  const schema = jsonSchema(POLICY_SCHEMA);
  switch (name) {
    case "keys":
      return keyTable(schema);
    case "logs":
      return keyTable(schema.properties?.["logs"]?.items);
    case "signing":
      return keyTable(schema.properties?.["signing"]);
    case "trust":
      return keyTable(schema.properties?.["trust"]?.items);
    case "ledgers":
      return keyTable(schema.properties?.["ledgers"]?.items);
    case "rules":
      return keyTable(schema.properties?.["rules"]?.items);
    case "registries":
      return keyTable(schema.properties?.["registries"]?.items);
    case "classes":
      return classTable();
    case "floor":
      return floorTable();
    default:
      throw new TypeError(`make a table: there is none with the name "${name}"`);
  }
}

/** Keys whose build arguments are read together with others, and so are not in the table of keys. */
const ARGUED = ["logs", "trust", "unseen", "unknown"];

/** Who may say what, as the table of keys has it. */
function floorTable(): string {
  const row = (name: string, { floor, arg }: Pick<Key<unknown>, "floor" | "arg">) => {
    const others = arg !== undefined || ARGUED.includes(name) ? "repository, build argument" : "repository";
    const unbound = `baked; where it says nothing: ${others}`;
    const [loosen, tighten] =
      floor === undefined
        ? [`baked, ${others}`, `baked, ${others}`]
        : floor.onlyBaked
          ? ["baked", "baked"]
          : floor.mayTighten
            ? [`baked; without a baked policy: ${others}`, `baked, ${others}`]
            : [unbound, unbound];
    return `| \`${name}\` | ${loosen} | ${tighten} |`;
  };
  const part: Pick<Key<unknown>, "floor"> = {
    floor: { freedBy: "", objection: () => undefined, mayTighten: true },
  };
  return [
    "| key | may be loosened or changed by | may be tightened by |",
    "|---|---|---|",
    ...Object.values(PART_KEYS).map((name) => row(name, part)),
    ...Object.values<Key<unknown>>(KEYS).map((key) => row(key.at.join("."), key)),
    "",
  ].join("\n");
}

function classTable(): string {
  const rows = Object.values(TAG_CLASSES).map(
    ({ name, examples, action, why }) =>
      `| ${name} | ${examples.map((each) => `\`${each}\``).join(", ")} | \`${action}\` | ${cell(why)} |`,
  );
  return ["| shape of the tag | such as | when it moved | because |", "|---|---|---|---|", ...rows, ""].join(
    "\n",
  );
}

if (import.meta.main) {
  const page = new URL("../docs/policy.md", import.meta.url);
  writeFileSync(page, withTables(readFileSync(page, "utf8")));
  writeFileSync(new URL("../docs/policy.schema.json", import.meta.url), policySchemaFile());
}
