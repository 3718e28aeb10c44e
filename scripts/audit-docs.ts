// SPDX-License-Identifier: Apache-2.0
// Writes docs/audit.schema.json and docs/audit-result.schema.json, and into docs/audit.md the tables that are made from the
// schemas.
import { readFileSync, writeFileSync } from "node:fs";
import { CONFIGURATION_SCHEMA } from "../src/audit/configuration-schema.ts";
import { AUDIT_SCHEMA, KINDS } from "../src/audit/finding.ts";
import { jsonSchema } from "./json-schema.ts";
import { cell, keyTable, replaceTables } from "./key-table.ts";

const PLACE = "https://raw.githubusercontent.com/tlog-dockerfile/tlog-dockerfile/main/docs";

/** The texts of the schemas, by the names of their files in docs/. */
export function auditSchemaFiles(): Readonly<Record<string, string>> {
  const file = (name: string, content: object) => {
    const head = { $schema: "https://json-schema.org/draft/2020-12/schema", $id: `${PLACE}/${name}` };
    return [name, `${JSON.stringify({ ...head, ...content }, undefined, 2)}\n`] as const;
  };
  return Object.fromEntries([
    file("audit.schema.json", {
      title: "Configuration of tlog-dockerfile's audit",
      description: "tlog-audit.yaml, or the file that --config names",
      ...jsonSchema(CONFIGURATION_SCHEMA),
    }),
    file("audit-result.schema.json", {
      title: "Result of tlog-dockerfile's audit",
      description: "what `audit --json` writes: one object",
      ...jsonSchema(AUDIT_SCHEMA),
    }),
  ]);
}

/** The page with its tables made anew. */
export function withAuditTables(page: string): string {
  return replaceTables(page, table);
}

function table(name: string): string {
  const { properties = {} } = jsonSchema(CONFIGURATION_SCHEMA);
  switch (name) {
    case "keys":
      return keyTable({ properties });
    case "logs":
      return keyTable(properties["logs"]?.items);
    case "signers":
      return keyTable(properties["signers"]?.items);
    case "ledgers":
      return keyTable(properties["ledgers"]?.items);
    case "findings":
      return [
        "| finding | level | what was found |",
        "|---|---|---|",
        ...Object.entries(KINDS).map(
          ([kind, { level, says }]) => `| \`${kind}\` | ${level} | ${cell(says)} |`,
        ),
        "",
      ].join("\n");
    default:
      throw new TypeError(`make a table: there is none with the name "${name}"`);
  }
}

if (import.meta.main) {
  const docs = new URL("../docs/", import.meta.url);
  const page = new URL("audit.md", docs);
  writeFileSync(page, withAuditTables(readFileSync(page, "utf8")));
  for (const [name, text] of Object.entries(auditSchemaFiles())) writeFileSync(new URL(name, docs), text);
}
