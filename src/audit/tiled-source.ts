// SPDX-License-Identifier: Apache-2.0
import type { AskLog, LogCall } from "../log/json-api.ts";
import { type EntryBundle, leafIn, readCheckpoint, readEntryBundle, TILE_WIDTH } from "../log/tiles.ts";
import { type Examination, type Examined, examineBody } from "./found-entry.ts";
import type { Leaf, LeafSource } from "./follow.ts";
import { signerSearch } from "./signer-search.ts";

/** So many bundles are asked for ahead: a whole one has half a megabyte, and 16 at most. */
const AHEAD = 4;

/** The entries of a Rekor v2 log. */
export function tiledSource(
  ask: AskLog,
  { call, examination }: { readonly call: LogCall; readonly examination: Examination },
): LeafSource {
  const search = signerSearch(examination.signers);
  const { host } = call.log;

  const leavesIn = (bundle: EntryBundle, first: number): readonly Leaf[] => {
    const { bytes, places } = bundle;
    const hits = search.places(bytes);
    let hit = 0;
    return places.map((place, n) => {
      const { start, end } = place;
      while ((hits[hit] ?? Infinity) < start) hit += 1;
      const isHit = (hits[hit] ?? Infinity) < end;
      return {
        hash: leafIn(bundle, place),
        examine: () => {
          if (!isHit) return isEntry(bytes.toString("utf8", start, end)) ? undefined : UNREADABLE;
          const index = first + n;
          const body = bytes.toString("base64", start, end);
          return examineBody(body, { index, place: `entry ${index} of "${host}"` }, examination);
        },
      };
    });
  };

  return {
    group: TILE_WIDTH,
    checkpoint: () => readCheckpoint(ask, call),
    async *leaves(from, to) {
      const tiles = Math.ceil(to / TILE_WIDTH);
      const coming: Promise<EntryBundle>[] = [];
      let next = Math.floor(from / TILE_WIDTH);
      for (let tile = next; tile < tiles; tile++) {
        for (; next < tiles && coming.length < AHEAD; next++) {
          const width = Math.min(TILE_WIDTH, to - next * TILE_WIDTH);
          const bundle = readEntryBundle(ask, { ...call, tile: next, width });
          // It is looked at when it is its turn.
          bundle.catch(() => undefined);
          coming.push(bundle);
        }
        const bundle = await coming.shift();
        if (bundle === undefined) return;
        yield leavesIn(bundle, tile * TILE_WIDTH);
      }
    },
  };
}

const UNREADABLE: Examined = { kind: "unreadable" };

/** Whether it is JSON that says of what kind it is. */
function isEntry(body: string): boolean {
  try {
    const value: unknown = JSON.parse(body);
    return (
      typeof value === "object" &&
      value !== null &&
      "kind" in value &&
      typeof value.kind === "string" &&
      "apiVersion" in value &&
      typeof value.apiVersion === "string"
    );
  } catch {
    return false;
  }
}
