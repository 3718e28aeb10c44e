// SPDX-License-Identifier: Apache-2.0
import { Reader } from "protobufjs/minimal.js";
import { GateError } from "./gate-error.ts";

/** How deep messages lie in one another at most, in what we decode. */
const MAX_DEPTH = 16;

/**
 * Decodes a message of the conversion's. Throws GateError for bytes that do not decode, and for any field in it that
 * this version does not know: what is not read is never passed on. `what` names the message: `a Solve`.
 */
export function decodeStrictly<Message extends object>(
  codec: { decode(reader: Reader): Message },
  bytes: Uint8Array,
  what: string,
): Message {
  let message: Message;
  try {
    const reader = Reader.create(bytes);
    // Left to itself, the decoder drops what it does not know.
    reader.discardUnknown = false;
    message = codec.decode(reader);
  } catch (cause) {
    throw new GateError(`the conversion sent ${what} that does not decode`, { cause });
  }
  if (hasUnknowns(message))
    throw new GateError(
      `the conversion sent ${what} with a part that this version of tlog-dockerfile does not know`,
    );
  return message;
}

function hasUnknowns(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  if (depth > MAX_DEPTH) return true;
  const { $unknowns } = value as { readonly $unknowns?: readonly unknown[] };
  return Boolean($unknowns?.length) || Object.values(value).some((each) => hasUnknowns(each, depth + 1));
}
