// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "./excerpt.ts";

/** Makes the error of what is wrong. */
export type Fail = (why: string, cause?: unknown) => Error;

/** Reads bytes as JSON in UTF-8. Throws what `fail` makes. */
export function parseJson(bytes: Uint8Array, fail: Fail): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail("it is not JSON in UTF-8", cause);
  }
}

/** Reads a value by its schema; `whole` is its name in messages. Throws what `fail` makes of the first thing that is wrong. */
export function conform<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  fail: Fail,
  whole = "document",
): v.InferOutput<S> {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw fail(`"${excerpt(v.getDotPath(issue) ?? whole, 160)}": ${excerpt(issue.message, 160)}`);
}

/** Whether a value is nested deeper than this: code that walks it recursively must not be led further down. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/**
 * Whether this is base64 with padding as RFC 4648 section 4 writes those bytes, and not another text that decodes
 * to them: for those who compare entries, two texts for one entry would be two entries.
 */
export function isCanonicalBase64(text: string): boolean {
  return Buffer.from(text, "base64").toString("base64") === text;
}

/** Canonical base64 of 1 to so many characters. */
export const base64Text = (maxLength: number) =>
  v.pipe(
    v.string(),
    v.nonEmpty("is empty"),
    v.maxLength(maxLength, `is longer than ${maxLength} characters`),
    v.check(isCanonicalBase64, "is not canonical base64"),
  );
