// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MAX_REMEMBERED_BYTES, REMEMBERED } from "../protocol.ts";
import { fieldsOf } from "./json-fields.ts";
import { serve } from "./service.ts";

/** What is asked, and how. */
export interface Remembering {
  /** Requests as in the protocol, a line each. */
  readonly questions: readonly string[];
  /** The time that one request has. */
  readonly deadlineMs: number;
  readonly now: () => Date;
}

/**
 * The courier's process where its answers are kept: asks what the environment says, and writes a file with the time and all
 * that a courier would have said. There is no file when it cannot ask; whoever reads it asks again then. Never throws: in a
 * build a step that fails is shown in red.
 */
export async function remember(
  environment: Readonly<Record<string, string | undefined>>,
  deadlineMs: number,
): Promise<void> {
  try {
    const questions = (environment[REMEMBERED.questions] ?? "").split("\n");
    const text = await answersTo({ questions, deadlineMs, now: () => new Date() });
    writeFileSync(join(REMEMBERED.directory, REMEMBERED.file), text);
  } catch {
    // No file says it.
  }
}

/** The file's text: the time, and the lines of the answers; the time alone when they are too long to be kept. Throws as `serve` does. */
export async function answersTo({ questions, deadlineMs, now }: Remembering): Promise<string> {
  const begun = `${JSON.stringify({ askedAt: now().toISOString() })}\n`;
  const said: string[] = [];
  let size = begun.length;
  let open = questions.length;
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const say = (line: string): void => {
    size += Buffer.byteLength(line);
    if (size <= MAX_REMEMBERED_BYTES) said.push(line);
    const { id, say: kind } = fieldsOf(JSON.parse(line));
    if (id !== undefined && kind !== "entries") open -= 1;
    if (open === 0 || size > MAX_REMEMBERED_BYTES) end();
  };
  const lines = async function* (): AsyncGenerator<string, void, undefined> {
    yield* questions;
    await over;
  };
  await serve({ lines: lines(), say, secret: Promise.resolve({}), deadlineMs });
  return size > MAX_REMEMBERED_BYTES ? begun : begun + said.join("");
}
