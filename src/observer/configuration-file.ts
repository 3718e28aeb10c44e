// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { excerpt } from "../log/excerpt.ts";
import { MAX_POLICY_BYTES } from "../policy/name.ts";
import { UsageError } from "../program/command-line.ts";
import { ConfigurationError, type ObserverConfiguration, readConfiguration } from "./configuration.ts";

/** Reads the file of an observer's configuration; its name is relative to `directory`. Throws UsageError. */
export async function readConfigurationFile(
  name: string,
  { directory, isApprover }: { readonly directory: string; readonly isApprover?: boolean },
): Promise<ObserverConfiguration> {
  return readProgramFile(name, directory, (text, file) =>
    readConfiguration(text, { ...file, ...(isApprover === true && { isApprover }) }),
  );
}

/**
 * Reads the file of a program's configuration by `read`, which throws ConfigurationError; its name is relative to `directory`.
 * Throws UsageError.
 */
export async function readProgramFile<T>(
  name: string,
  directory: string,
  read: (text: string, file: { readonly path: string; readonly name: string }) => T,
): Promise<T> {
  const path = resolve(directory, name);
  let bytes: Buffer;
  try {
    // One more than the limit is enough to see that it is too large.
    bytes = await buffer(createReadStream(path, { end: MAX_POLICY_BYTES }));
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    const why =
      code === "ENOENT"
        ? "there is no such file; write one, or name another with --config"
        : `it cannot be read (${code})`;
    throw new UsageError(`read configuration "${excerpt(name, 300)}": ${why}`, { cause });
  }
  try {
    return read(new TextDecoder("utf-8", { fatal: true }).decode(bytes), { path, name });
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw new UsageError(cause.message, { cause });
    if (cause instanceof TypeError)
      throw new UsageError(`read configuration "${excerpt(name, 300)}": it is not text in UTF-8`, { cause });
    throw cause;
  }
}
