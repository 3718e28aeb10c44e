// SPDX-License-Identifier: Apache-2.0
import { DockerfileParser, type Instruction } from "dockerfile-ast";
import { buildArgs } from "../gateway/options.ts";
import { familiarName, parseReference, type Reference } from "../image/reference.ts";
import { excerpt } from "../log/excerpt.ts";
import type { Place } from "../report/place.ts";

/** Lines of a Dockerfile, 1-based and inclusive. */
interface Lines {
  readonly start: number;
  readonly end: number;
}

/** Lines that name an image, and the places in them. */
export interface NamingLines extends Lines {
  readonly isOnbuild: boolean;
  readonly places: readonly Place[];
}

/** The most text that is looked at, in bytes, and the most variables in one word: a message is not worth more time. */
const MAX_TEXT = 256 * 1024;
const MAX_VARIABLES = 8;
/** The longest name, and the longest line that is shown. */
const MAX_NAME = 1_000;
const MAX_SHOWN = 300;

/**
 * The lines of a Dockerfile that name this image: in FROM, `COPY --from` and `RUN --mount=from`, those behind an ONBUILD too;
 * `known` are lines that are known to name it, whatever the reading of the text says. For messages only: a wrong reading may
 * show a wrong line, and decides nothing.
 */
export function linesNaming(
  text: string,
  image: Reference,
  {
    options,
    known = [],
  }: { readonly options: Readonly<Record<string, string>>; readonly known?: readonly Lines[] },
): readonly NamingLines[] {
  if (text.length > MAX_TEXT) return [];
  try {
    const dockerfile = DockerfileParser.parse(text);
    const values = { ...defaultsIn(dockerfile.getARGs()), ...buildArgs(options) };
    return dockerfile.getInstructions().flatMap((instruction) => {
      const { start, end } = instruction.getRange();
      const lines = { start: start.line + 1, end: end.line + 1 };
      const isKnown = known.some((each) => each.start <= lines.start && lines.start <= each.end);
      const places = namesIn(oneLine(instruction, dockerfile.getEscapeCharacter())).flatMap((named) =>
        placesOf(named, { image, values, options, isKnown }),
      );
      return places.length === 0
        ? []
        : [{ ...lines, isOnbuild: instruction.getKeyword() === "ONBUILD", places }];
    });
  } catch {
    return [];
  }
}

/** The arguments that a Dockerfile declares with ARG, in any stage. None of a text that is too long to be looked at. */
export function declaredArgs(text: string): ReadonlySet<string> {
  if (text.length > MAX_TEXT) return new Set();
  const names = DockerfileParser.parse(text)
    .getInstructions()
    .filter((instruction) => instruction.getKeyword() === "ARG")
    .flatMap((instruction) =>
      instruction.getArguments().map((each) => each.getValue().split("=", 1)[0] ?? ""),
    );
  return new Set(names);
}

/** The names of images in the text of an ONBUILD's step. */
export function namesInStep(step: string): string[] {
  return namesIn(step).map(({ word }) => word);
}

/** A word that may name an image, with what is shown around it. */
interface Named {
  readonly before: string;
  readonly word: string;
  readonly after: string;
  readonly isFrom: boolean;
}

const FROM = /^(\s*FROM\s+(?:--\S+\s+)*)(\S+)(.*)$/i;
/** In the flags of a COPY and of a RUN; what is shown is the flag. */
const FLAGS = [/(--from=)([^\s,]+)()/g, /(--mount=(?:[^\s,]+,)*from=)([^\s,]+)(\S*)/g];

function namesIn(text: string): readonly Named[] {
  const [, before = "", word, after = ""] = FROM.exec(text) ?? [];
  if (word !== undefined) return [{ before: before.trimStart(), word, after: after.trimEnd(), isFrom: true }];
  return FLAGS.flatMap((flag) =>
    [...text.matchAll(flag)].map(([, start = "", name = "", end = ""]) => ({
      before: start,
      word: name,
      after: end,
      isFrom: false,
    })),
  );
}

/** An instruction without the ends of its lines and the comments between them. */
function oneLine(instruction: Instruction, escape: string): string {
  return instruction
    .getTextContent()
    .split("\n")
    .filter((line, index) => index === 0 || !/^\s*#/.test(line))
    .map((line, index) => {
      const text = line.trimEnd();
      const joined = text.endsWith(escape) ? text.slice(0, -1) : text;
      return index === 0 ? joined.trimEnd() : joined.trim();
    })
    .join(" ");
}

function defaultsIn(
  args: readonly { getProperty(): { getName(): string; getValue(): string | null } | null }[],
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const arg of args) {
    const property = arg.getProperty();
    const value = property?.getValue();
    // What is set first is what FROM sees: later ones are those of a stage.
    if (property && value !== null && value !== undefined)
      values[property.getName()] ??= expanded(value, values);
  }
  return values;
}

const VARIABLE = /\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})/g;
/** A word that is one variable and nothing else. */
const WHOLE = /^\$(?:(\w+)|\{(\w+)(?::?-[^}]*)?\})$/;

function expanded(word: string, values: Readonly<Record<string, string>>): string {
  if ([...word.matchAll(VARIABLE)].length > MAX_VARIABLES) return word;
  return word
    .replace(
      VARIABLE,
      (_, plain?: string, braced?: string, otherwise = "") => values[plain ?? braced ?? ""] ?? otherwise,
    )
    .slice(0, MAX_NAME);
}

function placesOf(
  { before, word, after, isFrom }: Named,
  {
    image,
    values,
    options,
    isKnown,
  }: {
    readonly image: Reference;
    readonly values: Readonly<Record<string, string>>;
    readonly options: Readonly<Record<string, string>>;
    readonly isKnown: boolean;
  },
): readonly Place[] {
  const name = expanded(word, values);
  const contexts = contextsOf(name, image, options);
  if (contexts.length > 0) return contexts;
  const { digest: _, ...named } = image;
  const isImage = isNameOf(name, image);
  if (!isImage && !(isKnown && isFrom && word !== name)) return [];
  const written = isImage ? name : familiarName(named);
  const [, plain, braced = plain] = WHOLE.exec(word) ?? [];
  if (isImage && braced !== undefined && braced in values)
    return [{ kind: "variable", name: braced, written, isGiven: `build-arg:${braced}` in options }];
  // A line that is not fit for a terminal is not shown: then there is the name alone.
  const isShown = [before, after].every(
    (part) => excerpt(part.trim(), MAX_SHOWN) === part.trim().replace(/\s+/g, " "),
  );
  return [
    isShown ? { kind: "words", before, written, after } : { kind: "words", before: "", written, after: "" },
  ];
}

/** Words that a shell takes as they are. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** The named contexts that stand for this name, where they are this image. */
function contextsOf(
  name: string,
  image: Reference,
  options: Readonly<Record<string, string>>,
): readonly Place[] {
  const key = `context:${familiar(name)}`;
  return Object.entries(options)
    .filter(([option]) => option === key || option.startsWith(`${key}::`))
    .flatMap(([option, value]) => {
      const written = value.replace(/^docker-image:\/\//, "");
      if (!isNameOf(written, image) || !PLAIN.test(option)) return [];
      return [{ kind: "context", name: option.slice("context:".length), written } as const];
    });
}

/** The name by which a named context is looked for. */
function familiar(name: string): string {
  try {
    return familiarName(parseReference(name));
  } catch {
    return name;
  }
}

function isNameOf(name: string, { registry, repository, tag }: Reference): boolean {
  try {
    const read = parseReference(name);
    return read.registry === registry && read.repository === repository && read.tag === tag;
  } catch {
    return false;
  }
}
