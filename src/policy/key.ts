// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { SigningServices } from "../log/signing-config.ts";
import { type KeyPath, quotedList } from "./policy-error.ts";
import type { Source } from "./rule.ts";

/** Reads an address. `allowsPlainHttp` says for which hosts, `by` who names them, in the words of a message. Throws WrongValue. */
export type ReadUrl = (text: string, allowsPlainHttp: (host: string) => boolean, by?: string) => string;

/** What a file has at a mapping with these entries, its shape checked and nothing else. */
export type Shape<Entries extends v.ObjectEntries> = Readonly<
  v.InferOutput<v.StrictObjectSchema<Entries, undefined>>
>;

/** What the value of a key in a file is read with. */
export interface FileReading {
  /** Where the value stands. */
  readonly at: KeyPath;
  readonly services: SigningServices;
  /** Whether it is the file in the frontend image. */
  readonly isBaked: boolean;
  /** The value that is read; undefined for one that is refused, which is a problem of this path. */
  readonly attempt: <T>(path: KeyPath, read: () => T) => T | undefined;
  /** The address of a service. Throws WrongValue. */
  readonly url: (text: string, read?: ReadUrl) => string;
}

/** What an objection is made by, besides the two values. */
export interface Objecting {
  /** Where the value above the floor was set. */
  readonly source: Source;
  /** Whether there is a baked file. */
  readonly isBaked: boolean;
}

/** How the baked file's value binds the repository's file and the build arguments. */
interface FloorRule<T> {
  /** The name under `allow-looser` that frees the key. */
  readonly freedBy: string;
  /**
   * The beginning of a sentence that ends with where the floor says so; undefined where it lets the other through. The
   * floor's value is undefined where a default has none.
   */
  objection(above: T, floor: T | undefined, by: Objecting): string | undefined;
  /** Whether a stricter value takes the floor's place; elsewhere the floor's stays. Then the default is a floor too. */
  readonly mayTighten?: true;
  /** It says where identity tokens, signatures and questions go, so its default is a floor even without a baked file. */
  readonly onlyBaked?: true;
}

/** A key of the policy that has one value for the whole build, and everything that follows from it. */
export interface Key<T> {
  /** Its name in a file. */
  readonly at: readonly [string, ...string[]];
  /** Its shape in a file; the description is what the reference says. */
  readonly schema: v.GenericSchema;
  /** Reads a value of that shape. Throws WrongValue and ImageReferenceError. */
  readonly read: (value: unknown, file: FileReading) => T;
  /** A key without one is unrestricted. */
  readonly floor?: FloorRule<T>;
  /** The build argument that sets it; those that need one another are read in `build-args.ts`. */
  readonly arg?: {
    readonly name: string;
    /** Throws WrongValue. */
    read(value: string, url: (text: string) => string): T;
  };
  /** The value as the printed policy has it; keys without it are printed in lines of their own. */
  show?(value: T): string;
  /** The printed comment where it has no value. */
  readonly unsaid?: string;
}

/** A row of the table. */
export function key<Schema extends v.GenericSchema, T>(
  row: Omit<Key<T>, "read" | "schema"> & {
    readonly schema: Schema;
    readonly read: (value: v.InferOutput<Schema>, file: FileReading) => T;
  },
): Key<T> & { readonly schema: Schema } {
  // Files are checked against the whole schema before any value is read.
  return { ...row, read: (value, file) => row.read(value as v.InferOutput<Schema>, file) };
}

/** A stricter word may replace the floor's. `order` has the loosest first. */
export function ordered<T>(freedBy: string, order: readonly T[]): FloorRule<T> {
  return {
    freedBy,
    objection: (above, floor) =>
      floor !== undefined && order.indexOf(above) < order.indexOf(floor)
        ? `"${String(above)}" is looser than "${String(floor)}"`
        : undefined,
    mayTighten: true,
  };
}

/** A value that stays as it is. */
export function fixed<T>(
  freedBy: string,
  { what, show = String }: { what: string; show?: (value: T) => string },
): FloorRule<T> {
  return {
    freedBy,
    objection(above, floor) {
      if (floor === undefined) return `"${show(above)}" is not the shipped ${what}`;
      return show(above) === show(floor) ? undefined : `"${show(above)}" is not the ${what} "${show(floor)}"`;
    },
  };
}

export const same = <T>(value: T): T => value;
export const quoted = (value: string): string => JSON.stringify(value);

/** `"a", "b"`. */
export function listed(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(", ");
}

// The messages are what the file should have had at that place, as in `"default" must be …`; the descriptions become
// docs/policy.schema.json and the tables in docs/policy.md.

const MAX_ENTRIES = 100;

/** The schema with its description. */
export function described<const T extends v.GenericSchema>(schema: T, description: string) {
  return v.pipe(schema, v.description(description));
}

export function text(description: string) {
  return described(v.string("text"), description);
}

export function flag(description: string) {
  return described(v.boolean("true or false"), description);
}

export function choice<const T extends readonly string[]>(choices: T, description: string) {
  return described(v.picklist(choices, quotedList(choices)), description);
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
  return described(v.strictObject(entries, "a mapping of keys to values"), description);
}

export function list<const T extends v.GenericSchema>(
  item: T,
  { min = 1, max = MAX_ENTRIES, description }: { min?: number; max?: number; description: string },
) {
  return v.pipe(v.array(item, "a list"), v.minLength(min), v.maxLength(max), v.description(description));
}
