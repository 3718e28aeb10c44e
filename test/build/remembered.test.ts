// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { moby, pb } from "../../gen/gateway.js";
import { rememberedBy, type RememberingOptions } from "../../src/build/remembered.ts";
import type { RememberedAnswer, Search } from "../../src/check/context.ts";
import { MAX_REMEMBERED_BYTES } from "../../src/courier/protocol.ts";
import type { SolveRequest } from "../../src/gateway/bridge.ts";
import { CallError, UNKNOWN } from "../../src/gateway/status.ts";
import { sha256 } from "../../src/image/digest.ts";

const NOW = new Date("2026-11-21T10:00:00Z");
const YESTERDAY = new Date("2026-11-20T10:00:00Z");
const SEARCHES: readonly Search[] = [
  { log: "https://rekor.example.org", hash: `sha256:${"a1".repeat(32)}`, tag: "alpine:3" },
  { log: "https://rekor.example.org", hash: `sha256:${"a2".repeat(32)}`, tag: "alpine:3" },
];
const UUID = "0".repeat(64);

const source = pb.Op.encode({ source: { identifier: "docker-image://frontend@sha256:…" } }).finish();
const image = pb.Definition.encode({
  def: [source, pb.Op.encode({ inputs: [{ digest: sha256(source), index: 0 }] }).finish()],
}).finish();

/** The file of a step that asked at this time and found an entry for the first search. */
function file(askedAt: Date, entries: readonly object[] = [{ uuid: UUID, entry: {} }]): string {
  return [
    { askedAt: askedAt.toISOString() },
    { say: "ready" },
    { say: "entries", id: 1, entries },
    { say: "found", id: 2, dropped: [["replayed", 3]] },
    { say: "found", id: 1 },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
}

type Step = (env: Readonly<Record<string, string>>, meta: pb.Meta) => string | Uint8Array | Promise<string>;

/** A fake of our client to BuildKit, which runs every step. */
function fakeBuilder(step: Step, change: Partial<RememberingOptions> = {}) {
  const asked: Readonly<Record<string, string>>[] = [];
  const steps = new Map<string, () => ReturnType<Step>>();
  const bridge = {
    async solve({ Definition }: SolveRequest) {
      const bytes = Definition ?? new Uint8Array();
      const { def = [] } = pb.Definition.decode(bytes as Uint8Array);
      const { exec } = pb.Op.decode(def.at(-2) ?? new Uint8Array());
      const meta = pb.ExecOp.decode(exec ?? new Uint8Array()).meta ?? new pb.Meta();
      const env = Object.fromEntries(
        (meta.env ?? []).map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]),
      );
      asked.push(env);
      const id = String(steps.size);
      steps.set(id, () => step(env, meta as pb.Meta));
      const ref = { id, def: bytes };
      return moby.buildkit.v1.frontend.Result.encode({ ref }).finish();
    },
    async readFile(ref: string, { path, length }: { readonly path: string; readonly length: number }) {
      expect(path).toBe("/answers");
      return Buffer.from((await steps.get(ref)?.()) ?? "").subarray(0, length);
    },
  };
  const options: RememberingOptions = {
    image: async () => image,
    command: ["node", "courier.js"],
    buildArgs: {},
    environment: { PATH: "/bin" },
    now: () => NOW,
    timeoutMs: 30_000,
    ...change,
  };
  return { asked, remembered: rememberedBy(bridge, options) };
}

async function taken(
  { remembered }: ReturnType<typeof fakeBuilder>,
  searches = SEARCHES,
): Promise<RememberedAnswer[]> {
  const answers: RememberedAnswer[] = [];
  for await (const answer of remembered(searches)) answers.push(answer);
  return answers;
}

describe("a search is a step", () => {
  test("whose answers are those of a courier, each to its search", async () => {
    const [answer] = await taken(fakeBuilder(() => file(YESTERDAY)));
    expect(answer).toEqual({
      askedOn: "2026-11-21",
      found: [
        { entries: [{ uuid: UUID, entry: {} }], dropped: new Map() },
        { entries: [], dropped: new Map([["replayed", 3]]) },
      ],
    });
  });

  test("with a key of the whole question, the day, and how often it was asked on that day", async () => {
    const builder = fakeBuilder(() => file(YESTERDAY));
    await taken(builder);
    expect(builder.asked.map(({ TLOG_ASKED }) => TLOG_ASKED)).toEqual(["2026-11-21 1", "2026-11-21 2"]);
    for (const { TLOG_QUESTIONS = "" } of builder.asked) {
      const questions = TLOG_QUESTIONS.split("\n").map((line) => JSON.parse(line) as object);
      expect(questions).toEqual(
        SEARCHES.map(({ log, hash }, index) => ({ id: index + 1, ask: "find", log, hash })),
      );
    }
  });

  test("which names no image: its log gets no name either", async () => {
    const builder = fakeBuilder(() => file(NOW));
    await taken(builder);
    expect(JSON.stringify(builder.asked)).not.toContain("alpine");
  });

  test("of our own program, with what it needs and nothing else", async () => {
    let meta: pb.Meta | undefined;
    const environment = { PATH: "/bin", SSL_CERT_FILE: "/etc/ca.pem", BUILDKIT_SESSION_ID: "s" };
    const builder = fakeBuilder((_, said) => ((meta = said), file(NOW)), { environment });
    await taken(builder);
    expect(meta?.args).toEqual(["node", "courier.js", "remember"]);
    expect(Object.keys(builder.asked[0] ?? {})).toEqual([
      "PATH",
      "TLOG_DEADLINE_MS",
      "SSL_CERT_FILE",
      "TLOG_QUESTIONS",
      "TLOG_ASKED",
    ]);
    expect(builder.asked[0]?.["TLOG_DEADLINE_MS"]).toBe("5000");
  });

  test("that goes over the build's proxies, whose passwords are in no variable of the key", async () => {
    let meta: pb.Meta | undefined;
    const buildArgs = { https_proxy: "http://me:open-sesame@proxy.example", NO_PROXY: "localhost" };
    const builder = fakeBuilder((_, said) => ((meta = said), file(NOW)), { buildArgs });
    await taken(builder);
    expect(meta?.proxy_env).toMatchObject({ https_proxy: buildArgs.https_proxy, no_proxy: "localhost" });
    expect(JSON.stringify(builder.asked)).not.toContain("sesame");
    const other = fakeBuilder(() => file(NOW), { buildArgs: { NO_PROXY: "localhost" } });
    await taken(other);
    expect(other.asked[0]?.["TLOG_PROXIES"]).not.toBe(builder.asked[0]?.["TLOG_PROXIES"]);
  });
});

describe("an answer that was not enough", () => {
  test("is asked for again when it was kept, and not when this build made it", async () => {
    const fresh = fakeBuilder(() => file(NOW));
    expect(await taken(fresh)).toHaveLength(1);
    const second = fakeBuilder(({ TLOG_ASKED = "" }) => file(TLOG_ASKED.endsWith("1") ? YESTERDAY : NOW));
    expect(await taken(second)).toHaveLength(2);
  });

  test("is asked for no more once it was taken", async () => {
    const builder = fakeBuilder(() => file(YESTERDAY));
    for await (const _ of builder.remembered(SEARCHES)) break;
    expect(builder.asked).toHaveLength(1);
  });

  test("nor is one that the log failed at, and the next one is", async () => {
    const failed = [
      { askedAt: YESTERDAY.toISOString() },
      { say: "ready" },
      { say: "failed", id: 1, code: "unreachable", message: "ECONNREFUSED" },
      { say: "found", id: 2 },
    ];
    const text = failed.map((line) => `${JSON.stringify(line)}\n`).join("");
    const builder = fakeBuilder(({ TLOG_ASKED = "" }) => (TLOG_ASKED.endsWith("1") ? text : file(NOW)));
    expect(await taken(builder)).toHaveLength(1);
    expect(builder.asked).toHaveLength(2);
  });
});

describe("there is no answer, and a courier is asked", () => {
  test.for<{ row: string; step: Step; change?: Partial<RememberingOptions>; searches?: readonly Search[] }>([
    {
      row: "the step fails",
      step: () => {
        throw new CallError(UNKNOWN, "exit code 1");
      },
    },
    { row: "the file is empty", step: () => "" },
    { row: "the file is no text", step: () => Buffer.from([0xff, 0xfe, 0x0a, 0xff, 0x0a]) },
    { row: "an answer is missing", step: () => file(NOW).split("\n").slice(0, -2).join("\n") },
    { row: "it answers what was not asked", step: () => file(NOW).replaceAll('"id":2', '"id":7') },
    { row: "it says what a courier may not", step: () => file(NOW).replace('"ready"', '"steady"') },
    { row: "the file is larger than is read", step: () => `${file(NOW)}${" ".repeat(MAX_REMEMBERED_BYTES)}` },
    {
      row: "our own image is not known",
      step: () => file(NOW),
      change: { image: () => Promise.reject(new Error("no such file")) },
    },
    { row: "the step does not end", step: () => new Promise(() => undefined), change: { answerMs: 1 } },
    {
      row: "the question is longer than a variable may be",
      step: () => file(NOW),
      searches: SEARCHES.map((each) => ({ ...each, identity: "x".repeat(60_000) })),
    },
  ])("when $row", async ({ step, change, searches }) => {
    expect(await taken(fakeBuilder(step, change), searches)).toEqual([]);
  });
});

describe("a build is bounded", () => {
  const each = async (builder: ReturnType<typeof fakeBuilder>, tags: number): Promise<number> => {
    const answers = await Promise.all(
      Array.from({ length: tags }, async (_, tag) => {
        const { done } = await builder.remembered(searchesOf(tag))[Symbol.asyncIterator]().next();
        return done === true ? 0 : 1;
      }),
    );
    return answers.reduce<number>((sum, one) => sum + one, 0);
  };
  const searchesOf = (tag: number) =>
    SEARCHES.map((search) => ({ ...search, hash: sha256(`alpine:${tag}`) }));

  test("in what all answers together hold", async () => {
    const large = file(YESTERDAY, [
      { uuid: UUID, entry: { body: "x".repeat(MAX_REMEMBERED_BYTES - 1_000) } },
    ]);
    expect(
      await each(
        fakeBuilder(() => large),
        70,
      ),
    ).toBe(64);
  });

  test("in the steps that it lets run: a courier asks for the other images", async () => {
    let running = 0;
    let most = 0;
    const builder = fakeBuilder(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return file(NOW);
    });
    const answers = await each(builder, 50);
    expect(most).toBeLessThanOrEqual(8);
    expect(answers).toBeLessThan(16);
    expect(builder.asked).toHaveLength(answers);
  });

  test("and all that is kept is read", async () => {
    expect(
      await each(
        fakeBuilder(() => file(YESTERDAY)),
        50,
      ),
    ).toBe(50);
  });

  test.for([
    { row: "the builder fails at", step: (): string => "" },
    { row: "the log fails at", step: () => file(NOW).split("\n").slice(0, -2).join("\n") },
  ])("and asks for nothing more after a step that $row", async ({ step }) => {
    const builder = fakeBuilder(step);
    expect(await each(builder, 50)).toBe(0);
    expect(builder.asked.length).toBeLessThanOrEqual(8);
  });
});
