// SPDX-License-Identifier: Apache-2.0
import { replacePattern, trimPattern } from "./shell-pattern.ts";
import { ShellWordError } from "./shell-word-error.ts";
import { variableNameEnd } from "./variable-name.ts";
import { isSpace } from "./white-space.ts";

/** How a word is read. The defaults are those for FROM; the raw ones are for finding heredocs. */
interface LexerMode {
  /** The character that takes away the meaning of the next one: a backslash or a backquote. */
  readonly escape: string;
  /** The value of a variable, undefined when it is not set. */
  readonly lookup: (name: string) => string | undefined;
  /** Keep quotes and escape characters in the words, and variables that are not set as they were written. */
  readonly raw?: { readonly quotes: boolean; readonly escapes: boolean };
}

const NOT_ENDED = 'there is no "}" that ends a "${"';
const MAX_DEPTH = 100;
/** Longer than every reference, and short enough that variables which double each other end soon. */
const MAX_RESULT = 65_536;

/** Reads one text the way BuildKit's shell lexer does; see `expandWord` and `splitWords` for the two uses. */
class ShellLexer {
  readonly #chars: readonly string[];
  readonly #mode: LexerMode;
  #at = 0;
  #depth = 0;
  #rawEscapes: boolean;
  // One buffer for all depths, as in BuildKit: what a nested word leaves or clears there, it does so here too.
  #word = "";

  constructor(text: string, mode: LexerMode) {
    // BuildKit's scanner drops one byte order mark at the beginning of what it scans.
    this.#chars = Array.from(text.startsWith("\ufeff") ? text.slice(1) : text);
    this.#mode = mode;
    this.#rawEscapes = mode.raw?.escapes ?? false;
  }

  read(): { result: string; words: string[] } {
    return this.#until(undefined, this.#rawEscapes);
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string | undefined {
    return this.#chars[this.#at++];
  }

  #until(stop: string | undefined, rawEscapes: boolean): { result: string; words: string[] } {
    if (++this.#depth > MAX_DEPTH) throw new ShellWordError("not-followed", "it is nested too deeply");
    const outer = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    try {
      return this.#untilStop(stop);
    } finally {
      this.#rawEscapes = outer;
      this.#depth--;
    }
  }

  #untilStop(stop: string | undefined): { result: string; words: string[] } {
    const words: string[] = [];
    let inWord = false;
    let result = "";
    this.#word = "";
    const addRaw = (text: string) => {
      this.#word += text;
      inWord = true;
    };
    const add = (char: string) => {
      if (!isSpace(char)) addRaw(char);
      else if (inWord && this.#word !== "") {
        words.push(this.#word);
        this.#word = "";
        inWord = false;
      }
    };
    const finish = () => {
      if (this.#word !== "") words.push(this.#word);
      this.#word = "";
      return { result, words };
    };

    for (let char = this.#peek(); char !== undefined; char = this.#peek()) {
      if (result.length > MAX_RESULT && !this.#mode.raw) {
        throw new ShellWordError("not-followed", `it is longer than ${MAX_RESULT} characters`);
      }
      if (char === stop) {
        this.#at++;
        return finish();
      }
      if (char === "$") {
        const value = this.#dollar();
        result += value;
        for (const each of value) add(each);
      } else if (char === "'" || char === '"' || char === "<") {
        const text =
          char === "<" ? this.#angle() : char === '"' ? this.#doubleQuoted() : this.#singleQuoted();
        result += text;
        addRaw(text);
      } else {
        this.#at++;
        if (char !== this.#mode.escape) {
          add(char);
          result += char;
          continue;
        }
        if (this.#rawEscapes) {
          addRaw(char);
          result += char;
        }
        const escaped = this.#next();
        if (escaped === undefined) break;
        addRaw(escaped);
        result += escaped;
      }
    }
    if (stop !== undefined)
      throw new ShellWordError("refused", stop === "/" ? 'a "${…/" has no second "/"' : NOT_ENDED);
    return finish();
  }

  #singleQuoted(): string {
    this.#at++;
    const end = this.#chars.indexOf("'", this.#at);
    if (end < 0) throw new ShellWordError("refused", "a single quote is not closed");
    const text = this.#chars.slice(this.#at, end).join("");
    this.#at = end + 1;
    return this.#mode.raw?.quotes ? `'${text}'` : text;
  }

  #doubleQuoted(): string {
    const quote = this.#mode.raw?.quotes ? '"' : "";
    let result = quote;
    this.#at++;
    for (;;) {
      const char = this.#peek();
      if (char === undefined) throw new ShellWordError("refused", "a double quote is not closed");
      if (char === "$") {
        result += this.#dollar();
        continue;
      }
      this.#at++;
      if (char === '"') return result + quote;
      if (char !== this.#mode.escape) {
        result += char;
        continue;
      }
      if (this.#rawEscapes) result += char;
      const escaped = this.#peek();
      if (escaped === undefined) continue;
      if (escaped === '"' || escaped === "$" || escaped === this.#mode.escape) {
        this.#at++;
        result += escaped;
      } else {
        result += char;
      }
    }
  }

  /** A `<<` takes the blanks after it into its word, so that `<< EOF` is one. */
  #angle(): string {
    this.#at++;
    if (this.#peek() !== "<") return "<";
    const start = this.#at++;
    while (this.#peek() === " " || this.#peek() === "\t" || this.#peek() === "\r") this.#at++;
    return `<${this.#chars.slice(start, this.#at).join("")}`;
  }

  #name(): string {
    const start = this.#at;
    this.#at = variableNameEnd(this.#chars, start);
    return this.#chars.slice(start, this.#at).join("");
  }

  #dollar(): string {
    this.#at++;
    if (this.#peek() !== "{") {
      const name = this.#name();
      if (name === "") return "$";
      return this.#mode.lookup(name) ?? (this.#mode.raw ? `$${name}` : "");
    }
    this.#at++;
    const first = this.#peek();
    if (first === undefined || first === "{" || first === "}" || first === ":") {
      throw new ShellWordError("refused", '"${" is not followed by a name');
    }
    const name = this.#name();
    const operator = this.#next();
    if (operator === "}") return this.#mode.lookup(name) ?? (this.#mode.raw ? `\${${name}}` : "");
    if (operator === "/") return this.#replacement(name);
    if (operator === undefined) throw new ShellWordError("refused", NOT_ENDED);
    const orEmpty = operator === ":";
    return this.#modified(name, { modifier: orEmpty ? this.#next() : operator, orEmpty });
  }

  #modified(name: string, { modifier, orEmpty }: { modifier: string | undefined; orEmpty: boolean }): string {
    const isTrim = modifier === "#" || modifier === "%";
    const written = `${orEmpty ? ":" : ""}${modifier ?? ""}`;
    if (!orEmpty && !isTrim && modifier !== "-" && modifier !== "+" && modifier !== "?") {
      throw new ShellWordError("refused", `the modifier "${written}" is not known`);
    }
    if (orEmpty && isTrim) throw new ShellWordError("refused", `the modifier "${written}" is not known`);
    const { result: word } = this.#until("}", isTrim);
    const value = this.#mode.lookup(name);
    if (value === undefined && this.#mode.raw) return `\${${name}${written}${word}}`;
    const isThere = value !== undefined && !(orEmpty && value === "");
    if (modifier === "-") return isThere ? value : word;
    if (modifier === "+") return isThere ? word : "";
    if (modifier === "?") {
      if (isThere) return value;
      throw new ShellWordError(
        "refused",
        word === "" ? `"${name}" must be set` : `"${name}" must be set: ${word.slice(0, 160)}`,
      );
    }
    if (!isTrim) throw new ShellWordError("refused", `the modifier "${written}" is not known`);
    const longest = word.startsWith(modifier);
    return trimPattern(value ?? "", {
      pattern: longest ? word.slice(1) : word,
      longest,
      end: modifier === "#" ? "start" : "end",
    });
  }

  #replacement(name: string): string {
    const all = this.#peek() === "/";
    if (all) this.#at++;
    const { result: pattern } = this.#until("/", true);
    const { result: replacement } = this.#until("}", true);
    const value = this.#mode.lookup(name);
    // BuildKit forgets the second slash here, and so do we.
    if (value === undefined && this.#mode.raw) return `\${${name}/${pattern}/${replacement}}`;
    return replacePattern(value ?? "", { pattern, replacement, all });
  }
}

/**
 * Expands one word of a FROM or ARG as BuildKit does: `$V`, `${V}`, and `${V…}` with `-`, `:-`, `+`, `:+`, `?`,
 * `:?`, `#`, `##`, `%`, `%%`, `/p/r`, `//p/r`, nested; quotes and escapes. Throws ShellWordError for what BuildKit
 * refuses and for what we do not follow surely.
 */
export function expandShellWord(word: string, mode: Pick<LexerMode, "escape" | "lookup">): string {
  return new ShellLexer(word, mode).read().result;
}

/**
 * Splits a text into words as BuildKit does when it looks for heredocs: no variable is set and is left as it
 * stands. Throws ShellWordError when a quote or brace is not closed.
 */
export function splitRawWords(
  text: string,
  { keepQuotes, keepEscapes }: { keepQuotes: boolean; keepEscapes: boolean },
): string[] {
  const raw = { quotes: keepQuotes, escapes: keepEscapes };
  return new ShellLexer(text, { escape: "\\", lookup: () => undefined, raw }).read().words;
}
