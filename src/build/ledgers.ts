// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import { CallError } from "../gateway/status.ts";
import type { Ledger } from "../ledger/answer.ts";
import { LedgerError } from "../ledger/error.ts";
import { HEAD_PLATFORM } from "../ledger/layout.ts";
import { type LedgerReading, openLedger } from "../ledger/reading.ts";
import type { LedgerSource } from "../ledger/source.ts";
import { excerpt } from "../log/excerpt.ts";

/** How long BuildKit has for one answer: it sets a registry that says nothing no limit. */
const DEADLINE_MS = 5_000;
/** A registry may answer with a fault while the tag is being written. */
const PAUSE_MS = 200;

/**
 * The ledgers of a build, read through BuildKit with the builder's own credentials: no container, no network of ours. BuildKit
 * keeps what it has read, so a ledger that has not changed costs one request.
 */
export function openLedgers(
  bridge: Pick<Bridge, "resolveImageConfig">,
  sources: readonly LedgerSource[],
  reading: Omit<LedgerReading, "configuration">,
): readonly Ledger[] {
  const configuration = (reference: string): Promise<Uint8Array> => readConfiguration(bridge, reference);
  return sources.map((source) => openLedger(source, { ...reading, configuration }));
}

async function readConfiguration(
  bridge: Pick<Bridge, "resolveImageConfig">,
  reference: string,
): Promise<Uint8Array> {
  try {
    return await ask(bridge, reference);
  } catch (error) {
    if (!(error instanceof CallError) || isNotThere(error, reference)) throw asLedgerError(error, reference);
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  try {
    return await ask(bridge, reference);
  } catch (error) {
    throw asLedgerError(error, reference);
  }
}

async function ask(bridge: Pick<Bridge, "resolveImageConfig">, reference: string): Promise<Uint8Array> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      reject(
        new LedgerError("ledger-unreachable", `"${reference}" was not answered in ${DEADLINE_MS / 1_000} s`),
      ),
    DEADLINE_MS,
  );
  const asked = bridge.resolveImageConfig({
    Ref: reference,
    // Any other mode may answer what this machine has under that name.
    ResolveMode: "pull",
    LogName: `[internal] read the ledger ${reference}`,
    Platform: HEAD_PLATFORM,
  });
  try {
    return (await Promise.race([asked, late])).Config;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the registry said that it has no such thing, and not that something else of it is missing. */
function isNotThere({ message }: CallError, reference: string): boolean {
  return message.endsWith(`${reference}: not found`);
}

function asLedgerError(error: unknown, reference: string): unknown {
  if (!(error instanceof CallError)) return error;
  return isNotThere(error, reference)
    ? new LedgerError("ledger-not-there", `the registry has no "${reference}"`, { cause: error })
    : new LedgerError(
        "ledger-unreachable",
        `"${reference}" could not be asked for: ${excerpt(error.message, 300)}`,
        { cause: error },
      );
}
