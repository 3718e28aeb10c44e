// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { type BuildFiles, buildFiles } from "../../src/build/build-files.ts";
import { CallError } from "../../src/gateway/status.ts";
import { readDefinition } from "../../src/llb/definition.ts";
import {
  type AskedSolve,
  definitionOf,
  encodeResult,
  FakeFailure,
  type FakeFile,
  type Heard,
  startFakeBuildkit,
} from "../gateway/fake-buildkit.ts";

type Trees = Readonly<Record<string, Readonly<Record<string, FakeFile>>>>;

interface Build {
  /** The files of each place, by the identifier of its source; solving what is not here fails. */
  readonly trees: Trees;
  readonly options?: Readonly<Record<string, string>>;
  readonly inputs?: Readonly<Record<string, Uint8Array>>;
  /** The source that the conversion read the Dockerfile from; it never does when this is not said. */
  readonly readFrom?: string;
  /** What BuildKit says of a place that is not among the trees. */
  readonly refusal?: string;
  readonly names?: readonly string[];
}

const LIMIT = 100;
const GIT = "git://git.example.org/app.git#main";
const URL = "https://git.example.org/app.git#main";

/** The files of a build as a BuildKit with these trees gives them. */
async function filesOf(build: Build): Promise<{ files: BuildFiles; heard: Heard }> {
  const { trees, options = {}, inputs = {}, readFrom, names = ["tlog.lock"] } = build;
  const fake = await startFakeBuildkit({
    solve: (request) => {
      const identifier = identifierOf(request);
      if (trees[identifier] === undefined) throw new FakeFailure(build.refusal ?? `no ${identifier}`);
      return encodeResult({ ref: { id: identifier, def: definitionOf([{ source: { identifier } }]) } });
    },
    files: (ref) => trees[ref] ?? {},
  });
  onTestFinished(() => fake.close());
  const read = {
    data: Buffer.from("FROM scratch\n"),
    path: "Dockerfile",
    ref: readFrom ?? "",
    definition: readDefinition(definitionOf([])),
  };
  const origin = {
    buildOptions: { options, buildPlatform: "linux/amd64", sessionId: "s1" },
    inputs: Promise.resolve(Object.keys(inputs)),
    dockerfile: readFrom === undefined ? new Promise<never>(() => undefined) : Promise.resolve(read),
  };
  return { files: buildFiles(fake.bridge, origin, names), heard: fake.heard };
}

/** The sources that a solve is of. */
function identifierOf({ Definition }: AskedSolve): string {
  return sourceOf(Definition)?.identifier ?? "";
}

function sourceOf(definition: Uint8Array | null): pb.SourceOp.$Properties | undefined {
  const { def } = pb.Definition.decode(definition ?? new Uint8Array());
  return (def ?? []).map((op) => pb.Op.decode(op).source).find((source) => source) ?? undefined;
}

async function text(found: ReturnType<BuildFiles["beside"]>): Promise<string | undefined> {
  const file = await found;
  return file && `${file.place}: ${Buffer.from(file.bytes).toString()}`;
}

describe("a file is found", () => {
  test.for<{ row: string; build: Build; found: string | undefined }>([
    {
      row: "beside the Dockerfile, before one in the context",
      build: {
        trees: {
          "local://dockerfile": { "tlog.lock": "of app" },
          "local://context": { "tlog.lock": "of root" },
        },
      },
      found: "tlog.lock: of app",
    },
    {
      row: "in the root of the context, when none is beside the Dockerfile",
      build: { trees: { "local://dockerfile": {}, "local://context": { "tlog.lock": "of root" } } },
      found: "tlog.lock: of root",
    },
    {
      row: "beside a Dockerfile that the client names with a directory",
      build: {
        options: { filename: "app/Dockerfile" },
        trees: {
          "local://dockerfile": { "app/Dockerfile": "", "app/tlog.lock": "of app", "tlog.lock": "no" },
        },
      },
      found: "app/tlog.lock: of app",
    },
    {
      row: "in the context of a Dockerfile that came on standard input",
      build: {
        options: { dockerfilekey: "stdin" },
        trees: { "local://stdin": { Dockerfile: "" }, "local://context": { "tlog.lock": "of root" } },
      },
      found: "tlog.lock: of root",
    },
    {
      row: "in the very commit of a git context that the Dockerfile came from",
      build: {
        options: { context: URL },
        readFrom: `${GIT}-resolved`,
        trees: { [`${GIT}-resolved`]: { "tlog.lock": "of the commit" } },
      },
      found: "tlog.lock: of the commit",
    },
    {
      row: "in a subdirectory of an archive, where the Dockerfile is",
      build: {
        options: { context: "http://buildkit-session/1", filename: "app/Dockerfile" },
        readFrom: "http://buildkit-session/1",
        trees: { "http://buildkit-session/1": { "app/tlog.lock": "of app", "tlog.lock": "no" } },
      },
      found: "app/tlog.lock: of app",
    },
    {
      row: "nowhere in a git context that a Dockerfile from elsewhere is used with",
      build: {
        options: { context: URL, dockerfilekey: "dockerfile" },
        trees: { "local://dockerfile": {}, [GIT]: { "tlog.lock": "a stranger's" } },
      },
      found: undefined,
    },
    {
      row: "in the git context that the Dockerfile came from, when others are linked in",
      build: {
        options: { context: URL },
        inputs: { other: definitionOf([{ source: { identifier: "git://other.example.org/x.git" } }]) },
        readFrom: GIT,
        trees: { [GIT]: { "tlog.lock": "own" }, "git://other.example.org/x.git": { "tlog.lock": "foreign" } },
      },
      found: "tlog.lock: own",
    },
    {
      row: "nowhere, when neither place has it",
      build: { trees: { "local://dockerfile": { other: "" }, "local://context": {} } },
      found: undefined,
    },
    {
      row: "nowhere, when the client sends no directories at all",
      build: { trees: {}, refusal: "no local sources enabled" },
      found: undefined,
    },
    {
      row: "nowhere, when the client sends none of that name",
      build: { trees: {}, refusal: 'rpc error: code = NotFound desc = no access allowed to dir "context"' },
      found: undefined,
    },
    {
      row: "nowhere in what other builds make, which nobody has judged yet",
      build: {
        inputs: {
          context: definitionOf([{ source: { identifier: "local://a" } }]),
          dockerfile: definitionOf([{ source: { identifier: "local://b" } }]),
        },
        trees: {
          "local://dockerfile": { "tlog.lock": "no" },
          "local://context": { "tlog.lock": "no" },
          "local://a": { "tlog.lock": "no" },
          "local://b": { "tlog.lock": "no" },
        },
      },
      found: undefined,
    },
  ])("$row", async ({ build, found }) => {
    const { files, heard } = await filesOf(build);
    expect(await text(files.beside("tlog.lock", LIMIT))).toBe(found);
    expect(heard.solves.every(({ Definition }) => Definition === null || !hasStep(Definition))).toBe(true);
  });
});

function hasStep(definition: Uint8Array): boolean {
  const { def } = pb.Definition.decode(definition);
  return (def ?? []).some((op) => pb.Op.decode(op).exec);
}

describe("what is there besides is known", () => {
  const policy = "tlog.policy.yaml";
  const names = [policy, "tlog.policy.yml"];

  test.for<{ row: string; trees: Trees; options?: Record<string, string>; hidden: boolean }>([
    {
      row: "none",
      trees: { "local://dockerfile": { [policy]: "one" }, "local://context": {} },
      hidden: false,
    },
    {
      row: "another one",
      trees: { "local://dockerfile": { [policy]: "one" }, "local://context": { [policy]: "two" } },
      hidden: true,
    },
    {
      row: "a longer one that begins in the same way",
      trees: { "local://dockerfile": { [policy]: "one" }, "local://context": { [policy]: "one and two" } },
      hidden: true,
    },
    {
      row: "the same bytes",
      trees: { "local://dockerfile": { [policy]: "one" }, "local://context": { [policy]: "one" } },
      hidden: false,
    },
    {
      row: "another one in the context that the Dockerfile's subdirectory is in",
      trees: {
        "local://dockerfile": { "app/Dockerfile": "", [`app/${policy}`]: "one" },
        "local://context": { [policy]: "two" },
      },
      options: { filename: "app/Dockerfile" },
      hidden: true,
    },
  ])("the context has $row: hidden $hidden", async ({ trees, options = {}, hidden }) => {
    const { files } = await filesOf({ trees, options, names });
    const found = await files.beside(policy, LIMIT);
    expect(found && (await files.isHidden(policy, found))).toBe(hidden);
  });

  test("files by other names, in both places", async () => {
    const { files } = await filesOf({
      names,
      trees: {
        "local://dockerfile": { "tlog.policy.yml": "", "tlog.other": "" },
        "local://context": { "tlog.policy.yml": "", "app/tlog.policy.yml": "" },
      },
    });
    expect(await files.present(["tlog.policy.yml"])).toEqual(["tlog.policy.yml"]);
    expect(await files.present([policy])).toEqual([]);
  });

  test("nothing of a git context that a Dockerfile from elsewhere is used with", async () => {
    const { files } = await filesOf({
      names,
      options: { context: URL, dockerfilekey: "dockerfile" },
      trees: { "local://dockerfile": { [policy]: "one" }, [GIT]: { [policy]: "two", "tlog.policy.yml": "" } },
    });
    const found = await files.beside(policy, LIMIT);
    expect(found && (await files.isHidden(policy, found))).toBe(false);
    expect(await files.present(["tlog.policy.yml"])).toEqual([]);
  });
});

test("a path of the policy's is one of the context", async () => {
  const { files } = await filesOf({
    trees: {
      "local://context": { "ci/app/tlog.lock": "of ci" },
      "local://dockerfile": { "ci/app/tlog.lock": "no" },
    },
  });
  expect(await text(files.inContext("ci/app/tlog.lock", LIMIT))).toBe("ci/app/tlog.lock: of ci");
  expect(await files.inContext("ci/none/tlog.lock", LIMIT)).toBeUndefined();
  expect(await files.inContext("no/tlog.lock", LIMIT)).toBeUndefined();
});

test("the client's files come from its own session, and each place is asked for once", async () => {
  const names = ["tlog.lock", "tlog.policy.yaml"];
  const { files, heard } = await filesOf({
    names,
    options: { "local-sessionid:context": "s2" },
    trees: {
      "local://dockerfile": {},
      "local://context": { "tlog.lock": "one", "tlog.policy.yaml": "two" },
    },
  });
  expect(await text(files.beside("tlog.lock", LIMIT))).toBe("tlog.lock: one");
  expect(await text(files.beside("tlog.policy.yaml", LIMIT))).toBe("tlog.policy.yaml: two");
  expect(heard.solves.map(({ Definition }) => sourceOf(Definition)?.attrs)).toMatchObject([
    { "local.session": "s1", "local.followpaths": JSON.stringify(names) },
    { "local.session": "s2", "local.followpaths": JSON.stringify(names) },
  ]);
});

test("a large file is read in parts, to its last byte", async () => {
  const large = Buffer.alloc(9 * 1024 * 1024 + 1, "x");
  large.write("end", large.length - 3);
  const { files, heard } = await filesOf({ trees: { "local://dockerfile": { "tlog.lock": large } } });
  const found = await files.beside("tlog.lock", large.length);
  expect(Buffer.from(found?.bytes ?? []).equals(large)).toBe(true);
  expect(Math.max(...heard.reads.map(({ length }) => length))).toBeLessThanOrEqual(4 * 1024 * 1024);
});

const LINK = 2 ** 27 + 0o777;

describe("a file that cannot be had is never taken for one that is not there", () => {
  test.for<{ row: string; build: Build; path?: string; code: string; says: string }>([
    {
      row: "one byte too large",
      build: { trees: { "local://dockerfile": { "tlog.lock": "x".repeat(LIMIT + 1) } } },
      code: "too-large",
      says: 'read "tlog.lock": it has more than 100 bytes, which is the limit',
    },
    {
      row: "too large behind a link",
      build: {
        trees: { "local://dockerfile": { "tlog.lock": { mode: LINK, content: "x".repeat(LIMIT + 1) } } },
      },
      code: "too-large",
      says: "more than 100 bytes",
    },
    {
      row: "a directory of its name",
      build: { trees: { "local://dockerfile": { "tlog.lock/a": "" } } },
      code: "not-a-file",
      says: 'read "tlog.lock": there is something else than a file of that name',
    },
    {
      row: "a pipe of its name",
      build: { trees: { "local://dockerfile": { "tlog.lock": { mode: 2 ** 25 } } } },
      code: "not-a-file",
      says: "something else than a file",
    },
    {
      row: "BuildKit does not get at the Dockerfile's directory",
      build: { trees: {}, refusal: "connection lost" },
      code: "unreadable",
      says: 'look for "tlog.lock" beside the Dockerfile: BuildKit does not give it: connection lost',
    },
    {
      row: "BuildKit does not get at the context",
      build: { trees: { "local://dockerfile": {} }, refusal: "connection lost" },
      code: "unreadable",
      says: 'look for "tlog.lock" in the build context: BuildKit does not give it: connection lost',
    },
    {
      row: "a directory above it is a file",
      build: { trees: { "local://context": { ci: "" } } },
      path: "ci/tlog.lock",
      code: "unreadable",
      says: 'read "ci/tlog.lock" through BuildKit: lstat ci',
    },
    ...[
      "../tlog.lock",
      "ci/../../tlog.lock",
      "/etc/tlog.lock",
      "./tlog.lock",
      "ci//tlog.lock",
      "",
      "*.lock",
      "a b",
    ].map((path) => ({
      row: `the path is ${JSON.stringify(path)}`,
      build: { trees: {} },
      path,
      code: "bad-path",
      says: `look for ${JSON.stringify(path)} in the build context: it is not a relative path`,
    })),
  ])("$row", async ({ build, path, code, says }) => {
    const { files } = await filesOf(build);
    const reading = path === undefined ? files.beside("tlog.lock", LIMIT) : files.inContext(path, LIMIT);
    await expect(reading).rejects.toMatchObject({
      name: "BuildFileError",
      code,
      message: expect.stringContaining(says) as string,
    });
  });

  test("a link that leads nowhere", async () => {
    const fake = await startFakeBuildkit({
      solve: () => encodeResult({ ref: { id: "r", def: definitionOf([]) } }),
      // The directory has the link, and behind it is nothing.
      files: () => ({ "tlog.lock": { mode: LINK } }),
    });
    onTestFinished(() => fake.close());
    fake.bridge.readFile = () =>
      Promise.reject(new CallError(2, "open tlog.lock: no such file or directory"));
    const origin = {
      buildOptions: { options: {}, buildPlatform: "" },
      inputs: Promise.resolve([]),
      dockerfile: new Promise<never>(() => undefined),
    };
    await expect(
      buildFiles(fake.bridge, origin, ["tlog.lock"]).beside("tlog.lock", LIMIT),
    ).rejects.toMatchObject({
      code: "unreadable",
      message: expect.stringContaining(
        "if it is a link, it must lead to a file of the same directory",
      ) as string,
    });
  });
});
