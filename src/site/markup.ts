// SPDX-License-Identifier: Apache-2.0

/** Text of HTML, SVG or XML in which nothing of a stranger's is markup any more. Only `markup` and `ownMarkup` make it. */
class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}
export type { Markup };

/** What may stand in a template: text of strangers, which is escaped, markup, or nothing. */
export type MarkupValue = string | number | bigint | Markup | undefined | readonly (Markup | undefined)[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
  "`": "&#96;",
};
// What XML 1.0 does not allow, and what turns the direction of writing round.
const UNFIT =
  /[^\t\n\r\u0020-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]|[\u007f-\u009f]|\p{Bidi_Control}/gu;

/**
 * A stranger's text as it may stand in an element or between quotes in an attribute, in HTML and in XML alike. What XML does not
 * allow, and what turns the direction of writing round, becomes U+FFFD.
 */
export function escaped(text: string): string {
  return text.replace(UNFIT, "\uFFFD").replace(/[&<>"'`]/g, (each) => ENTITIES[each] ?? "");
}

/** Markup out of a template of our own and values of strangers. Attributes have to be written in quotes. */
export function markup(template: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  const [first = "", ...rest] = template;
  return new Markup(first + rest.map((text, index) => textOf(values[index]) + text).join(""));
}

/** Text of our own that is markup as it stands: a style, a script. Never anything of a stranger's. */
export function ownMarkup(text: string): Markup {
  return new Markup(text);
}

function textOf(value: MarkupValue): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map((each) => each?.text ?? "").join("");
  return escaped(String(value));
}

/** JSON that is safe wherever a reader takes it for something else: in a page, or in a script. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029\u007f-\u009f]|\p{Bidi_Control}/gu,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A URL that a link may lead to, in its one spelling; undefined for what is none of http or https. */
export function webUrl(text: string): string | undefined {
  const url = URL.parse(text);
  return url !== null && ["http:", "https:"].includes(url.protocol) ? url.href : undefined;
}

/** An argument as a shell reads it: bare when nothing in it means anything to one, else in quotes. */
export function shellArgument(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
