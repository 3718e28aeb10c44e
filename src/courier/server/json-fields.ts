// SPDX-License-Identifier: Apache-2.0

/** The fields of a JSON object that a stranger made; nothing of them is verified. */
export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a value; none when it is no object. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The fields of a JSON object; none when the bytes are no such object. */
export function fieldsIn(bytes: Buffer): Fields {
  try {
    return fieldsOf(JSON.parse(bytes.toString("utf8")));
  } catch {
    // JSON.parse quotes what it was given, which may be secret.
    return {};
  }
}
