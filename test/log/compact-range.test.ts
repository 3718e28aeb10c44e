// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { CompactRange } from "../../src/log/compact-range.ts";
import { hashLeaf, merkleTree } from "../sigstore/merkle-tree.ts";

const leaf = (n: number) => Buffer.from(`leaf ${n}`);

test("it makes the root of RFC 6962 at each size, also when it is gone on with from what was kept of it", () => {
  const tree = merkleTree();
  let range = new CompactRange();
  expect(range.root()).toEqual(tree.root());
  for (let n = 0; n < 300; n++) {
    tree.append(leaf(n));
    range.append(hashLeaf(leaf(n)));
    range = new CompactRange(range.size, range.hashes);
    expect(range.root()).toEqual(tree.root());
  }
  expect(range.hashes).toHaveLength(4);
});

test.for([0, 1, 255, 256, 257, 511, 512, 770])(
  "the whole groups of %i leaves are those of a smaller tree",
  (size) => {
    const tree = merkleTree();
    const range = new CompactRange();
    for (let n = 0; n < size; n++) {
      tree.append(leaf(n));
      range.append(hashLeaf(leaf(n)));
    }
    const groups = range.wholeGroups(256);
    expect(groups.size).toBe(size - (size % 256));
    expect(groups.root()).toEqual(tree.root(groups.size));
  },
);

test("hashes that are not those of a tree of this size are refused", () => {
  const hash = Buffer.alloc(32);
  expect(() => new CompactRange(3, [hash])).toThrow(RangeError);
  expect(() => new CompactRange(1, [Buffer.alloc(31)])).toThrow(RangeError);
  expect(() => new CompactRange(-1)).toThrow(RangeError);
});
