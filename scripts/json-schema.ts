// SPDX-License-Identifier: Apache-2.0
// JSON Schema out of the valibot schemas of formats that we publish.
import * as v from "valibot";

/** The part of JSON Schema (2020-12) that our formats need. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly const?: string | number;
  readonly enum?: readonly (string | number)[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

type Node = v.GenericSchema;

/** The JSON Schema that takes what this schema takes. Throws TypeError for a kind of schema that it does not know. */
export function jsonSchema(schema: Node): JsonSchema {
  const description = v.getDescription(schema);
  return { ...(description !== undefined && { description }), ...kind(schema), ...limits(schema) };
}

function kind(node: Node): JsonSchema {
  if (isKind(node, "strict_object")) return objectSchema(node.entries);
  if (isKind(node, "array")) return { type: "array", items: jsonSchema(node.item) };
  if (isKind(node, "union")) return { anyOf: node.options.map(jsonSchema) };
  if (isKind(node, "picklist")) return { enum: node.options };
  if (isKind(node, "literal")) return { const: node.literal };
  switch (node.type) {
    case "string":
    case "boolean":
      return { type: node.type };
    case "number":
      return { type: "integer" };
    default:
      throw new TypeError(`make a JSON Schema: nobody has said what "${node.type}" is there`);
  }
}

function objectSchema(entries: Readonly<Record<string, Node>>): JsonSchema {
  const properties = Object.entries(entries).map(([key, entry]) => {
    const inner = isKind(entry, "optional") ? entry.wrapped : entry;
    return [key, jsonSchema(inner)] as const;
  });
  const required = Object.entries(entries).flatMap(([key, entry]) => (isKind(entry, "optional") ? [] : key));
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

const LIMITS = {
  min_length: "minItems",
  max_length: "maxItems",
  min_value: "minimum",
  max_value: "maximum",
} as const satisfies Readonly<Record<string, keyof JsonSchema>>;

/** What a pipe demands besides the kind. */
function limits(node: Node): JsonSchema {
  if (!("pipe" in node) || !Array.isArray(node.pipe)) return {};
  const actions = node.pipe as readonly { readonly type: string; readonly requirement?: unknown }[];
  return Object.fromEntries(
    actions.flatMap(({ type, requirement }) =>
      type in LIMITS ? [[LIMITS[type as keyof typeof LIMITS], requirement]] : [],
    ),
  );
}

/** What tells the kinds apart that have something inside. */
interface Kinds {
  readonly strict_object: { readonly entries: Readonly<Record<string, Node>> };
  readonly array: { readonly item: Node };
  readonly union: { readonly options: readonly Node[] };
  readonly picklist: { readonly options: readonly (string | number)[] };
  readonly literal: { readonly literal: string | number };
  readonly optional: { readonly wrapped: Node };
}

function isKind<K extends keyof Kinds>(node: Node, name: K): node is Node & Kinds[K] {
  return node.type === name;
}
