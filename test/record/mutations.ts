// SPDX-License-Identifier: Apache-2.0

/** A number below the given one. */
export type Below = (below: number) => number;

/** Numbers that look random and are the same in every run (mulberry32). */
export function seeded(seed: number): Below {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 53,
  "",
  "0",
  "\u0000",
  "é",
  [],
  {},
  [[]],
  { __proto__: null },
];

/** What was done to a value. */
export const MUTATIONS = [
  "a character less",
  "a character more",
  "another character",
  "a text cut off",
  "a bit flipped",
  "bytes cut off",
  "an odd value",
  "a field dropped",
  "a field more",
  "an element twice",
  "another number",
  "a part of another",
] as const;
export type Mutation = (typeof MUTATIONS)[number];

/** A changed text and what was done. */
export function mutateText(text: string, random: Below): [string, Mutation] {
  const at = random(text.length + 1);
  switch (random(4)) {
    case 0:
      return [text.slice(0, at) + text.slice(at + 1), "a character less"];
    case 1:
      return [text.slice(0, at) + String.fromCharCode(random(128)) + text.slice(at), "a character more"];
    case 2:
      return [text.slice(0, at), "a text cut off"];
    default:
      return [
        text.slice(0, at) + String.fromCharCode(32 + random(96)) + text.slice(at + 1),
        "another character",
      ];
  }
}

/** Flips one bit of what the base64 says, or cuts some bytes off. */
export function mutateBytes(base64: string, random: Below): [string, Mutation] {
  const bytes = Buffer.from(base64, "base64");
  const at = random(Math.max(bytes.length, 1));
  if (random(8) === 0) return [bytes.subarray(0, at).toString("base64"), "bytes cut off"];
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  return [bytes.toString("base64"), "a bit flipped"];
}

type Path = readonly string[];
type Fields = { [field: string]: unknown };

/** Where the values are inside a value. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, [...path, name]))];
}

/** The value at a path, in a value that may be of another shape. */
function valueAt(value: unknown, path: Path): unknown {
  return path.reduce((outer, name) => (outer as Fields | undefined)?.[name], value);
}

/** A copy of a value with another one at a path. */
function withAt(value: unknown, [name, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (name === undefined) return change(value);
  const copied = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as Fields) }) as Fields;
  copied[name] = withAt(copied[name], rest, change);
  return copied;
}

/**
 * Changes one thing somewhere in a JSON value, and says what; every part of it is as likely. `other` is a value of the
 * same shape, out of which a part may be taken.
 */
export function mutate(value: unknown, random: Below, other?: unknown): [unknown, Mutation] {
  const paths = pathsOf(value);
  const path = paths[random(paths.length)] ?? [];
  // The whole of another is nothing wrong.
  if (other !== undefined && path.length > 0 && random(8) === 0)
    return [withAt(value, path, () => valueAt(other, path)), "a part of another"];
  let done: Mutation = "an odd value";
  const mutated = withAt(value, path, (old) => {
    const [changed, what] = mutateOne(old, random);
    done = what;
    return changed;
  });
  return [mutated, done];
}

function mutateOne(value: unknown, random: Below): [unknown, Mutation] {
  if (random(8) === 0) return [ODD[random(ODD.length)], "an odd value"];
  if (Array.isArray(value)) {
    const chosen = random(value.length);
    return random(2) === 0
      ? [value.toSpliced(chosen, 1), "a field dropped"]
      : [[...(value as unknown[]), ...value.slice(chosen, chosen + 1)], "an element twice"];
  }
  if (typeof value === "object" && value !== null) {
    const [name = "", inner] = Object.entries(value)[random(Object.keys(value).length)] ?? [];
    const { [name]: _, ...rest } = value as Fields;
    return random(2) === 0 ? [rest, "a field dropped"] : [{ ...value, [`${name}s`]: inner }, "a field more"];
  }
  if (typeof value === "number") return [value + random(5) - 2, "another number"];
  if (typeof value === "string" && /^\d+$/.test(value) && random(3) > 0)
    return [String(Number(value) + random(5) - 2), "another number"];
  if (typeof value === "string")
    return random(3) > 0 ? mutateBytes(value, random) : mutateText(value, random);
  return [ODD[random(ODD.length)], "an odd value"];
}
