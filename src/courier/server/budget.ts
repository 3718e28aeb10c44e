// SPDX-License-Identifier: Apache-2.0
import { Failure } from "./failure.ts";

/** How many entries the index may list for all searches of a build; short lists do not count. */
const MAX_LISTED = 600_000;
const SHORT_LIST = 1_000;

/** What may be spent on searches. */
export interface Allowance {
  readonly entries: number;
  /** Of the lines that bring them. */
  readonly bytes: number;
  /** While at least one search is under way, in milliseconds. */
  readonly ms: number;
}

/** What searches cost, by the clock of `performance.now()`. */
class Account {
  readonly #allowance: Allowance;
  readonly #of: string;
  #entries = 0;
  #bytes = 0;
  #ms = 0;
  #open = 0;
  #since = 0;

  constructor(allowance: Allowance, of: string) {
    this.#allowance = allowance;
    this.#of = of;
  }

  leftMs(): number {
    return this.#allowance.ms - this.#ms - (this.#open > 0 ? performance.now() - this.#since : 0);
  }

  begin(): void {
    if (this.#open++ === 0) this.#since = performance.now();
  }

  end(): void {
    if (--this.#open === 0) this.#ms += performance.now() - this.#since;
  }

  /** Whether so much more leaves half of it to entries that may count. */
  hasRoom(entries: number, bytes: number): boolean {
    const { entries: most, bytes: mostBytes } = this.#allowance;
    return this.#entries + entries <= most / 2 && this.#bytes + bytes <= mostBytes / 2;
  }

  spend(entries: number, bytes: number): void {
    this.#entries += entries;
    this.#bytes += bytes;
    const { entries: most, bytes: mostBytes } = this.#allowance;
    if (this.#entries <= most && this.#bytes <= mostBytes) return;
    throw new Failure(
      "bad-answer",
      `the log has more than ${most} entries or ${mostBytes} bytes that may be records of ${this.#of}, which is more than is read`,
    );
  }
}

/** One search, and what it may still spend. */
export interface Spending {
  /** How long it may take, in milliseconds. */
  readonly leftMs: number;
  /** Counts what the index lists. Throws Failure `bad-answer` when that is more than a build may hold. */
  list(count: number): void;
  /** Counts what it brings. Throws Failure `bad-answer` when that is more than its tag or its build may bring. */
  spend(entries: number, bytes: number): void;
  /** Whether so much may be brought that does not count: it never takes the room of what may. */
  hasRoom(entries: number, bytes: number): boolean;
  end(): void;
}

/** One budget for each tag and one for the build, shared by all searches. */
export class Budget {
  readonly #tag: Allowance;
  readonly #build: Account;
  readonly #tags = new Map<string, Account>();
  #listed = 0;

  constructor({ tag, build }: { readonly tag: Allowance; readonly build: Allowance }) {
    this.#tag = tag;
    this.#build = new Account(build, "the tags of one build");
  }

  /** Begins a search for this tag. Throws Failure `unreachable` when its tag or its build has no time left. */
  begin(tag: string): Spending {
    const own = this.#tags.get(tag) ?? new Account(this.#tag, "one tag");
    this.#tags.set(tag, own);
    const accounts = [own, this.#build];
    const leftMs = Math.floor(Math.min(...accounts.map((account) => account.leftMs())));
    if (leftMs <= 0) {
      throw new Failure(
        "unreachable",
        "the searches of this build have taken all the time that they have; the log is slow, or strangers fill it under a tag's name",
      );
    }
    for (const account of accounts) account.begin();
    return {
      leftMs,
      list: (count) => {
        if (count <= SHORT_LIST) return;
        this.#listed += count;
        if (this.#listed <= MAX_LISTED) return;
        throw new Failure(
          "bad-answer",
          `the log lists more than ${MAX_LISTED} entries for the tags of one build`,
        );
      },
      spend: (entries, bytes) => accounts.forEach((account) => account.spend(entries, bytes)),
      hasRoom: (entries, bytes) => accounts.every((account) => account.hasRoom(entries, bytes)),
      end: () => accounts.forEach((account) => account.end()),
    };
  }
}
