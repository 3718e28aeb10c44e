// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MOVING_TAGS, type MovingTag, type Names, scanner } from "./cases/moving-tags.ts";
import { expectBuilt, expectNothingRan, expectRefusal, markedLines, verdictLines } from "./cases/refusal.ts";
import { FRONTEND_CONTEXT, type Site, startSite } from "./cases/site.ts";
import { copyContext } from "./lab/frontend-image.ts";

let site: Site;
/** A frontend like ours that does everything but refuse. */
let open: string;

beforeAll(async () => {
  site = await startSite();
  const still = await site.pushSystem("still:1.0", "still");
  expectBuilt(await site.build({ dockerfile: `FROM ${still.reference}\n` }));
  open = await openFrontend();
});
afterAll(() => site?.stop());

describe.concurrent("a tag that was pushed anew stops the build, and the record says why, when it is named in", () => {
  test.for(MOVING_TAGS)("$place", async (row) => {
    const names = await namesOf(row);
    await moves(row.image, {
      content: async (version) => (await contentOf(row))(version),
      build: row.build(names),
      marked: row.marked(names),
      ...(row.via && { namedBy: names.viaDigest }),
      ...(row.engine && { engine: row.engine }),
      ...(row.pulled && { pulled: row.pulled }),
    });
  });

  test("--sbom=generator", async () => {
    const still = full("still:1.0");
    await moves("scanner:1.0", {
      content: (version) => scanner(site.lab, version),
      build: {
        dockerfile: `FROM ${still}\nCOPY note /\n`,
        files: { note: "scanned" },
        args: [`--sbom=generator=${full("scanner:1.0")}`],
      },
    });
  });
});

describe.concurrent("a build with several images", () => {
  test("names every one that moved, each with its line", async () => {
    const names = ["first:1.0", "second:1.0"];
    const ones = await Promise.all(names.map((name) => site.pushSystem(name, "one")));
    const [first = "", second = ""] = ones.map(({ reference }) => reference);
    const request = {
      dockerfile: `FROM ${first} AS first\nFROM ${second}\nCOPY --from=first /version /first\n`,
    };
    expectBuilt(await site.build(request));
    const twos = await Promise.all(names.map((name) => site.pushSystem(name, "two")));
    const refused = await site.build(request);
    for (const [index, { reference, digest }] of ones.entries()) {
      expect(refused.output).toContain(
        `tag "${reference}" mismatch; got "${twos[index]?.digest}", want "${digest}"`,
      );
    }
    const told = [first, second].map((reference) => refused.output.indexOf(`tag "${reference}" mismatch`));
    expect(told, "they are told in the Dockerfile's order").toEqual(
      told.toSorted((one, other) => one - other),
    );
    expect(markedLines(refused.output).toSorted()).toEqual([`FROM ${first} AS first`, `FROM ${second}`]);
    expectNothingRan(refused);
  });

  test("does not stop for one that moved and that it does not use", async () => {
    const { reference } = await site.pushSystem("unused:1.0", "one");
    const dockerfile = `FROM ${reference} AS unused\nRUN false\nFROM ${full("still:1.0")}\nRUN cat /version\n`;
    expectBuilt(await site.build({ dockerfile: `FROM ${reference}\n` }));
    await site.pushSystem("unused:1.0", "two");
    const built = await site.build({ dockerfile });
    expectBuilt(built);
    expect(verdictLines(built.output)).toEqual([expect.stringContaining("/still:1.0 unchanged since")]);
  });
});

describe.concurrent("an image without a tag that could move", () => {
  test("is built when it is named by digest, whatever was pushed since", async () => {
    const { reference, digest } = await site.pushSystem("by-digest:1.0", "one");
    await site.pushSystem("by-digest:1.0", "two");
    const name = `${reference.replace(/:1\.0$/, "")}@${digest}`;
    const built = await site.build({ dockerfile: `FROM ${name}\nRUN test "$(cat /version)" = one\n` });
    expectBuilt(built);
    expect(verdictLines(built.output)).toEqual([
      `${name} is named by digest: there is no tag that could move`,
    ]);
    expect(site.entriesOf(reference)).toEqual([]);
  });

  test.for([
    { use: "FROM", dockerfile: (image: string) => `FROM ${image}\nRUN cat /made\n` },
    {
      use: "COPY --from",
      dockerfile: (image: string) => `FROM ${full("still:1.0")}\nCOPY --from=${image} /made /\n`,
    },
  ])(
    "is refused in $use when only the legacy image store has it, because nothing proves what it is",
    async ({ use, dockerfile }) => {
      const image = full(`only-here-${use.replace(/\W+/g, "-").toLowerCase()}:1.0`);
      const made = { dockerfile: `FROM ${full("still:1.0")}\nRUN echo made > /made\n`, args: ["-t", image] };
      expectBuilt(await site.build({ ...made, engine: "legacy" }));
      const refused = await site.build({ dockerfile: dockerfile(image), engine: "legacy" });
      expect(refused.output).toContain(
        `ERROR: failed to build: failed to solve: image "${image}" cannot be judged: BuildKit gives no digest for it`,
      );
      expect(refused.output).toContain("\n  push it to a registry and name it there");
      expect(markedLines(refused.output)).toHaveLength(1);
      expectNothingRan(refused);
    },
  );

  test("is built and not recorded when only the containerd image store has it", async () => {
    const image = full("only-here:1.0");
    const made = { dockerfile: `FROM ${full("still:1.0")}\nRUN echo made > /made\n`, args: ["-t", image] };
    expectBuilt(await site.build(made));
    const built = await site.build({ dockerfile: `FROM ${image}\nRUN cat /made\n` });
    expectBuilt(built);
    expect(verdictLines(built.output)).toEqual([
      expect.stringMatching(`^${image} NOT RECORDED: .*only images that anyone can pull are recorded`),
    ]);
    expect(site.entriesOf(image)).toEqual([]);
  });
});

interface Moving {
  readonly content: (version: string) => Promise<Parameters<Site["lab"]["push"]>[1]>;
  readonly build: ReturnType<MovingTag["build"]>;
  readonly marked?: readonly string[];
  /** The image whose ONBUILD names it, with its digest. */
  readonly namedBy?: string | undefined;
  readonly engine?: "legacy";
  readonly pulled?: true;
}

/** Builds, builds again, pushes the image anew, and builds a third time. */
async function moves(
  image: string,
  { content, build, marked, namedBy, engine, pulled }: Moving,
): Promise<void> {
  const { lab, signer } = site;
  const once = () => site.build({ ...build, ...(engine && { engine }) });
  const one = await lab.push(image, await content("one"));
  const name = one.reference;
  if (pulled) await lab.docker(["pull", name], { engine: "legacy" });

  const first = await once();
  expectBuilt(first);
  const [record, ...more] = site.entriesOf(name);
  if (record === undefined) throw new Error(`the first build recorded nothing:\n${first.output}`);
  expect(more).toEqual([]);
  // What an ONBUILD names was seen when the image with the ONBUILD was.
  expect(verdictLines(first.output)).toContainEqual(
    expect.stringMatching(
      new RegExp(
        `^${name} (?:first seen, recorded|unchanged since \\S+): ${one.digest} \\(log index ${record.logIndex}`,
      ),
    ),
  );

  const second = await once();
  expectBuilt(second);
  expect(verdictLines(second.output)).toContainEqual(
    expect.stringMatching(
      new RegExp(`^${name} unchanged since \\S+: ${one.digest} \\(log index ${record.logIndex}, `),
    ),
  );

  const two = await lab.push(image, await content("two"));
  expect(two.digest).not.toBe(one.digest);
  expectRefusal(await once(), {
    reference: name,
    got: two.digest,
    want: one.digest,
    record,
    signer,
    ...(marked && { marked }),
    ...(namedBy !== undefined && { namedBy }),
  });
  expect(site.entriesOf(name)).toHaveLength(1);

  // It was the gate that stopped it, and nothing else.
  expectBuilt(await site.build({ ...build, syntax: open, ...(engine && { engine }) }));
}

async function namesOf({ image, via }: MovingTag): Promise<Names & { readonly viaDigest: string }> {
  const names = { image: full(image), still: full("still:1.0"), via: via ? full(via.name) : "" };
  let viaDigest = "";
  if (via) {
    const { reference, digest } = await site.pushSystem(via.name, "via", via.content(names.image));
    viaDigest = `${reference}@${digest}`;
    // Recorded before, so that the log gets one record in the build that is looked at.
    await site.pushSystem(image, "one");
    expectBuilt(
      await site.build({
        dockerfile: `FROM ${site.lab.registry.address}/still:1.0\nCOPY --from=${names.via} /version /\n`,
      }),
    );
  }
  return { ...names, viaDigest };
}

function full(name: string): string {
  return `${site.lab.registry.address}/${name}`;
}

async function contentOf({
  content,
}: MovingTag): Promise<(version: string) => Parameters<Site["lab"]["push"]>[1]> {
  const system = await site.lab.busybox();
  return content ?? ((version) => ({ files: { ...system, version: `${version}\n` } }));
}

/** Where the gate hears what is said of an image; the bundler names what it hears it from. */
const HEARING = /this\.#judge ?= ?(\w+)([;,}])/g;
/** What is left of that in a frontend that refuses nothing. */
const DEAF =
  'this.#judge = async (image) => { const said = await $1(image); return said.outcome === "refuse" ? { ...said, outcome: "pass" } : said; }$2';

/** The frontend's bundle without what refuses. */
async function openFrontend(): Promise<string> {
  const context = await mkdtemp(join(tmpdir(), "open-frontend-"));
  try {
    await copyContext(FRONTEND_CONTEXT, context);
    const program = join(context, "dist/frontend.cjs");
    const text = await readFile(program, "utf8");
    expect([...text.matchAll(HEARING)]).toHaveLength(1);
    await writeFile(program, text.replace(HEARING, DEAF));
    return await site.derive({ context });
  } finally {
    await rm(context, { recursive: true });
  }
}
