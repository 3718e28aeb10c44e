// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import type { Reference } from "../image/reference.ts";
import { canonicalRegistry, DOCKER_HUB, DOCKER_HUB_ALIASES } from "../image/registry.ts";
import { matchesWhole } from "../record/wildcards.ts";
import { WrongValue } from "./policy-error.ts";

/**
 * A pattern over normalized references such as `docker.io/library/alpine:3.16.0`. `*` is any run of characters
 * within one part between slashes, or within the tag; `?` is one such character; `**` stands for one or more whole
 * parts. Every other character is itself.
 */
export interface Pattern {
  /** As it was written. */
  readonly text: string;
  /** Registry and path, in parts; the registry by its canonical name, unless it has a wildcard. */
  readonly parts: readonly string[];
  /** `*` when the pattern names no tag. */
  readonly tag: string;
}

const MAX_LENGTH = 600;
const ANY = "**";
const WILD = /[*?]/;
const OFFICIAL = [DOCKER_HUB, "library"];
const REGULAR_EXPRESSION = /[\\^$+(){}|]/;
/** What no reference has in it; brackets are those of an IPv6 address. */
const FOREIGN = /[^\w.:/*?[\]-]/;

/** Reads a pattern as people write it in a policy: short names are Docker Hub's, as in a Dockerfile. Throws WrongValue. */
export function parsePattern(text: string): Pattern {
  const wrong = (why: string) => new WrongValue(`"${excerpt(text)}": ${why}`);
  const problem = problemOf(text);
  if (problem !== undefined) throw wrong(problem);
  const slash = text.lastIndexOf("/");
  const colon = text.indexOf(":", slash + 1);
  const name = colon < 0 ? text : text.slice(0, colon);
  const tag = colon < 0 ? "*" : text.slice(colon + 1);
  if (tag === "") throw wrong('nothing follows the ":"; without a tag it matches every tag');
  if (/[:[\]]/.test(tag)) throw wrong("the tag has a colon or a bracket");
  if (tag.includes(ANY)) throw wrong('in a tag "*" is enough, "**" is for paths');
  const written = name.split("/");
  if (written.includes("")) throw wrong("it has an empty part: a slash too many, or no name");
  if (written.some((part) => part.includes(ANY) && part !== ANY))
    throw wrong('"**" stands for whole parts between slashes, as in "ghcr.io/acme/**"');
  const parts = inFull(written, { tag: colon < 0 ? "" : text.slice(colon), wrong });
  const foreign = parts.find((part, index) => index > 0 && /[A-Z:[\]]/.test(part));
  if (foreign !== undefined)
    throw wrong(`"${foreign}" is in no image's path: paths are lower case, and a colon begins the tag`);
  return { text, parts, tag };
}

function problemOf(text: string): string | undefined {
  if (text === "") return 'it is empty; "**" matches every image';
  if (text.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`;
  if (text.includes("@")) return "it has a digest, which cannot move; a pattern is over names and tags";
  if (REGULAR_EXPRESSION.test(text)) {
    return 'it is not a regular expression: "*", "**" and "?" match, everything else is itself';
  }
  if (text.includes("://")) return 'write the name alone, without "https://"';
  if (/\s/.test(text)) return "it has a blank";
  const [foreign] = FOREIGN.exec(text) ?? [];
  return foreign === undefined ? undefined : `no image's name has "${excerpt(foreign)}" in it`;
}

/** The parts with registry and `library`, as references are normalized. */
function inFull(
  written: readonly string[],
  { tag, wrong }: { readonly tag: string; readonly wrong: (why: string) => WrongValue },
): readonly string[] {
  const [first = "", ...path] = written;
  if (first === ANY) return written;
  const isRegistry =
    path.length > 0 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  if (isRegistry) {
    const registry = WILD.test(first) ? wildRegistry(first, wrong) : canonicalRegistry(first);
    // As "docker.io/alpine" is "docker.io/library/alpine".
    const isOfficial = registry === DOCKER_HUB && path.length === 1 && path[0] !== ANY;
    return isOfficial ? [...OFFICIAL, ...path] : [registry, ...path];
  }
  if (WILD.test(first)) {
    const name = written.join("/") + tag;
    const hub = path.length === 0 ? `docker.io/library/${name}` : `docker.io/${name}`;
    const any = path.length === 0 && first === "*" ? `**${tag}` : `**/${name}`;
    throw wrong(`it could be meant for Docker Hub or for any registry; write "${hub}" or "${any}"`);
  }
  return path.length === 0 ? [...OFFICIAL, first] : [DOCKER_HUB, ...written];
}

/** A registry with wildcards, as canonical names are: without the default port, and not meant for an alias of Docker Hub. */
function wildRegistry(written: string, wrong: (why: string) => WrongValue): string {
  const host = written.toLowerCase().replace(/:0*443$/, "");
  const alias = DOCKER_HUB_ALIASES.find((each) => each !== DOCKER_HUB && textMatches(host, each));
  if (alias !== undefined && host.includes("docker") && !textMatches(host, DOCKER_HUB))
    throw wrong(`"${written}" would not match "${alias}", whose images go by "${DOCKER_HUB}"; write that`);
  return host;
}

/** Whether the pattern matches the image's name and tag, whichever of its names the registry is written by. */
export function matches(pattern: Pattern, { registry, repository, tag = "" }: Reference): boolean {
  return (
    partsMatch(pattern.parts, [canonicalRegistry(registry), ...repository.split("/")]) &&
    textMatches(pattern.tag, tag)
  );
}

/** Counts what a comparison takes. */
interface Work {
  steps: number;
}

/**
 * Whether everything that `inner` matches is matched by `outer`. Sure when it says yes; a no may be wrong for
 * patterns that are made to be hard.
 */
export function covers(outer: Pattern, inner: Pattern, work?: Work): boolean {
  // A wildcard of the inner pattern is taken for a character that only a wildcard of the outer one matches.
  return partsMatch(outer.parts, inner.parts, work) && textMatches(outer.tag, inner.tag, work);
}

/** Whether surely nothing is matched by both; a no may be wrong. */
export function areApart(one: Pattern, other: Pattern): boolean {
  const clash = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b && !WILD.test(a + b);
  if (clash(one.tag, other.tag)) return true;
  const open = [one.parts.indexOf(ANY), other.parts.indexOf(ANY)].filter((place) => place >= 0);
  if (open.length === 0 && one.parts.length !== other.parts.length) return true;
  // Behind a "**" nothing stands at a known place.
  return one.parts.slice(0, Math.min(...open)).some((part, place) => clash(part, other.parts[place]));
}

function partsMatch(
  parts: readonly string[],
  subject: readonly string[],
  work: Work = { steps: 0 },
): boolean {
  // Most patterns are of another registry.
  const [first = "", host = ""] = [parts[0], subject[0]];
  if (!WILD.test(first) && first !== host) return false;
  return matchesWhole(parts, subject, {
    isRun: (part) => part === ANY,
    atLeast: 1,
    isMatch(part, given) {
      work.steps++;
      return part === ANY || (given !== ANY && textMatches(part, given, work));
    },
  });
}

function textMatches(text: string, subject: string, work: Work = { steps: 0 }): boolean {
  if (text === "*" || !WILD.test(text)) return text === "*" || text === subject;
  return matchesWhole(text, subject, {
    isRun: (character) => character === "*",
    atLeast: 0,
    isMatch(character, given) {
      work.steps++;
      return character === "*" || character === given || (character === "?" && given !== "*");
    },
  });
}

/** The one tag that the pattern matches; undefined when it matches more. */
export function literalReference({ parts, tag }: Pattern): Reference | undefined {
  const [registry = "", ...path] = parts;
  return [...parts, tag].some((part) => WILD.test(part))
    ? undefined
    : { registry, repository: path.join("/"), tag };
}
