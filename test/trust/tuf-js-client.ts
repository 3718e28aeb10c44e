// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Updater } from "tuf-js";
import { DownloadHTTPError } from "tuf-js/dist/error.js";

/**
 * The trusted root that somebody else's TUF client gets from these files, or undefined when they have none. It reads
 * the clock itself. Throws what it throws.
 */
export async function updateByTufJs(
  { seed, files }: { readonly seed: Uint8Array; readonly files: ReadonlyMap<string, Uint8Array> },
  mirror: string,
): Promise<string | undefined> {
  const directory = mkdtempSync(join(tmpdir(), "tlog-dockerfile-tuf-"));
  const get = (url: string, maxBytes: number): Buffer => {
    const bytes = files.get(url.slice(mirror.length + 1));
    if (bytes === undefined) throw new DownloadHTTPError("not found", 404);
    if (bytes.length > maxBytes) throw new Error("too long");
    return Buffer.from(bytes);
  };
  try {
    writeFileSync(join(directory, "root.json"), seed);
    const updater = new Updater({
      metadataDir: directory,
      metadataBaseUrl: mirror,
      targetBaseUrl: `${mirror}/targets`,
      fetcher: {
        downloadBytes: async (url, maxBytes) => get(url, maxBytes),
        async downloadFile(url, maxBytes, handler) {
          const file = join(directory, "downloaded");
          writeFileSync(file, get(url, maxBytes));
          return handler(file);
        },
      },
    });
    await updater.refresh();
    const target = await updater.getTargetInfo("trusted_root.json");
    if (target === undefined) return undefined;
    return readFileSync(await updater.downloadTarget(target, join(directory, "target")), "utf8");
  } finally {
    rmSync(directory, { recursive: true });
  }
}
