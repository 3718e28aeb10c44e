// SPDX-License-Identifier: Apache-2.0

/** Something that the conversion asked for or answered and that does not pass the gate. The message says what and why. */
export class GateError extends Error {
  override readonly name = "GateError";
}
