// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { channelBroken } from "./courier-error.ts";
import { Answer, MAX_LINE_BYTES } from "./protocol.ts";

/** Reads one line of the courier's. Throws CourierError `channel-broken` for what is no answer. */
export function readAnswer(line: string): { readonly answer: Answer; readonly bytes: number } {
  const bytes = Buffer.byteLength(line);
  if (bytes > MAX_LINE_BYTES)
    throw channelBroken(`said a line of ${bytes} bytes, more than ${MAX_LINE_BYTES}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw channelBroken(`said something that is not JSON: "${excerpt(line)}"`);
  }
  const answer = v.safeParse(Answer, value);
  if (answer.success) return { answer: answer.output, bytes };
  const [issue] = answer.issues;
  throw channelBroken(
    `said something that is no answer (${excerpt(v.getDotPath(issue) ?? "the line")}): "${excerpt(line)}"`,
  );
}
