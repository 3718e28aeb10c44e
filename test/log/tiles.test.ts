// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type AskLog, LogError, logUrl } from "../../src/log/json-api.ts";
import { leafIn, readEntryBundle, tilePath } from "../../src/log/tiles.ts";
import { hashLeaf } from "../sigstore/merkle-tree.ts";

const call = { log: logUrl("https://log.example.org"), signal: new AbortController().signal };
const bundle = (...bodies: string[]) =>
  Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(body.length);
      return [length, Buffer.from(body)];
    }),
  );

/** A log that has these paths. */
function logWith(files: Readonly<Record<string, Buffer>>): { ask: AskLog; asked: string[] } {
  const asked: string[] = [];
  const ask: AskLog = async ({ url }) => {
    const path = url.pathname.replace("/api/v2/tile/entries/", "");
    asked.push(path);
    const bytes = files[path];
    return { status: bytes === undefined ? 404 : 200, headers: {}, bytes: Buffer.from(bytes ?? "") };
  };
  return { ask, asked };
}

test.for([
  [0, "000"],
  [999, "999"],
  [1000, "x001/000"],
  [1_234_067, "x001/x234/067"],
] as const)("bundle %i is at %s", ([tile, path]) => {
  expect(tilePath(tile)).toBe(path);
});

test("entries come with the hashes of their leaves", async () => {
  const { ask } = logWith({ "000.p/2": bundle("one", "") });
  const read = await readEntryBundle(ask, { ...call, tile: 0, width: 2 });
  expect(read.places.map((place) => leafIn(read, place))).toEqual([
    hashLeaf(Buffer.from("one")),
    hashLeaf(Buffer.of()),
  ]);
});

test("where a part of a bundle is dropped, the whole is asked for, and only the part is taken", async () => {
  const whole = bundle(...Array.from({ length: 256 }, (_, n) => `entry ${n}`));
  const { ask, asked } = logWith({ "x001/000": whole });
  const read = await readEntryBundle(ask, { ...call, tile: 1000, width: 3 });
  expect(read.places).toHaveLength(3);
  expect(asked).toEqual(["x001/000.p/3", "x001/000"]);
});

describe("bytes that are no bundle are refused", () => {
  test.for([
    ["too few", bundle("one"), /it has 1 entries, and the log's tree has 2 there/],
    ["an entry without its end", bundle("one", "two").subarray(0, -1), /an entry in it ends behind its end/],
    ["a length without its end", bundle("one", "").subarray(0, -1), /an entry in it ends behind its end/],
    ["nothing", Buffer.of(), /it has 0 entries/],
  ] as const)("%s", async ([, bytes, why]) => {
    const { ask } = logWith({ "000.p/2": bytes });
    await expect(readEntryBundle(ask, { ...call, tile: 0, width: 2 })).rejects.toThrow(why);
    await expect(readEntryBundle(ask, { ...call, tile: 0, width: 2 })).rejects.toThrow(LogError);
  });
});
