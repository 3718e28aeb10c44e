// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { moby, pb } from "../../gen/gateway.js";
import type { ConsumedImage } from "../../src/check/context.ts";
import type { Judgement } from "../../src/check/judgement.ts";
import { MAX_CALLS, MAX_IMAGES } from "../../src/gate/bounds.ts";
import { Gate, type ReadDockerfile } from "../../src/gate/gate.ts";
import { cacheName, ImportedCaches } from "../../src/gate/imported-caches.ts";
import { JudgedImages } from "../../src/gate/judged-images.ts";
import { sampleRule } from "../check/sample-courier.ts";
import { definitionOf, encodeResult, type Heard, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { AMD64, ARM64, digestOf } from "../llb/sample-llb.ts";

const api = moby.buildkit.v1.frontend;
const GOOD = "docker.io/library/good:1";
const BAD = "docker.io/library/bad:1";
/** Whose index is another one, with the same manifest for linux/amd64 alone. */
const PARTLY = "docker.io/library/partly:1";
const DIGESTS: Readonly<Record<string, string>> = {
  [GOOD]: digestOf("0a"),
  [BAD]: digestOf("0b"),
  [PARTLY]: digestOf("0c"),
};

async function judge({ reference, platforms }: ConsumedImage): Promise<Judgement> {
  const isBad = reference.repository.endsWith("bad");
  const isPartly = reference.repository.endsWith("partly");
  const moved = isPartly && platforms.join() !== "linux/amd64";
  return {
    reference,
    verdict:
      isPartly && !moved ? ({ kind: "unchanged", note: "same-platforms" } as never) : { kind: "by-digest" },
    rule: sampleRule(),
    outcome: isBad || moved ? "refuse" : "pass",
    rejected: new Map(),
    foreign: [],
    records: [],
  };
}

interface Opened {
  readonly gate: Gate;
  readonly heard: Heard;
  readonly images: JudgedImages;
  readonly read: ReadDockerfile[];
  /** Calls a method as the conversion does. */
  call(method: string, request?: Uint8Array): Promise<Uint8Array>;
}

async function open({ isTextRequest = false, inputs = {} } = {}): Promise<Opened> {
  const fake = await startFakeBuildkit({
    resolve: ({ Ref }) => ({
      digest: Ref.includes("@") ? Ref.slice(Ref.indexOf("@") + 1) : (DIGESTS[Ref] ?? digestOf("ff")),
      config: Buffer.from(
        JSON.stringify({ os: "linux", config: { Env: ["A=b"], OnBuild: ["COPY --from=x a b"] } }),
      ),
    }),
    solve: ({ Definition }) => encodeResult({ ref: { id: "solved", def: Definition ?? new Uint8Array() } }),
    files: () => ({ Dockerfile: "FROM x\n" }),
  });
  onTestFinished(() => fake.close());
  const images = new JudgedImages(fake.bridge, judge);
  const caches = new ImportedCaches(async ({ type, reference }) =>
    reference === undefined ? type === "local" : reference.repository.startsWith("acme/"),
  );
  const read: ReadDockerfile[] = [];
  const pong = fake.bridge.forward("Ping", new Uint8Array());
  pong.catch(() => undefined);
  const gate = new Gate({
    bridge: fake.bridge,
    images,
    caches,
    pong,
    inputs: Promise.resolve(inputs),
    options: {},
    isTextRequest,
    onDockerfile: (each) => read.push(each),
  });
  const call = (method: string, request = new Uint8Array()) => gate.answer(method, request);
  return { gate, heard: fake.heard, images, read, call };
}

const meta = (identifier: string, more: object = {}): Uint8Array =>
  api.ResolveSourceMetaRequest.encode({ Source: { identifier }, ...more }).finish();
const solve = (Definition: Uint8Array, more: object = {}): Uint8Array =>
  api.SolveRequest.encode({ Definition, ...more }).finish();
const image = (name: string, more: Partial<pb.Op.$Properties> = {}): Uint8Array =>
  definitionOf([{ source: { identifier: `docker-image://${name}` }, ...more }]);
const returning = (result: Parameters<typeof encodeResult>[0]): Uint8Array =>
  api.ReturnRequest.encode({ result: encodeResult(result) }).finish();
/** A field that this version does not know. */
const UNKNOWN = Buffer.from([0xfa, 0x3f, 0x01, 0x21]);

/** Asks for the good image, so that its digest may be used. */
async function withGood(): Promise<Opened> {
  const opened = await open();
  await opened.call("ResolveSourceMeta", meta(`docker-image://${GOOD}`, { Platform: AMD64 }));
  return opened;
}
const GOOD_DIGEST = `${GOOD}@${DIGESTS[GOOD]}`;

describe("a conversion that lies ends the build", () => {
  test.for<{ row: string; says: string; lie: (opened: Opened) => Promise<unknown> }>([
    {
      row: "by using an image that it did not ask for",
      says: `uses image "${BAD}@${DIGESTS[BAD]}", which it was not answered`,
      lie: ({ call }) => call("Solve", solve(image(`${BAD}@${DIGESTS[BAD]}`))),
    },
    {
      row: "by using another digest than it was answered",
      says: "which it was not answered",
      lie: ({ call }) => call("Solve", solve(image(`${GOOD}@${digestOf("ee")}`))),
    },
    {
      row: "by using the tag without the digest",
      says: "which it was not answered",
      lie: ({ call }) => call("Solve", solve(image(GOOD))),
    },
    {
      row: "by using the digest of one repository in another",
      says: "which it was not answered",
      lie: ({ call }) => call("Solve", solve(image(`docker.io/library/other:1@${DIGESTS[GOOD]}`))),
    },
    {
      row: "by using for another platform what is as recorded for one alone",
      says: "which it was not answered",
      async lie({ call }) {
        await call("ResolveSourceMeta", meta(`docker-image://${PARTLY}`, { Platform: AMD64 }));
        return call("Solve", solve(image(`${PARTLY}@${DIGESTS[PARTLY]}`, { platform: ARM64 })));
      },
    },
    {
      row: "by naming another frontend",
      says: "asks for another frontend",
      lie: ({ call }) =>
        call("Solve", solve(new Uint8Array(), { Frontend: "gateway.v0", FrontendOpt: { source: BAD } })),
    },
    {
      row: "by giving inputs to a frontend",
      says: "asks for another frontend",
      lie: ({ call }) => call("Solve", solve(image(GOOD_DIGEST), { FrontendInputs: { a: image(BAD) } })),
    },
    {
      row: "by a build operation, which brings a definition of its own",
      says: "a nested build operation",
      lie: ({ call }) => call("Solve", solve(definitionOf([{ build: new Uint8Array() }]))),
    },
    {
      row: "by an operation of an unknown kind",
      says: "an operation of an unknown kind",
      lie: ({ call }) => {
        const op = Buffer.concat([pb.Op.encode({ inputs: [] }).finish(), UNKNOWN]);
        return call("Solve", solve(pb.Definition.encode({ def: [op] }).finish()));
      },
    },
    {
      row: "by a source of an unknown kind",
      says: "a source of an unknown kind",
      lie: ({ call }) =>
        call("Solve", solve(definitionOf([{ source: { identifier: `docker-image+blob://${GOOD}` } }]))),
    },
    {
      row: "by an attribute of an image source that nobody knows",
      says: 'the attribute "image.mirror"',
      lie: ({ call }) =>
        call(
          "Solve",
          solve(
            definitionOf([
              { source: { identifier: `docker-image://${GOOD_DIGEST}`, attrs: { "image.mirror": "evil" } } },
            ]),
          ),
        ),
    },
    {
      row: "by a field of Solve that nobody knows, such as source policies",
      says: "a Solve with a part that this version",
      lie: ({ call }) => call("Solve", Buffer.concat([solve(image(GOOD_DIGEST)), UNKNOWN])),
    },
    {
      row: "by garbage",
      says: "a Solve that does not decode",
      lie: ({ call }) => call("Solve", Buffer.from([0xff, 0xff, 0xff])),
    },
    {
      row: "by asking for a source of an unknown kind",
      says: "asks for a source of a kind that cannot be judged",
      lie: ({ call }) => call("ResolveSourceMeta", meta("ftp://example.org/x")),
    },
    {
      row: "by asking for the attestations of an image",
      says: "asks for the attestations of an image",
      lie: ({ call }) =>
        call("ResolveSourceMeta", meta(`docker-image://${GOOD}`, { Image: { AttestationChain: true } })),
    },
    {
      row: "by reading from something that it did not solve",
      says: "reads from something that it did not solve",
      lie: ({ call }) =>
        call("ReadFile", api.ReadFileRequest.encode({ Ref: "guessed", FilePath: "a" }).finish()),
    },
    {
      row: "by listing something that it did not solve",
      says: "reads from something that it did not solve",
      lie: ({ call }) =>
        call("ReadDir", api.ReadDirRequest.encode({ Ref: "guessed", DirPath: "." }).finish()),
    },
    {
      row: "by looking at a file of something that it did not solve",
      says: "reads from something that it did not solve",
      lie: ({ call }) => call("StatFile", api.StatFileRequest.encode({ Ref: "guessed", Path: "a" }).finish()),
    },
    {
      row: "by a warning with a part that nobody knows",
      says: "a Warn with a part that this version",
      lie: ({ call }) =>
        call("Warn", Buffer.concat([api.WarnRequest.encode({ level: 1 }).finish(), UNKNOWN])),
    },
    {
      row: "by running something that it did not solve",
      says: "reads from something that it did not solve",
      lie: ({ call }) => call("Evaluate", api.EvaluateRequest.encode({ Ref: "guessed" }).finish()),
    },
    {
      row: "by returning a result that it did not solve",
      says: "returns a result that it did not solve",
      lie: ({ call }) => call("Return", returning({ ref: { id: "guessed", def: image(GOOD_DIGEST) } })),
    },
    {
      row: "by returning an attestation that it did not solve",
      says: "returns a attestation /s of linux/amd64 that it did not solve",
      async lie({ call }) {
        const def = image(GOOD_DIGEST);
        await call("Solve", solve(def));
        const attestation = [{ path: "/s", ref: { id: "guessed", def } }];
        return call(
          "Return",
          returning({ ref: { id: "solved", def }, attestations: { "linux/amd64": { attestation } } }),
        );
      },
    },
    {
      row: "by returning one platform that it did not solve",
      says: "that it did not solve",
      async lie({ call }) {
        const def = image(GOOD_DIGEST);
        await call("Solve", solve(def));
        const refs = { "linux/amd64": { id: "solved", def }, "linux/arm64": { id: "guessed", def } };
        return call("Return", returning({ refs: { refs } }));
      },
    },
    {
      row: "by returning what it solved under another definition",
      says: "which it was not answered",
      async lie({ call }) {
        await call("Solve", solve(image(GOOD_DIGEST)));
        return call("Return", returning({ ref: { id: "solved", def: image(BAD) } }));
      },
    },
    {
      row: "by a part of the result that nobody knows",
      says: "a part that cannot be judged",
      lie: ({ call }) =>
        call(
          "Return",
          api.ReturnRequest.encode({ result: Buffer.concat([encodeResult({}), UNKNOWN]) }).finish(),
        ),
    },
    {
      row: "by asking without end",
      says: `asks more than ${MAX_CALLS} times`,
      async lie({ call }) {
        for (let n = 0; n < MAX_CALLS; n += 1) await call("Ping");
        return call("Ping");
      },
    },
    {
      row: "by asking for images without end",
      says: `asks for more than ${MAX_IMAGES} images`,
      async lie({ call }) {
        for (let n = 0; n < MAX_IMAGES; n += 1)
          await call("ResolveSourceMeta", meta(`docker-image://docker.io/library/n:${n}`));
      },
    },
  ])("$row", async ({ says, lie }) => {
    const opened = await withGood();
    const before = opened.heard.solves.length;
    await expect(lie(opened)).rejects.toThrow(says);
    await expect(opened.gate.returned).rejects.toThrow(says);
    const solved = opened.heard.solves
      .slice(before)
      .map(({ Definition }) => Buffer.from(Definition ?? []).toString());
    expect(solved.join(), "BuildKit has heard nothing of it").not.toContain("bad:1");
  });
});

test.for([
  "NewContainer",
  "ReleaseContainer",
  "ExecProcess",
  "ReadFileContainer",
  "ReadDirContainer",
  "StatFileContainer",
  "SomethingNew",
  "toString",
])("%s is no method that a conversion has", async (method) => {
  const { call } = await open();
  await expect(call(method)).rejects.toMatchObject({ code: 12 });
});

test("an image that is asked for is answered with its digest, in the name too, and asked of BuildKit once", async () => {
  const { call, heard } = await open();
  const request = meta(`docker-image://${GOOD}`, { Platform: AMD64, LogName: "load" });
  for (const answer of await Promise.all([
    call("ResolveSourceMeta", request),
    call("ResolveSourceMeta", request),
  ])) {
    const { Source, Image } = api.ResolveSourceMetaResponse.decode(answer);
    expect(Source?.identifier).toBe(`docker-image://${GOOD_DIGEST}`);
    expect(Image?.Digest).toBe(DIGESTS[GOOD]);
  }
  expect(heard.resolves).toHaveLength(1);
});

test("by the older call it is answered the same way", async () => {
  const { call } = await open();
  const answer = await call(
    "ResolveImageConfig",
    api.ResolveImageConfigRequest.encode({ Ref: GOOD }).finish(),
  );
  expect(api.ResolveImageConfigResponse.decode(answer)).toMatchObject({
    Ref: GOOD_DIGEST,
    Digest: DIGESTS[GOOD],
  });
});

test("a linked build's definition is passed on once its images are judged, and what is refused in it is used by nothing", async () => {
  const linked = { a: image(`${BAD}@${DIGESTS[BAD]}`), b: image(GOOD_DIGEST) };
  const { call, heard, images } = await open({ inputs: linked });
  const { Definitions } = api.InputsResponse.decode(await call("Inputs"));
  expect(Object.keys(Definitions ?? {})).toEqual(["a", "b"]);
  expect(images.all.map(({ judgement }) => judgement.outcome).toSorted()).toEqual(["pass", "refuse"]);
  await call("Solve", solve(linked.b));
  await call("Solve", solve(linked.a));
  expect(heard.solves, "BuildKit gets the good one alone").toHaveLength(1);
});

test("of a refused image the conversion gets the environment and no ONBUILD, and BuildKit nothing of what it makes of it", async () => {
  const { call, heard, images, gate } = await open();
  const answer = await call("ResolveSourceMeta", meta(`docker-image://${BAD}`, { Platform: AMD64 }));
  const { Image } = api.ResolveSourceMetaResponse.decode(answer);
  expect(JSON.parse(Buffer.from(Image?.Config ?? []).toString())).toEqual({
    os: "linux",
    config: { Env: ["A=b"] },
  });
  expect(images.areRefused).toBe(true);
  const def = image(`${BAD}@${DIGESTS[BAD]}`);
  const { result } = api.SolveResponse.decode(await call("Solve", solve(def)));
  const { ref } = api.Result.decode(result ?? new Uint8Array());
  expect(heard.solves).toEqual([]);
  const reading = api.ReadFileRequest.encode({ Ref: ref?.id ?? "", FilePath: "a" }).finish();
  await expect(call("ReadFile", reading)).rejects.toThrow("has an image that is refused");
  await call("Return", returning({ ref: { id: ref?.id ?? "", def } }));
  await expect(gate.returned).resolves.toMatchObject({ result: expect.anything() as unknown });
});

test("a linked build whose step takes the signing key ends the build", async () => {
  const exec = pb.ExecOp.encode({ secretenv: [{ ID: "tlog-signing-key" }] }).finish();
  const { call, gate } = await open({ inputs: { other: definitionOf([{ exec }]) } });
  await expect(call("Inputs")).rejects.toThrow('the secret "tlog-signing-key"');
  await expect(gate.returned).rejects.toThrow('the secret "tlog-signing-key"');
});

describe("the results that a build imports", () => {
  const from = (...entries: readonly { readonly Type: string; readonly Attrs?: Record<string, string> }[]) =>
    solve(image(GOOD_DIGEST), { CacheImports: entries });

  test("come from caches that the policy lets in, each asked about once", async () => {
    const { call, gate, heard } = await open();
    await call("ResolveSourceMeta", meta(`docker-image://${GOOD}`));
    const entries = [{ Type: "registry", Attrs: { ref: "ghcr.io/acme/cache:main" } }, { Type: "local" }];
    await call("Solve", from(...entries));
    await call("Solve", from(...entries));
    expect(gate.context.caches.all.map(cacheName)).toEqual(["ghcr.io/acme/cache:main", "type=local"]);
    expect(heard.solves).toHaveLength(2);
  });

  test.for([
    ["a registry", { Type: "registry", Attrs: { ref: "evil.example/cache:1" } }, '"evil.example/cache:1"'],
    ["another kind of place", { Type: "gha" }, '"type=gha"'],
    ["a kind without a name", { Type: "" }, '"type="'],
    ["a name that is none", { Type: "registry", Attrs: { ref: "A B" } }, "no image reference"],
    ["a registry without a name", { Type: "registry" }, "no image reference"],
  ] as const)("from %s that it does not let in end the build", async ([, entry, says]) => {
    const { call, gate, heard } = await open();
    await call("ResolveSourceMeta", meta(`docker-image://${GOOD}`));
    await expect(call("Solve", from(entry))).rejects.toThrow(says);
    await expect(gate.returned).rejects.toThrow(says);
    expect(heard.solves).toEqual([]);
  });
});

test("what runs is not read once an image is refused, such as a linked build that is the context", async () => {
  const { call } = await withGood();
  const ran = definitionOf([
    { source: { identifier: `docker-image://${GOOD_DIGEST}` } },
    { exec: new Uint8Array() },
  ]);
  await call("Solve", solve(ran));
  await call("ResolveSourceMeta", meta(`docker-image://${BAD}`));
  const reading = api.ReadFileRequest.encode({ Ref: "solved", FilePath: "Dockerfile" }).finish();
  await expect(call("ReadFile", reading)).rejects.toThrow("the build has an image that is refused");
});

test("the Dockerfile is told of when it has been read, and once", async () => {
  const { call, read } = await open();
  await call("Solve", solve(definitionOf([{ source: { identifier: "local://dockerfile" } }])));
  const reading = (FilePath: string) =>
    api.ReadFileRequest.encode({ Ref: "solved", FilePath, Range: { Length: 100 } }).finish();
  await call("ReadFile", reading("Dockerfile"));
  await call("ReadFile", reading("Dockerfile"));
  expect(read.map(({ path, ref, data }) => [path, ref, Buffer.from(data).toString()])).toEqual([
    ["Dockerfile", "solved", "FROM x\n"],
  ]);
});

describe("where only text is asked for", () => {
  test("an image may be looked at unjudged, and not be used", async () => {
    const { call, images } = await open({ isTextRequest: true });
    await call("ResolveSourceMeta", meta(`docker-image://${BAD}`));
    expect(images.all).toEqual([]);
    await expect(call("Solve", solve(image(`${BAD}@${DIGESTS[BAD]}`)))).rejects.toThrow("was not answered");
  });

  test("nothing that could be built is returned", async () => {
    const { call } = await open({ isTextRequest: true });
    const def = definitionOf([{ source: { identifier: "local://context" } }]);
    await call("Solve", solve(def));
    await expect(call("Return", returning({ ref: { id: "solved", def } }))).rejects.toThrow(
      "where text was asked for",
    );
  });
});

test("capabilities that the gate does not know are hidden from the conversion", async () => {
  const fake = await startFakeBuildkit({
    capabilities: [
      "gateway.evaluate",
      "gateway.exec",
      "gateway.somethingnew",
      "source.metaresolver.image.attestations",
    ],
    llbCapabilities: [
      "source.image",
      "source.imageblob",
      "source.buildop.llbfilename",
      "exec.meta.base",
      "newop.base",
    ],
  });
  onTestFinished(() => fake.close());
  const gate = new Gate({
    bridge: fake.bridge,
    caches: new ImportedCaches(async () => true),
    images: new JudgedImages(fake.bridge, judge),
    pong: fake.bridge.forward("Ping", new Uint8Array()),
    inputs: Promise.resolve({}),
    options: {},
    isTextRequest: false,
    onDockerfile: () => undefined,
  });
  const { FrontendAPICaps, LLBCaps } = api.PongResponse.decode(await gate.answer("Ping", new Uint8Array()));
  expect(FrontendAPICaps?.map(({ ID }) => ID)).toEqual(["gateway.evaluate"]);
  expect(LLBCaps?.map(({ ID }) => ID)).toEqual(["source.image", "exec.meta.base"]);
});

test("a conversion that is over is answered nothing more", async () => {
  const { gate, call } = await open();
  gate.close();
  await expect(call("Ping")).rejects.toMatchObject({ code: 14 });
});
