// SPDX-License-Identifier: Apache-2.0
// Tables of a format's keys in pages, out of its JSON Schema.
import type { JsonSchema } from "./json-schema.ts";

/** The page with new tables between `<!-- made: NAME -->` and `<!-- end -->`. */
export function replaceTables(page: string, table: (name: string) => string): string {
  return page.replace(
    /(<!-- made: ([a-z-]+) -->\n)[^]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => `${begin}\n${table(name)}\n${end}`,
  );
}

/** The table of the keys of a mapping. Throws TypeError when the schema has none. */
export function keyTable(schema: JsonSchema | undefined): string {
  if (schema?.properties === undefined) throw new TypeError("make a table: the schema has no such mapping");
  const rows = Object.entries(schema.properties).map(
    ([key, each]) => `| \`${key}\` | ${cell(valueOf(each))} | ${cell(each.description ?? "")} |`,
  );
  return ["| key | value | what it says |", "|---|---|---|", ...rows, ""].join("\n");
}

function valueOf(schema: JsonSchema): string {
  const { type, enum: choices, items, anyOf, minimum, maximum } = schema;
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(", ");
  if (anyOf !== undefined) return anyOf.map(valueOf).join(", or ");
  switch (type) {
    case "array":
      return items?.type === "object" ? "list of mappings" : `list of ${items ? valueOf(items) : "anything"}`;
    case "object":
      return "mapping";
    case "integer":
      return `number from ${minimum ?? 0} to ${maximum ?? "any"}`;
    case "boolean":
      return "`true`, `false`";
    default:
      return "text";
  }
}

/** Text fit for a cell of a table. */
export function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
