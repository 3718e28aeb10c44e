// SPDX-License-Identifier: Apache-2.0
// Writes docs/observer.schema.json and docs/observer-event.schema.json, and into docs/observer.md the tables that are made
// from the schemas.
import { readFileSync, writeFileSync } from "node:fs";
import { CONFIGURATION_SCHEMA } from "../src/observer/configuration-schema.ts";
import { EVENT_SCHEMA } from "../src/observer/event.ts";
import { type JsonSchema, jsonSchema } from "./json-schema.ts";
import { cell, keyTable, replaceTables } from "./key-table.ts";

const PLACE = "https://raw.githubusercontent.com/tlog-dockerfile/tlog-dockerfile/main/docs";

/** The texts of the schemas, by the names of their files in docs/. */
export function observerSchemaFiles(): Readonly<Record<string, string>> {
  const file = (
    name: string,
    { title, description, schema }: { title: string; description: string; schema: JsonSchema },
  ) => {
    const content = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: `${PLACE}/${name}`,
      title,
      description,
      ...schema,
    };
    return [name, `${JSON.stringify(content, undefined, 2)}\n`] as const;
  };
  return Object.fromEntries([
    file("observer.schema.json", {
      title: "Configuration of tlog-dockerfile's observer",
      description: "tlog-observer.yaml, or the file that --config names",
      schema: jsonSchema(CONFIGURATION_SCHEMA),
    }),
    file("observer-event.schema.json", {
      title: "Event of tlog-dockerfile's observer",
      description: "one line of `observe --json`, and the body of one request to the webhook",
      schema: jsonSchema(EVENT_SCHEMA),
    }),
  ]);
}

/** The page with its tables made anew. */
export function withObserverTables(page: string): string {
  return replaceTables(page, table);
}

function table(name: string): string {
  const { properties = {} } = jsonSchema(CONFIGURATION_SCHEMA);
  switch (name) {
    case "keys":
      return keyTable({ properties });
    case "events":
      return eventTable();
    case "signing":
      return keyTable(properties["signing"]);
    case "watch":
      return keyTable(properties["watch"]?.items);
    case "registries":
      return keyTable(properties["registries"]?.items);
    case "approvals":
      return keyTable(properties["approvals"]);
    default:
      throw new TypeError(`make a table: there is none with the name "${name}"`);
  }
}

function eventTable(): string {
  const rows = (jsonSchema(EVENT_SCHEMA).anyOf ?? []).map(
    ({ properties = {}, required = [], description = "" }) => {
      const members = Object.keys(properties)
        .filter((member) => !["event", "time"].includes(member))
        .map((member) => (required.includes(member) ? `\`${member}\`` : `\`${member}\`?`));
      return `| \`${properties["event"]?.const ?? ""}\` | ${cell(description)} | ${members.join(", ")} |`;
    },
  );
  return [
    "| event | what happened | members besides `event` and `time` |",
    "|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const docs = new URL("../docs/", import.meta.url);
  const page = new URL("observer.md", docs);
  writeFileSync(page, withObserverTables(readFileSync(page, "utf8")));
  for (const [name, text] of Object.entries(observerSchemaFiles())) writeFileSync(new URL(name, docs), text);
}
