// SPDX-License-Identifier: Apache-2.0
import { verifyMerkleInclusion } from "@sigstore/verify/dist/tlog/merkle.js";
import { expect, test } from "vitest";
import { hashLeaf, hashNode, merkleTree, type MerkleTree } from "./merkle-tree.ts";

const SIZES = Array.from({ length: 66 }, (_, size) => size);

test.for([
  { size: 0, root: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
  { size: 1, root: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
  { size: 2, root: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
  { size: 3, root: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
  { size: 8, root: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
])("has the root that Certificate Transparency's test vectors give for $size leaves", ({ size, root }) => {
  const leaves = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
  ];
  const tree = merkleTree();
  for (const leaf of leaves.slice(0, size)) tree.append(Buffer.from(leaf, "hex"));
  expect(tree.root().toString("hex")).toBe(root);
});

test("gives for every size the root that the definition gives, then and when the tree has grown", () => {
  const tree = treeOf(65);
  for (const size of SIZES.slice(1)) {
    expect(tree.root(size)).toEqual(rootByDefinition(leafHashes(size)));
    expect(treeOf(size).root()).toEqual(tree.root(size));
  }
});

test.for(SIZES.slice(1))("proves to @sigstore/verify that each leaf is in a tree of %i", (size) => {
  const tree = treeOf(65);
  for (let index = 0; index < size; index++) {
    const proof = inclusion(tree, index, size);
    expect(() => verifyMerkleInclusion(proof, checkpoint(tree, size))).not.toThrow();
    const foreign = { ...proof, canonicalizedBody: leafAt(index + 1) };
    expect(() => verifyMerkleInclusion(foreign, checkpoint(tree, size))).toThrow("does not match");
  }
});

test.for(SIZES.slice(1))("proves that a tree of %i begins with every smaller one", (size) => {
  const tree = treeOf(65);
  for (let first = 1; first <= size; first++) {
    const proof = tree.consistencyProof(first, size);
    expect(rootsByProof(first, size, tree.root(first), proof)).toEqual([tree.root(first), tree.root(size)]);
    if (first < size) {
      const [oldRoot] = rootsByProof(first, size, hashLeaf(Buffer.from("other")), proof);
      expect(oldRoot).toEqual(isPowerOfTwo(first) ? hashLeaf(Buffer.from("other")) : tree.root(first));
    }
  }
});

test.for([
  { what: "a leaf beyond the end", ask: (tree: MerkleTree) => tree.inclusionProof(5) },
  { what: "a leaf before the beginning", ask: (tree: MerkleTree) => tree.inclusionProof(-1) },
  { what: "a tree larger than there is", ask: (tree: MerkleTree) => tree.inclusionProof(0, 6) },
  { what: "consistency with an empty tree", ask: (tree: MerkleTree) => tree.consistencyProof(0, 5) },
  { what: "consistency backwards", ask: (tree: MerkleTree) => tree.consistencyProof(4, 3) },
  { what: "the root of a tree not yet there", ask: (tree: MerkleTree) => tree.root(6) },
])("refuses to prove $what", ({ ask }) => {
  expect(() => ask(treeOf(5))).toThrow(RangeError);
});

function leafAt(index: number): Buffer {
  return Buffer.from(`leaf ${index}`);
}

function treeOf(size: number): MerkleTree {
  const tree = merkleTree();
  for (let index = 0; index < size; index++) tree.append(leafAt(index));
  return tree;
}

function leafHashes(size: number): Buffer[] {
  return Array.from({ length: size }, (_, index) => hashLeaf(leafAt(index)));
}

/** RFC 6962 section 2.1 as it is written. */
function rootByDefinition(hashes: readonly Buffer[]): Buffer {
  const [first, second] = hashes;
  if (first === undefined) throw new RangeError("no leaves");
  if (second === undefined) return first;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return hashNode(rootByDefinition(hashes.slice(0, split)), rootByDefinition(hashes.slice(split)));
}

/** RFC 9162 section 2.1.4.2: the two roots a consistency proof leads to. */
function rootsByProof(
  first: number,
  second: number,
  firstRoot: Buffer,
  proof: readonly Buffer[],
): readonly [Buffer, Buffer] {
  if (first === second) return [firstRoot, firstRoot];
  const path = isPowerOfTwo(first) ? [firstRoot, ...proof] : [...proof];
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [fn >> 1, sn >> 1];
  const start = path.shift();
  if (start === undefined) throw new RangeError("an empty proof");
  let [fr, sr] = [start, start];
  for (const hash of path) {
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [hashNode(hash, fr), hashNode(hash, sr)];
      while (fn !== 0 && fn % 2 === 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else {
      sr = hashNode(sr, hash);
    }
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  if (sn !== 0) throw new RangeError("a proof of the wrong length");
  return [fr, sr];
}

function isPowerOfTwo(number: number): boolean {
  return (number & (number - 1)) === 0;
}

type Proven = Parameters<typeof verifyMerkleInclusion>[0];
type Checkpoint = Parameters<typeof verifyMerkleInclusion>[1];

function inclusion(tree: MerkleTree, index: number, size: number): Proven {
  return {
    logIndex: index.toString(),
    logId: { keyId: Buffer.alloc(32) },
    kindVersion: { kind: "intoto", version: "0.0.2" },
    integratedTime: "0",
    inclusionPromise: undefined,
    inclusionProof: {
      logIndex: index.toString(),
      treeSize: size.toString(),
      rootHash: tree.root(size),
      hashes: [...tree.inclusionProof(index, size)],
      checkpoint: { envelope: "" },
    },
    canonicalizedBody: leafAt(index),
  };
}

function checkpoint(tree: MerkleTree, size: number): Checkpoint {
  return { origin: "test", logSize: BigInt(size), logHash: tree.root(size), rest: [] };
}
