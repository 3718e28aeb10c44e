// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";

/** An append-only Merkle tree over sha256, as RFC 6962 section 2.1 defines it. Sizes and indexes are counted in leaves. */
export interface MerkleTree {
  readonly size: number;
  /** Adds one leaf and returns its index. */
  append(leaf: Uint8Array): number;
  /** The root over the first `size` leaves (all of them when not given); sha256 of nothing for an empty tree. */
  root(size?: number): Buffer;
  /** The audit path of a leaf, lowest level first (2.1.1). Throws RangeError unless index < size <= this.size. */
  inclusionProof(index: number, size?: number): readonly Buffer[];
  /** The proof that the tree of `second` leaves begins with that of `first` (2.1.2). Throws RangeError unless 1 <= first <= second <= this.size. */
  consistencyProof(first: number, second: number): readonly Buffer[];
  /** The hash of the complete subtree number `index` of height `level` (level 0 is the leaves); undefined while it is not full. */
  subtree(level: number, index: number): Buffer | undefined;
}

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** The hash of a leaf: sha256 over a zero byte and the leaf. */
export function hashLeaf(leaf: Uint8Array): Buffer {
  return createHash("sha256").update(LEAF).update(leaf).digest();
}

/** The hash of an inner node: sha256 over a one byte and the two hashes below it. */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash("sha256").update(NODE).update(left).update(right).digest();
}

/** An empty tree, held in memory: every complete subtree's hash is kept, so roots and proofs take logarithmic time. */
export function merkleTree(): MerkleTree {
  const levels: Buffer[][] = [[]];
  const leaves = levels[0] ?? [];

  /** The hash over leaves [start, end), which must not be empty. */
  function range(start: number, end: number): Buffer {
    const width = end - start;
    const complete = levels[Math.log2(width)]?.[start / width];
    if (complete !== undefined) return complete;
    const split = start + largestPowerBelow(width);
    return hashNode(range(start, split), range(split, end));
  }

  function path(index: number, start: number, end: number): Buffer[] {
    if (end - start === 1) return [];
    const split = start + largestPowerBelow(end - start);
    return index < split
      ? [...path(index, start, split), range(split, end)]
      : [...path(index, split, end), range(start, split)];
  }

  /** RFC 6962's SUBPROOF: `known` says that the reader has the hash of [start, end of the old tree) already. */
  function consistency(first: number, start: number, end: number, known: boolean): Buffer[] {
    if (first === end) return known ? [] : [range(start, end)];
    const split = start + largestPowerBelow(end - start);
    return first <= split
      ? [...consistency(first, start, split, known), range(split, end)]
      : [...consistency(first, split, end, false), range(start, split)];
  }

  return {
    get size() {
      return leaves.length;
    },
    append(leaf) {
      const added = leaves.push(hashLeaf(leaf)) - 1;
      let index = added;
      for (let level = 0; index % 2 === 1; level++, index = (index - 1) / 2) {
        const left = levels[level]?.[index - 1];
        const right = levels[level]?.[index];
        if (left === undefined || right === undefined)
          throw new RangeError(`no node ${index} on level ${level}`);
        (levels[level + 1] ??= []).push(hashNode(left, right));
      }
      return added;
    },
    root(size = leaves.length) {
      inOrder(0, size, leaves.length);
      return size === 0 ? createHash("sha256").digest() : range(0, size);
    },
    inclusionProof(index, size = leaves.length) {
      inOrder(0, index, size - 1, leaves.length - 1);
      return path(index, 0, size);
    },
    consistencyProof(first, second) {
      inOrder(1, first, second, leaves.length);
      return consistency(first, 0, second, true);
    },
    subtree(level, index) {
      return levels[level]?.[index];
    },
  };
}

function largestPowerBelow(count: number): number {
  return 2 ** (Math.ceil(Math.log2(count)) - 1);
}

function inOrder(...numbers: readonly number[]): void {
  const wrong = numbers.some((n, i) => !Number.isSafeInteger(n) || n < (numbers[i - 1] ?? 0));
  if (wrong) throw new RangeError(`not in order: ${numbers.join(" <= ")}`);
}
