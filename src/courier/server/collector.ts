// SPDX-License-Identifier: Apache-2.0
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How much is read before its memory is given back where nothing else is said, in bytes. */
const EVERY_BYTES = 1 * 1024 * 1024;

/**
 * Gives memory back after every so many bytes of answers: others decide how many there are, and Node would let what
 * was dropped of them pile up to hundreds of megabytes. The function is told how many bytes were read.
 */
export function openCollector(everyBytes = EVERY_BYTES): (bytes: number) => void {
  let collect: (() => void) | undefined;
  let read = 0;
  return (bytes) => {
    read += bytes;
    if (read < everyBytes) return;
    read = 0;
    collect ??= garbageCollection();
    collect();
  };
}

/** Node shows it to nobody who does not ask in this way. */
function garbageCollection(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
