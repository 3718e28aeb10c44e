// SPDX-License-Identifier: Apache-2.0
import { expect } from "vitest";
import type { Outcome } from "../lab/command.ts";

/** A command on a page, and what it prints there. */
interface Shown {
  readonly command: string;
  readonly output: readonly string[];
}

/** The digest `sha256:c899…` of a page. */
const SHORT_DIGEST = /sha256:([0-9a-f]{4})…/g;
const PIECES = /sha256:[0-9a-f]{4}…|^…\n|…/gm;

/**
 * Runs what stands behind `$ ` in a `console` block of a page, one after the other, and asserts that it prints what stands below.
 * There, `…` is any text, a line of it any lines or none, and `sha256:c899…` a digest, everywhere the same one and never that of another name. `names` are those of
 * the page and what they are here.
 */
export async function expectConsole(
  block: string,
  {
    names,
    shell,
  }: {
    readonly names: Readonly<Record<string, string>>;
    readonly shell: (command: string) => Promise<Outcome>;
  },
): Promise<void> {
  const digests = new Map<string, string>();
  for (const { command, output } of shownIn(block)) {
    const here = Object.entries(names).reduce((text, [name, real]) => text.replaceAll(name, real), command);
    const printed = await shell(here);
    const told = Object.entries(names).reduce(
      (text, [name, real]) => text.replaceAll(real, name),
      printed.output,
    );
    const text = output.join("\n");
    const pattern = new RegExp(`^${patternOf(text)}\\s*$`);
    expect(told, `what "${command}" prints`).toMatch(pattern);
    const found = pattern.exec(told)?.slice(1) ?? [];
    for (const [index, [, short = ""]] of [...text.matchAll(SHORT_DIGEST)].entries()) {
      const digest = found[index] ?? "";
      expect(digests.get(short) ?? digest, `the digest ${short}… of the page`).toBe(digest);
      digests.set(short, digest);
    }
  }
  expect(new Set(digests.values()).size, "each digest of the page is another one").toBe(digests.size);
  expect(digests.size).toBeGreaterThan(0);
}

function shownIn(block: string): readonly Shown[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = "", ...output] = part.trimEnd().split("\n");
      return { command, output };
    });
}

function patternOf(text: string): string {
  let pattern = "";
  let end = 0;
  for (const match of text.matchAll(PIECES)) {
    pattern += escaped(text.slice(end, match.index));
    pattern += match[0].startsWith("sha256:") ? "(sha256:[0-9a-f]{64})" : "[^]*?";
    end = match.index + match[0].length;
  }
  return pattern + escaped(text.slice(end));
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
