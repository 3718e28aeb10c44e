// SPDX-License-Identifier: Apache-2.0

/** A valibot schema, or a step behind one, as far as it is looked at here. */
interface Step {
  readonly type: string;
  readonly pipe?: readonly Step[];
  readonly requirement?: RegExp | number;
  readonly [detail: string]: unknown;
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema (2020-12) of a valibot schema. Objects stay open: what reads a report lets fields through that a
 * later version adds. Throws for a kind that has no translation here.
 */
export function jsonSchema(schema: object): JsonSchema {
  return translated(schema as Step, "");
}

/** `of` is the kind of what a step stands behind. */
function translated({ type, ...step }: Step, of: string): JsonSchema {
  if (step.pipe !== undefined) {
    const [first, ...steps] = step.pipe;
    if (first === undefined) throw new Error("a pipe without a beginning");
    const parts = [jsonSchema(first), ...steps.map((each) => translated(each, first.type))];
    return Object.assign({}, ...parts) as JsonSchema;
  }
  switch (type) {
    case "string":
    case "number":
    case "boolean":
      return { type };
    case "literal":
      return { const: step["literal"] };
    case "picklist":
      return { enum: step["options"] };
    case "array":
      return { type, items: jsonSchema(step["item"] as Step) };
    case "record":
      return { type: "object", additionalProperties: jsonSchema(step["value"] as Step) };
    case "variant":
      return { anyOf: (step["options"] as readonly Step[]).map(jsonSchema) };
    case "strict_tuple": {
      const items = (step["items"] as readonly Step[]).map(jsonSchema);
      return { type: "array", prefixItems: items, minItems: items.length, maxItems: items.length };
    }
    case "optional":
    case "exact_optional":
      return jsonSchema(step["wrapped"] as Step);
    case "object":
    case "strict_object":
      return objectSchema(Object.entries(step["entries"] as Readonly<Record<string, Step>>));
    case "description":
    case "title":
      return { [type]: step[type] };
    case "regex":
      return { pattern: (step.requirement as RegExp).source };
    case "integer":
      return { type };
    case "min_value":
      return { minimum: step.requirement };
    case "max_value":
      return { maximum: step["requirement"] };
    case "max_length":
      return { [of === "array" ? "maxItems" : "maxLength"]: step["requirement"] };
    case "unknown":
    case "transform":
      return {};
    case "readonly":
      return {};
    default:
      throw new Error(`"${type}" has no JSON Schema here`);
  }
}

function objectSchema(entries: readonly (readonly [string, Step])[]): JsonSchema {
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([key, value]) => [key, jsonSchema(value)])),
    required: entries.filter(([, value]) => !value.type.endsWith("optional")).map(([key]) => key),
  };
}
