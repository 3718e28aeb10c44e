// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";

const HASH_BYTES = 32;
const NODE_BYTES = 1 + 2 * HASH_BYTES;

/**
 * The hashes that stand for the first leaves of a Merkle tree (RFC 6962, 2.1): one for each complete subtree, the largest
 * first. At most 53 of them, whatever the tree's size; with the leaves that follow they make the root of the larger tree.
 */
export class CompactRange {
  #size: number;
  readonly #hashes: Buffer[];
  readonly #node = Buffer.alloc(NODE_BYTES, 1);

  /** An empty one, or that of the first `size` leaves. Throws RangeError when it has not as many hashes as such a tree. */
  constructor(size = 0, hashes: readonly Buffer[] = []) {
    const isWhole = hashes.length === ones(size) && hashes.every((each) => each.length === HASH_BYTES);
    if (!Number.isSafeInteger(size) || size < 0 || !isWhole)
      throw new RangeError(`a tree of ${size} leaves has other subtrees`);
    this.#size = size;
    this.#hashes = [...hashes];
  }

  /** How many leaves it stands for. */
  get size(): number {
    return this.#size;
  }

  get hashes(): readonly Buffer[] {
    return this.#hashes;
  }

  /** Adds the hash of the next leaf. */
  append(leaf: Buffer): void {
    let right = leaf;
    for (let size = this.#size; size % 2 === 1; size = (size - 1) / 2)
      right = this.#join(this.#hashes.pop() ?? right, right);
    this.#hashes.push(right);
    this.#size += 1;
  }

  /** The root of the tree of these leaves. */
  root(): Buffer {
    const [last, ...larger] = this.#hashes.toReversed();
    if (last === undefined) return hash("sha256", "", "buffer");
    return larger.reduce((right, left) => this.#join(left, right), last);
  }

  /** That of the leaves in whole groups of `width`, a power of two: those behind the last whole one are left out. */
  wholeGroups(width: number): CompactRange {
    const groups = Math.floor(this.#size / width);
    return new CompactRange(groups * width, this.#hashes.slice(0, ones(groups)));
  }

  #join(left: Buffer, right: Buffer): Buffer {
    left.copy(this.#node, 1);
    right.copy(this.#node, 1 + HASH_BYTES);
    return hash("sha256", this.#node, "buffer");
  }
}

/** How many ones the number has in base two. */
function ones(number: number): number {
  let count = 0;
  for (let rest = number; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
