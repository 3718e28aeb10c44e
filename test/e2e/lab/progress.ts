// SPDX-License-Identifier: Apache-2.0

/** Tells the person who waits what the lab is doing. */
export function say(text: string): void {
  process.stderr.write(`lab: ${text}\n`);
}
