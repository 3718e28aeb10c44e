// SPDX-License-Identifier: Apache-2.0
import { openCheck } from "../check/check.ts";
import { asPinned, type Judgement } from "../check/judgement.ts";
import type { Digest } from "../image/digest.ts";
import { taggedName } from "../image/reference.ts";
import type { Ledger } from "../ledger/answer.ts";
import type { TagRecord } from "../record/record.ts";
import type { Standalone } from "../standalone/standalone.ts";
import type { AskedRepository } from "./asked.ts";
import { ProxyError } from "./error.ts";
import { openFairTurns } from "./fair-turns.ts";
import type { Upstreams } from "./upstreams.ts";

/** A tag of a registry. */
export type AskedTag = AskedRepository & { readonly tag: string };

/** What is answered for a tag. */
export interface JudgedTag {
  readonly judgement: Judgement;
  /** The image that is served, unless the judgement refuses it: what the tag names, or what it is pinned to. */
  readonly digest: Digest;
}

/** Judges the tags that clients pull. */
export interface TagJudge {
  /**
   * Asks the registry what the tag names, and judges that as a build does: a new one is recorded where there is something to sign
   * with. Undefined when the registry has no such tag. Throws ProxyError.
   */
  judge(tag: AskedTag): Promise<JudgedTag | undefined>;
}

export interface TagJudgeOptions {
  /** What is judged with now; it may be another one later. */
  readonly standalone: () => Standalone;
  readonly upstreams: Upstreams;
  /** Milliseconds that only grow. */
  readonly clock: () => number;
  /** How long a judgement that rests on a record is good, in milliseconds. */
  readonly rememberMs: number;
  /** Hears of each judgement that was made. */
  readonly onJudged: (judged: JudgedTag, tag: AskedTag) => void;
  /** Hears of what could not be judged although nobody but us was at fault. */
  readonly onDefect: (error: unknown) => void;
}

const MAX_REMEMBERED = 10_000;
const PLACES = { atOnce: 32, waiting: 5_000 };
/** How long the ledgers that were opened are read, in milliseconds: then they are opened anew. */
const LEDGERS_MS = 30_000;
/** How often a tag is looked at that names another image a moment later. */
const MAX_ATTEMPTS = 3;
/** The longest that one tag takes, in milliseconds. */
const DEADLINE_MS = 120_000;

interface OpenedLedgers {
  readonly of: Standalone;
  readonly ledgers: readonly Ledger[];
  readonly until: number;
}

/**
 * Opens a judge. Each judgement is a check of its own, which asks ledgers and logs; so two proxies agree, as two builds do, by what
 * they find there. What is remembered for a moment rests on a record, which the other one finds too.
 */
export function openTagJudge(options: TagJudgeOptions): TagJudge {
  const { standalone, upstreams, clock, rememberMs, onJudged, onDefect } = options;
  const remembered = new Map<string, { readonly judged: JudgedTag; readonly until: number }>();
  const underWay = new Map<string, Promise<JudgedTag | undefined>>();
  // A registry that is slow keeps the tags of others from nothing.
  const registries = openFairTurns({ ...PLACES, what: "tags of one registry" });
  let opened: OpenedLedgers | undefined;

  const ledgersOf = (by: Standalone): readonly Ledger[] => {
    if (opened === undefined || opened.of !== by || opened.until <= clock()) {
      const signal = AbortSignal.timeout(LEDGERS_MS + DEADLINE_MS);
      opened = { of: by, ledgers: by.openLedgers(signal), until: clock() + LEDGERS_MS };
    }
    return opened.ledgers;
  };

  const judgeAnew = async (tag: AskedTag): Promise<JudgedTag | undefined> => {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    for (let attempt = 1; ; attempt++) {
      const judged = await judgeNamed(tag, signal);
      const verdict = judged?.judgement.verdict;
      // What could not be read is read again by the next one.
      if (verdict?.kind === "unknown" || judged?.judgement.unread !== undefined) opened = undefined;
      if (verdict?.kind !== "unrecorded" || verdict.reason !== "registry-differs") return judged;
      // In a build that is a mirror or a local image; here it is a tag that moved meanwhile.
      if (attempt === MAX_ATTEMPTS)
        throw new ProxyError(
          "UNAVAILABLE",
          `tag "${taggedName(tag)}" moves while it is looked at; pull again later`,
        );
    }
  };

  const judgeNamed = async (tag: AskedTag, signal: AbortSignal): Promise<JudgedTag | undefined> => {
    const digest = await upstreams.named(tag, signal);
    if (digest === undefined) return undefined;
    const by = standalone();
    const { context, close } = by.openContext(ledgersOf(by));
    try {
      const check = openCheck(context);
      const judge = async (of: Digest): Promise<Judgement> => {
        const reference = { registry: tag.registry, repository: tag.repository, tag: tag.tag, digest: of };
        const [judgement] = await check([{ reference, platforms: [], claimed: false }]);
        if (judgement === undefined) throw new Error("a check without a judgement");
        return judgement;
      };
      const judgement = await judge(digest);
      const { verdict, rule } = judgement;
      if (verdict.kind !== "moved" || rule.action !== "pin") return { judgement, digest };
      // As in builds: the recorded image, when it can be had.
      const recorded = verdict.record.digest;
      const gone = await whyGone({ ...tag, digest: recorded }, { upstreams, signal });
      if (gone !== undefined) return { judgement: { ...judgement, verdict: { ...verdict, gone } }, digest };
      return { judgement: asPinned(await judge(recorded), digest), digest: recorded };
    } finally {
      close();
    }
  };

  const judgeOnce = async (tag: AskedTag, name: string): Promise<JudgedTag | undefined> => {
    try {
      const judged = await registries.take(tag.registry, AbortSignal.timeout(DEADLINE_MS), () =>
        judgeAnew(tag),
      );
      if (judged === undefined) return undefined;
      onJudged(judged, tag);
      if (restsOnRecord(judged)) {
        const [oldest] = remembered.keys();
        if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
        remembered.delete(name);
        remembered.set(name, { judged: seenBefore(judged), until: clock() + rememberMs });
      }
      return judged;
    } catch (error) {
      if (error instanceof ProxyError) throw error;
      onDefect(error);
      const why = error instanceof Error ? error.message : "it did not say why";
      throw new ProxyError("UNAVAILABLE", `tag "${name}" cannot be judged: ${why}`, { cause: error });
    } finally {
      underWay.delete(name);
    }
  };

  return {
    judge(tag) {
      const name = taggedName(tag);
      const known = remembered.get(name);
      if (known !== undefined && known.until > clock()) return Promise.resolve(known.judged);
      const judging = underWay.get(name) ?? judgeOnce(tag, name);
      underWay.set(name, judging);
      return judging;
    },
  };
}

/** The record that speaks of the image that is served, or of a refused tag the one that stands. */
export function recordBehind({ judgement, digest }: JudgedTag): TagRecord | undefined {
  const { verdict, outcome } = judgement;
  switch (verdict.kind) {
    case "unchanged":
    case "first-seen":
    case "approved":
    case "pinned":
    case "too-new":
      return verdict.record;
    case "moved": {
      const record = verdict.newer ?? verdict.record;
      return outcome === "refuse" || record.digest === digest ? record : undefined;
    }
    default:
      return undefined;
  }
}

/** Another proxy would come to the same now: what has no record yet could have another one there in a moment. */
function restsOnRecord(judged: JudgedTag): boolean {
  const { outcome, verdict } = judged.judgement;
  if (outcome === "refuse") return false;
  return verdict.kind === "exempt" || recordBehind(judged)?.digest === judged.digest;
}

function seenBefore(judged: JudgedTag): JudgedTag {
  const { judgement } = judged;
  const { verdict } = judgement;
  if (verdict.kind !== "first-seen") return judged;
  return { ...judged, judgement: { ...judgement, verdict: { kind: "unchanged", record: verdict.record } } };
}

/** Why a recorded image cannot be had; undefined when it can. */
async function whyGone(
  image: AskedRepository & { readonly digest: Digest },
  { upstreams, signal }: { readonly upstreams: Upstreams; readonly signal: AbortSignal },
): Promise<string | undefined> {
  try {
    const manifest = await upstreams.manifest(image, signal);
    return manifest === undefined ? `the registry has no manifest "${image.digest}"` : undefined;
  } catch (error) {
    if (error instanceof ProxyError) return error.message;
    throw error;
  }
}
