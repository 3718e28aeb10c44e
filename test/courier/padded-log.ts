// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { json, localServer, type LocalServer } from "./local-server.ts";

/** An entry as a log answers it. */
interface FoundEntry {
  readonly uuid: string;
  readonly entry: object;
}

/** What the index of a padded log has. */
export interface Padding {
  /** The one record under each hash. */
  readonly records: ReadonlyMap<string, FoundEntry>;
  /** What all entries of strangers are like, but for their statements. */
  readonly stranger: object;
  /** How many of them there are under each of these hashes, or under those that are padded. */
  readonly count: number;
  readonly isPadded?: (hash: string) => boolean;
  /** How large the statement of each is. */
  readonly bytes: number;
  /** How long each answer with entries takes, in milliseconds. */
  readonly ms?: number;
}

/** A log on this machine in which strangers logged more under a record's hash than there is of anything else. */
export async function paddedLog({
  records,
  stranger,
  count,
  isPadded = () => true,
  bytes,
  ms = 0,
}: Padding): Promise<LocalServer> {
  const byUuid = new Map([...records.values()].map(({ uuid, entry }) => [uuid, entry]));
  const [first = ""] = byUuid.keys();
  const tree = first.slice(0, 16);
  const junk = Array.from({ length: count }, (_, n) => `${tree}${(n + 1).toString(16).padStart(64, "0")}`);
  const indexed = (hash: string): readonly string[] => {
    const own = records.get(hash)?.uuid;
    if (own === undefined || !isPadded(hash)) return own === undefined ? [] : [own];
    return [...junk.slice(count / 2), own, ...junk.slice(0, count / 2)];
  };
  const entry = JSON.stringify({
    ...stranger,
    attestation: { data: Buffer.alloc(bytes).toString("base64") },
  });
  const answer: RequestListener = (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { hash, entryUUIDs = [] } = JSON.parse(body) as { hash?: string; entryUUIDs?: string[] };
      if (hash !== undefined) return json(indexed(hash))(request, response);
      const answered = entryUUIDs.map((uuid) => {
        const own = byUuid.get(uuid);
        return own === undefined ? `{"${uuid}":${entry}}` : JSON.stringify({ [uuid]: own });
      });
      setTimeout(() => response.end(`[${answered.join(",")}]`), ms);
      return undefined;
    });
  };
  return localServer(answer);
}
