// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { quotedList } from "./near-miss.ts";

// The messages are what the file should have had at that place, as in `"default" must be …`; the descriptions become
// docs/policy.schema.json and the tables in docs/policy.md.

const MAX_ENTRIES = 100;

export function text(description: string) {
  return v.pipe(v.string("text"), v.description(description));
}

export function flag(description: string) {
  return v.pipe(v.boolean("true or false"), v.description(description));
}

export function choice<const T extends readonly string[]>(choices: T, description: string) {
  return v.pipe(v.picklist(choices, quotedList(choices)), v.description(description));
}

export function number(from: number, { to, description }: { to: number; description: string }) {
  const allowed = `a whole number from ${from} to ${to}`;
  return v.pipe(
    v.number(allowed),
    v.integer(allowed),
    v.minValue(from, allowed),
    v.maxValue(to, allowed),
    v.description(description),
  );
}

export function mapping<const T extends v.ObjectEntries>(entries: T, description: string) {
  return v.pipe(v.strictObject(entries, "a mapping of keys to values"), v.description(description));
}

export function list<const T extends v.GenericSchema>(
  item: T,
  { min = 1, max = MAX_ENTRIES, description }: { min?: number; max?: number; description: string },
) {
  return v.pipe(v.array(item, "a list"), v.minLength(min), v.maxLength(max), v.description(description));
}
