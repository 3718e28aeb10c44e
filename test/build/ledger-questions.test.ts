// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openLedgers } from "../../src/build/ledgers.ts";
import type { ResolvedImage, ResolveImageConfigRequest } from "../../src/gateway/bridge.ts";
import { CallError, UNKNOWN } from "../../src/gateway/status.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { LedgerAnswer } from "../../src/ledger/answer.ts";
import { shardOf } from "../../src/ledger/layout.ts";
import type { LedgerSource } from "../../src/ledger/source.ts";
import { FakeFailure, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import {
  chainOf,
  DAY_MS,
  keyWriter,
  MADE,
  REPOSITORY,
  type SampleContent,
  type SampleLedger,
  sampleLedger,
  shardReference,
  TAGGED,
} from "../ledger/sample-ledger.ts";
import { ALPINE, DIGEST, sampleLog, trusting } from "../record/sample-log.ts";

const log = sampleLog();
const place = { log, root: log.trustedRoot };
const observer = keyWriter();
const BUSYBOX = "docker.io/library/busybox:1.36";
const lines = [...chainOf([{}], observer, place), ...chainOf([{ reference: BUSYBOX }], observer, place)];
const source: LedgerSource = {
  repository: REPOSITORY,
  observer: observer.signer,
  approvers: [],
  maxAgeMs: 7 * DAY_MS,
};
const reading = { trustedRoot: async () => log.trustedRoot, now: () => MADE };

const ledgerOf = (content: Partial<SampleContent> = {}): SampleLedger =>
  sampleLedger({ lines, ...content }, observer, place);

const notFound = (reference: string) =>
  new CallError(UNKNOWN, `failed to resolve source metadata for ${reference}: ${reference}: not found`);

type Answer = (reference: string) => Promise<Uint8Array>;

/** A fake of our client to BuildKit: a test says what each reference is answered, and sees what was asked. */
function fakeBridge(answer: Answer) {
  const asked: ResolveImageConfigRequest[] = [];
  return {
    asked,
    references: () => asked.map(({ Ref }) => Ref),
    async resolveImageConfig(request: ResolveImageConfigRequest): Promise<ResolvedImage> {
      asked.push(request);
      const Config = await answer(request.Ref ?? "");
      return { Digest: DIGEST, Config, Ref: request.Ref ?? "" };
    },
  };
}

const serving =
  ({ configurations }: SampleLedger): Answer =>
  async (reference) => {
    const bytes = configurations.get(reference);
    if (bytes === undefined) throw notFound(reference);
    return bytes;
  };

async function ask(
  bridge: ReturnType<typeof fakeBridge>,
  ...tags: readonly string[]
): Promise<LedgerAnswer[]> {
  const [ledger] = openLedgers(bridge, [source], reading);
  if (ledger === undefined) throw new Error("no ledger");
  ledger.start();
  return Promise.all(tags.map((tag) => ledger.read(parseReference(tag), trusting(observer.signer))));
}

const kinds = (answers: readonly LedgerAnswer[]) => answers.map(({ kind }) => kind);

describe("what a build asks of BuildKit", () => {
  test("the tag, from the registry and not from this machine, for the head's platform", async () => {
    const bridge = fakeBridge(serving(ledgerOf()));
    expect(kinds(await ask(bridge, ALPINE))).toEqual(["watched"]);
    expect(bridge.asked).toEqual([
      {
        Ref: TAGGED,
        ResolveMode: "pull",
        LogName: `[internal] read the ledger ${TAGGED}`,
        Platform: { OS: "linux", Architecture: "amd64" },
      },
    ]);
  });

  test("once for all images, when the lines are in the head", async () => {
    const bridge = fakeBridge(serving(ledgerOf()));
    expect(kinds(await ask(bridge, ALPINE, BUSYBOX, "nginx:1.27"))).toEqual([
      "watched",
      "watched",
      "not-watched",
    ]);
    expect(bridge.references()).toEqual([TAGGED]);
  });

  test("each shard that has one of the images besides, by its digest", async () => {
    const ledger = ledgerOf({ shards: 16 });
    const bridge = fakeBridge(serving(ledger));
    expect(kinds(await ask(bridge, ALPINE, BUSYBOX))).toEqual(["watched", "watched"]);
    const shards = [ALPINE, BUSYBOX].map((tag) => shardReference(ledger, tag));
    expect(new Set(shards).size).toBe(2);
    expect(bridge.references().toSorted()).toEqual([TAGGED, ...shards].toSorted());
    expect(new Set(bridge.asked.map(({ ResolveMode }) => ResolveMode))).toEqual(new Set(["pull"]));
  });

  test("a shard of two images once", async () => {
    const ledger = ledgerOf({ shards: 1 });
    expect(shardOf(ALPINE, 1)).toBe(shardOf(BUSYBOX, 1));
    const bridge = fakeBridge(serving(ledger));
    expect(kinds(await ask(bridge, ALPINE, BUSYBOX))).toEqual(["watched", "watched"]);
    expect(bridge.references()).toEqual([TAGGED, shardReference(ledger, ALPINE)]);
  });

  test("nothing for a shard that has no lines", async () => {
    const bridge = fakeBridge(serving(ledgerOf({ shards: 1024 })));
    expect(kinds(await ask(bridge, "nginx:1.27"))).toEqual(["not-watched"]);
    expect(bridge.references()).toEqual([TAGGED]);
  });

  test("each ledger by its own name", async () => {
    const other = { ...source, repository: "ghcr.io/acme/other" };
    const bridge = fakeBridge(serving(ledgerOf()));
    const ledgers = openLedgers(bridge, [source, other], reading);
    expect(ledgers.map(({ name }) => name)).toEqual([REPOSITORY, "ghcr.io/acme/other"]);
    const answers = await Promise.all(
      ledgers.map((ledger) => ledger.read(parseReference(ALPINE), trusting(observer.signer))),
    );
    expect(answers).toMatchObject([{ kind: "watched" }, { kind: "failed", reason: "ledger-not-there" }]);
  });
});

describe("when the registry does not answer as it should", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** The answer, with all pauses skipped. */
  async function answered(bridge: ReturnType<typeof fakeBridge>): Promise<LedgerAnswer | undefined> {
    const answers = ask(bridge, ALPINE);
    await vi.runAllTimersAsync();
    return (await answers)[0];
  }

  test("the ledger is not there when BuildKit says so of this very name, and is not asked for again", async () => {
    const bridge = fakeBridge((reference) => Promise.reject(notFound(reference)));
    expect(await answered(bridge)).toEqual({
      kind: "failed",
      reason: "ledger-not-there",
      detail: `the registry has no "${TAGGED}"`,
    });
    expect(bridge.references()).toEqual([TAGGED]);
  });

  test.for([
    {
      what: "a configuration inside that is missing",
      text: `failed to copy: could not fetch content descriptor ${DIGEST} (application/vnd.oci.image.config.v1+json) from remote: not found`,
    },
    { what: "another name that is missing", text: "ghcr.io/acme/tlog-ledger:v2: not found" },
    { what: "a name with something behind it", text: `${TAGGED}: not found: try again` },
    {
      what: "a token service that forbids",
      text: "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 403 Forbidden",
    },
    {
      what: "a registry that denies",
      text: `${TAGGED}: pull access denied, repository does not exist or may require authorization`,
    },
    {
      what: "429",
      text: "unexpected status from HEAD request to https://ghcr.io/v2/acme: 429 Too Many Requests",
    },
    {
      what: "500",
      text: "unexpected status from HEAD request to https://ghcr.io/v2/acme: 500 Internal Server Error",
    },
    { what: "a connection that breaks", text: 'failed to do request: Head "https://ghcr.io/v2/acme": EOF' },
  ])("$what: it could not be asked, after one more try", async ({ text }) => {
    const bridge = fakeBridge(() => Promise.reject(new CallError(UNKNOWN, text)));
    expect(await answered(bridge)).toEqual({
      kind: "failed",
      reason: "ledger-unreachable",
      detail: `"${TAGGED}" could not be asked for: ${text}`,
    });
    expect(bridge.references()).toEqual([TAGGED, TAGGED]);
  });

  test("a fault that is over at the second try is not told", async () => {
    const serve = serving(ledgerOf());
    let times = 0;
    const bridge = fakeBridge((reference) =>
      times++ === 0 ? Promise.reject(new CallError(UNKNOWN, "500 Internal Server Error")) : serve(reference),
    );
    expect((await answered(bridge))?.kind).toBe("watched");
    expect(bridge.references()).toEqual([TAGGED, TAGGED]);
  });

  test("a ledger that is gone at the second try is not there", async () => {
    let times = 0;
    const bridge = fakeBridge((reference) =>
      Promise.reject(times++ === 0 ? new CallError(UNKNOWN, "EOF") : notFound(reference)),
    );
    expect(await answered(bridge)).toMatchObject({ reason: "ledger-not-there" });
    expect(bridge.references()).toHaveLength(2);
  });

  test("BuildKit that never answers has 5 seconds, and is not asked again", async () => {
    const bridge = fakeBridge(() => new Promise(() => undefined));
    const answers = ask(bridge, ALPINE);
    let isAnswered = false;
    void answers.then(() => (isAnswered = true));
    await vi.advanceTimersByTimeAsync(4_999);
    expect(isAnswered).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await answers).toEqual([
      {
        kind: "failed",
        reason: "ledger-unreachable",
        detail: `"${TAGGED}" was not answered in 5 s`,
      },
    ]);
    expect(bridge.references()).toEqual([TAGGED]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("nothing is waited for once the answer is there", async () => {
    const bridge = fakeBridge(serving(ledgerOf()));
    expect(kinds(await ask(bridge, ALPINE))).toEqual(["watched"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a stranger's long text is cut, and moves no cursor", async () => {
    const bridge = fakeBridge(() =>
      Promise.reject(new CallError(UNKNOWN, `\u001b[2J${"x".repeat(100_000)}`)),
    );
    const answer = await answered(bridge);
    if (answer?.kind !== "failed") throw new Error("not failed");
    expect(answer.detail.length).toBeLessThan(400);
    expect(answer.detail).not.toContain("\u001b");
  });

  test("a fault of our own is no answer of the registry", async () => {
    const bridge = fakeBridge(() => Promise.reject(new TypeError("a fault of ours")));
    const answers = ask(bridge, ALPINE);
    await expect(answers).rejects.toThrow("a fault of ours");
    expect(bridge.references()).toEqual([TAGGED]);
  });
});

describe("over gRPC, from a fake BuildKit", () => {
  test("the configuration comes byte for byte, and a missing name as such", async () => {
    const { configurations } = ledgerOf({ shards: 16 });
    const { bridge, heard, close } = await startFakeBuildkit({
      resolve({ Ref }) {
        const config = configurations.get(Ref);
        if (config === undefined) throw new FakeFailure(notFound(Ref).message);
        return { digest: DIGEST, config };
      },
    });
    try {
      const sources = [source, { ...source, repository: "ghcr.io/acme/other" }];
      const answers = await Promise.all(
        openLedgers(bridge, sources, reading).map((ledger) =>
          ledger.read(parseReference(ALPINE), trusting(observer.signer)),
        ),
      );
      expect(answers).toMatchObject([
        { kind: "watched", history: { records: [{ digest: DIGEST }] } },
        { kind: "failed", reason: "ledger-not-there" },
      ]);
      expect(new Set(heard.resolves.map(({ ResolveMode }) => ResolveMode))).toEqual(new Set(["pull"]));
    } finally {
      close();
    }
  });
});
