// SPDX-License-Identifier: Apache-2.0
import { parseReference } from "../../image/reference.ts";
import type { Ledger } from "../answer.ts";
import { LedgerError } from "../error.ts";
import { HEAD_PLATFORM, MAX_PART_BYTES } from "../layout.ts";
import { type LedgerReading, openLedger } from "../reading.ts";
import type { LedgerSource } from "../source.ts";
import type { Registry } from "../../registry/client.ts";
import { RegistryError } from "../../registry/error.ts";
import { imageConfiguration } from "../../registry/image-configuration.ts";

const PLATFORM = { os: HEAD_PLATFORM.OS, architecture: HEAD_PLATFORM.Architecture };

/**
 * Ledgers as programs outside builds read them: by the same rules as a build, over the registry's own API. Like a build, each is
 * read once; open them anew to see what is new.
 */
export function openRegistryLedgers(
  registry: Registry,
  sources: readonly LedgerSource[],
  { signal, ...reading }: Omit<LedgerReading, "configuration"> & { readonly signal: AbortSignal },
): readonly Ledger[] {
  const configuration = async (reference: string): Promise<Uint8Array> => {
    const { registry: host, repository, tag, digest } = parseReference(reference);
    const name = digest ?? tag ?? "";
    try {
      const bytes = await imageConfiguration(
        registry,
        { registry: host, repository },
        { name, platform: PLATFORM, maxBytes: MAX_PART_BYTES, signal },
      );
      if (bytes !== undefined) return bytes;
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      throw new LedgerError("ledger-unreachable", error.message, { cause: error });
    }
    throw new LedgerError("ledger-not-there", `the registry has no "${reference}"`);
  };
  return sources.map((source) => openLedger(source, { ...reading, configuration }));
}
