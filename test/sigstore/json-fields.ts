// SPDX-License-Identifier: Apache-2.0
import { invalid, rejected } from "./refusal.ts";

/** A JSON object whose members are not known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a parsed JSON value is an object (neither null nor an array). */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object under this name; Refusal 602 (required) when there is none. */
export function requiredFields(parent: Fields, name: string): Fields {
  const value = parent[name];
  if (!isFields(value)) throw invalid(602, `${name} in body is required`);
  return value;
}

/** The string under this name; Refusal 602 (required) when there is none. */
export function requiredString(parent: Fields, name: string): string {
  const value = parent[name];
  if (typeof value !== "string") throw invalid(602, `${name} in body is required`);
  return value;
}

/** The bytes of standard, padded base64 (newlines are skipped, as Go does); Refusal 400 when it is not. */
export function decodeBase64(text: string, what: string): Buffer {
  const plain = text.replaceAll(/[\r\n]/g, "");
  if (plain.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(plain)) {
    throw rejected(`failed parsing base64 data for ${what}`);
  }
  return Buffer.from(plain, "base64");
}
