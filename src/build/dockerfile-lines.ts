// SPDX-License-Identifier: Apache-2.0
import { DockerfileParser, type Instruction } from "dockerfile-ast";
import { buildArgs } from "../gateway/options.ts";
import { parseReference, type Reference } from "../image/reference.ts";

/** Lines of a Dockerfile, 1-based and inclusive. */
export interface Lines {
  readonly start: number;
  readonly end: number;
}

/** The most text that is looked at, in bytes, and the most variables in one word: a message is not worth more time. */
const MAX_TEXT = 256 * 1024;
const MAX_VARIABLES = 8;

/**
 * The lines of a Dockerfile that name this image: in FROM, `COPY --from` and `RUN --mount=from`. For messages only: a wrong
 * reading of the text may show a wrong line, and decides nothing.
 */
export function linesNaming(
  text: string,
  image: Reference,
  options: Readonly<Record<string, string>>,
): readonly Lines[] {
  if (text.length > MAX_TEXT) return [];
  try {
    const dockerfile = DockerfileParser.parse(text);
    const values = { ...defaultsIn(dockerfile.getARGs()), ...buildArgs(options) };
    return dockerfile
      .getInstructions()
      .filter((instruction) =>
        namesIn(instruction).some((name) => isImage(expanded(name, values), image, options)),
      )
      .map((instruction) => {
        const { start, end } = instruction.getRange();
        return { start: start.line + 1, end: end.line + 1 };
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

function namesIn(instruction: Instruction): readonly string[] {
  const text = instruction.getTextContent();
  const from = /^\s*FROM\s+(?:--\S+\s+)*(\S+)/i.exec(text)?.[1];
  const taken = [...text.matchAll(/(?:--from=|[,=]from=)([^\s,]+)/g)].map(([, name = ""]) => name);
  return from === undefined ? taken : [from, ...taken];
}

function defaultsIn(
  args: readonly { getProperty(): { getName(): string; getValue(): string | null } | null }[],
): Record<string, string> {
  return Object.fromEntries(
    args.flatMap((arg) => {
      const property = arg.getProperty();
      const value = property?.getValue();
      return property && value !== null && value !== undefined ? [[property.getName(), value]] : [];
    }),
  );
}

const VARIABLE = /\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})/g;

function expanded(word: string, values: Readonly<Record<string, string>>): string {
  if ([...word.matchAll(VARIABLE)].length > MAX_VARIABLES) return word;
  return word.replace(
    VARIABLE,
    (_, plain?: string, braced?: string, otherwise = "") => values[plain ?? braced ?? ""] ?? otherwise,
  );
}

/** A name can stand for a named context too. */
function isImage(name: string, image: Reference, options: Readonly<Record<string, string>>): boolean {
  const contexts = Object.entries(options)
    .filter(([key]) => key === `context:${name}` || key.startsWith(`context:${name}::`))
    .map(([, value]) => value.replace(/^docker-image:\/\//, ""));
  return [name, ...contexts].some((each) => {
    try {
      const { registry, repository, tag } = parseReference(each);
      return registry === image.registry && repository === image.repository && tag === image.tag;
    } catch {
      return false;
    }
  });
}
