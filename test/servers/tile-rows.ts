// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { hashLeaf } from "../sigstore/merkle-tree.ts";
import type { Section } from "./conformance-row.ts";
import type { Target } from "./target.ts";
import { appendV2, proposeRecord, requestV2 } from "./v2-requests.ts";

const CHECKPOINT = "/api/v2/checkpoint";
const TILE_WIDTH = 256;

interface Checkpoint {
  readonly text: string;
  readonly origin: string;
  readonly size: number;
  /** Of its one signature line: name, key hint and signature. */
  readonly name: string;
  readonly hint: Buffer;
  readonly signature: Buffer;
}

async function readBytes({ place }: Target, path: string): Promise<Buffer> {
  const response = await fetch(`${place.rekorV2}${path}`);
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

async function checkpointOf(target: Target): Promise<Checkpoint> {
  const [text = "", line = ""] = (await readBytes(target, CHECKPOINT)).toString("utf8").split("\n\n");
  const [origin = "", size] = text.split("\n");
  const [, name = "", signature = ""] = /^\u2014 (\S+) (\S+)\n$/.exec(line) ?? [];
  const bytes = Buffer.from(signature, "base64");
  const parts = { hint: bytes.subarray(0, 4), signature: bytes.subarray(4) };
  return { text: `${text}\n`, origin, size: Number(size), name, ...parts };
}

/** Appends, and waits until the log's own checkpoint has the entry. */
async function appendSettled(target: Target) {
  const entry = await appendV2(target, proposeRecord());
  const index = Number(entry.logIndex);
  const end = performance.now() + 5_000;
  for (;;) {
    const { size } = await checkpointOf(target);
    if (size > index) return { index, size, body: Buffer.from(entry.canonicalizedBody, "base64") };
    if (performance.now() > end) throw new Error(`no checkpoint has entry ${index}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The tile that has this index at the given size of the tree, as the path names it, and where in it. */
function tileOf(index: number, size: number): { readonly path: string; readonly at: number } {
  const number = Math.floor(index / TILE_WIDTH);
  const width = Math.min(TILE_WIDTH, size - number * TILE_WIDTH);
  const name = number.toString().padStart(3, "0");
  return { path: width === TILE_WIDTH ? name : `${name}.p/${width}`, at: index % TILE_WIDTH };
}

/** The key of the v2 log in the trusted root. */
function logKey({ trustedRootFile }: Target) {
  const root = JSON.parse(readFileSync(trustedRootFile, "utf8")) as {
    tlogs: { publicKey: { rawBytes: string; keyDetails: string }; logId: { keyId: string } }[];
  };
  const log = root.tlogs.find(({ publicKey }) => publicKey.keyDetails === "PKIX_ED25519");
  const der = Buffer.from(log?.publicKey.rawBytes ?? "", "base64");
  return {
    key: createPublicKey({ key: der, format: "der", type: "spki" }),
    raw: der.subarray(-32),
    logId: Buffer.from(log?.logId.keyId ?? "", "base64"),
  };
}

/** What is read of a v2 log, which answers no search. */
export const readingTiles: Section = {
  title: "Reading Rekor v2",
  rows: [
    {
      says: "The checkpoint's origin is the host of the log's URL, without port, and so is the signature's name",
      v2: {
        ours: {
          expected: "they are",
          async look(target) {
            const { origin, name } = await checkpointOf(target);
            const { hostname } = new URL(target.place.rekorV2);
            return origin === hostname && name === hostname ? "they are" : `${origin}, ${name}`;
          },
        },
      },
    },
    {
      says: "… its signature is by the log's Ed25519 key, whose hash with the origin is the log's identifier",
      v2: {
        ours: {
          expected: "it is",
          async look(target) {
            const { text, origin, hint, signature } = await checkpointOf(target);
            const { key, raw, logId } = logKey(target);
            const id = createHash("sha256").update(`${origin}\n\u0001`).update(raw).digest();
            const isOurs = id.equals(logId) && hint.equals(id.subarray(0, 4));
            return isOurs && verify(null, Buffer.from(text), key, signature) ? "it is" : "it is not";
          },
        },
      },
    },
    {
      says: "The tile of a checkpoint's size has the hash of an entry",
      v2: {
        ours: {
          expected: "it has",
          async look(target) {
            const { index, size, body } = await appendSettled(target);
            const { path, at } = tileOf(index, size);
            const hashes = await readBytes(target, `/api/v2/tile/0/${path}`);
            return hashes.subarray(32 * at, 32 * (at + 1)).equals(hashLeaf(body)) ? "it has" : "it has not";
          },
        },
      },
    },
    {
      says: "… and the bundle of that size the entry's body",
      v2: {
        ours: {
          expected: "it has",
          async look(target) {
            const { index, size, body } = await appendSettled(target);
            const { path, at } = tileOf(index, size);
            let rest = await readBytes(target, `/api/v2/tile/entries/${path}`);
            for (let n = 0; n < at; n += 1) rest = rest.subarray(2 + rest.readUInt16BE(0));
            return rest.subarray(2, 2 + rest.readUInt16BE(0)).equals(body) ? "it has" : "it has not";
          },
        },
      },
    },
    {
      says: "A search, as the v1 API has it",
      v2: {
        ours: {
          expected: "404",
          async look(target) {
            const response = await fetch(`${target.place.rekorV2}/api/v2/index/retrieve`, { method: "POST" });
            return `${response.status}`;
          },
        },
      },
    },
    tile("A tile that is not there yet", "/api/v2/tile/0/999"),
    tile("… in part", "/api/v2/tile/0/999.p/1"),
    tile("A tile of width zero", "/api/v2/tile/0/000.p/0"),
    tile("A tile on a level that no tree has", "/api/v2/tile/63/000.p/1"),
    requestV2("Writing to the checkpoint's path", "501, code 12", { path: CHECKPOINT, body: {} }),
  ],
};

function tile(says: string, path: string): Section["rows"][number] {
  const look = async ({ place }: Target) => `${(await fetch(`${place.rekorV2}${path}`)).status}`;
  return { says, v2: { ours: { expected: "404", look } } };
}
