// SPDX-License-Identifier: Apache-2.0

/** An element of an XML document, with the text of it and of all that is in it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: XmlElement[];
  text: string;
}

const NAME = "[A-Za-z_][\\w:.-]*";
const TOKEN = new RegExp(
  `<\\?xml [^?<>]*\\?>|<!doctype html>|</(${NAME})\\s*>|<(${NAME})((?:\\s+${NAME}(?:="[^"<]*")?)*)\\s*(/?)>|([^<]+)|(<)`,
  "y",
);
const ENTITY = /&(?:#(\d+)|#x([\da-f]+)|(amp|lt|gt|quot|apos));|&/gi;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
/** Elements of HTML that never have an end. */
const VOID = new Set(["meta", "link", "input", "br"]);

/**
 * Reads XML, or HTML that is written like it, more strictly than a browser: every element is closed, every attribute in double quotes
 * and there once, no character that XML does not allow, no entity but XML's. Throws Error. What is in a script is text.
 */
export function parseXml(text: string, { isHtml = false } = {}): XmlElement {
  if (/[^\t\n\r\u0020-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(text))
    throw new Error("a character is not allowed");
  const root: XmlElement = { name: "", attributes: {}, children: [], text: "" };
  const open: XmlElement[] = [root];
  const addText = (more: string) => open.forEach((each) => (each.text += more));
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const [, end, begin, attributes = "", closed, plain, stray] = TOKEN.exec(text) ?? [];
    if (TOKEN.lastIndex === 0 || stray !== undefined)
      throw new Error(`no markup: ${text.slice(at, at + 60)}`);
    if (plain !== undefined) addText(decoded(plain));
    if (end !== undefined && open.pop()?.name !== end) throw new Error(`</${end}> closes something else`);
    if (begin === undefined) continue;
    const element: XmlElement = {
      name: begin,
      attributes: attributesOf(attributes, isHtml),
      children: [],
      text: "",
    };
    open.at(-1)?.children.push(element);
    if (isHtml && begin === "script") {
      const stop = text.indexOf("</script>", TOKEN.lastIndex);
      element.text = text.slice(TOKEN.lastIndex, stop);
      TOKEN.lastIndex = stop + "</script>".length;
    } else if (closed !== "/" && !(isHtml && VOID.has(begin))) open.push(element);
  }
  if (open.length !== 1) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  const [only, other] = root.children;
  if (only === undefined || other !== undefined) throw new Error("it has not one element");
  return only;
}

/** All elements of a document with this name. */
export function elements(element: XmlElement, name: string): readonly XmlElement[] {
  const within = element.children.flatMap((each) => elements(each, name));
  return element.name === name ? [element, ...within] : within;
}

/** All elements of a document. */
export function everyElement(element: XmlElement): readonly XmlElement[] {
  return [element, ...element.children.flatMap(everyElement)];
}

function attributesOf(text: string, isHtml: boolean): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name = "", value] of text.matchAll(new RegExp(`(${NAME})(?:="([^"<]*)")?`, "g"))) {
    if (name in attributes) throw new Error(`the attribute "${name}" is there twice`);
    if (value === undefined && !isHtml) throw new Error(`the attribute "${name}" has no value`);
    attributes[name] = decoded(value ?? "");
  }
  return attributes;
}

function decoded(text: string): string {
  return text.replace(ENTITY, (each, decimal?: string, hex?: string, name?: string) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    const known = name === undefined ? undefined : NAMED[name.toLowerCase()];
    if (known === undefined) throw new Error(`"${each}" is no entity`);
    return known;
  });
}
