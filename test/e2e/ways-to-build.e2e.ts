// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrivateKey } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publicPem } from "../sigstore/signed-statement.ts";
import { startGitServer } from "./cases/git-server.ts";
import { expectBuilt, expectNothingRan, expectRefusal, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";
import type { Outcome } from "./lab/command.ts";

let site: Site;

beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site?.stop());

/** Records the image's tag by a build, moves it, and sees the next build refused. */
async function recordsAndRefuses(
  image: string,
  build: (reference: string) => Promise<Outcome>,
  { prefix = "ERROR: failed to build: failed to solve: " } = {},
): Promise<void> {
  const one = await site.pushSystem(image, "one");
  const first = await build(one.reference);
  expectBuilt(first);
  expect(verdictLines(first.output), first.output).toContainEqual(
    expect.stringContaining(`${one.reference} first seen`),
  );
  const [record] = site.entriesOf(one.reference);
  if (record === undefined) throw new Error("nothing was recorded");
  const two = await site.pushSystem(image, "two");
  expectRefusal(await build(one.reference), {
    reference: one.reference,
    got: two.digest,
    want: one.digest,
    record,
    signer: site.signer,
    prefix,
  });
}

describe.concurrent("a moved tag is refused in a build", () => {
  test("without a syntax line, by --build-arg BUILDKIT_SYNTAX", async () => {
    await recordsAndRefuses("by-argument:1.0", (reference) =>
      site.build({
        syntax: undefined,
        dockerfile: `FROM ${reference}\nRUN cat /version\n`,
        args: ["--build-arg", `BUILDKIT_SYNTAX=${site.frontend}`],
      }),
    );
  });

  test("whose Dockerfile comes on standard input", async () => {
    await recordsAndRefuses("by-stdin:1.0", (reference) =>
      site.build({
        files: { note: "of the context" },
        args: ["-f", "-"],
        input: `# syntax=${site.frontend}\nFROM ${reference}\nCOPY note /\n`,
      }),
    );
  });

  test("whose whole context is the Dockerfile on standard input", async () => {
    await recordsAndRefuses("all-by-stdin:1.0", (reference) =>
      site.build({
        context: "-",
        input: `# syntax=${site.frontend}\nFROM ${reference}\nRUN cat /version\n`,
      }),
    );
  });

  test("whose context is a git repository", async () => {
    const reference = `${site.lab.registry.address}/by-git:1.0`;
    const git = await startGitServer(site.lab.hostAddress, {
      Dockerfile: `# syntax=${site.frontend}\nFROM ${reference}\nCOPY note /\n`,
      note: "of the repository",
    });
    try {
      await recordsAndRefuses("by-git:1.0", () => site.build({ context: git.context }));
    } finally {
      await git.close();
    }
  });

  test("that bake makes of two linked targets", async () => {
    const directory = await mkdtemp(join(tmpdir(), "bake-"));
    try {
      await recordsAndRefuses(
        "by-bake:1.0",
        async (reference) => {
          const dockerfile = (text: string) => `# syntax=${site.frontend}\n${text}`;
          await writeFile(join(directory, "key.pem"), site.key);
          await writeFile(
            join(directory, "bake.json"),
            JSON.stringify({
              target: {
                below: {
                  "dockerfile-inline": dockerfile(`FROM ${reference}\nRUN cat /version > /of-below\n`),
                  secret: [`id=tlog-signing-key,src=${directory}/key.pem`],
                },
                above: {
                  "dockerfile-inline": dockerfile("FROM below\nRUN cat /of-below\n"),
                  contexts: { below: "target:below" },
                  secret: [`id=tlog-signing-key,src=${directory}/key.pem`],
                  output: ["type=cacheonly"],
                },
              },
            }),
          );
          return site.lab.docker([
            "buildx",
            "bake",
            "--progress=plain",
            "--allow=fs.read=*",
            "-f",
            join(directory, "bake.json"),
            "above",
          ]);
        },
        { prefix: "failed to solve: " },
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe.concurrent("an organisation's own frontend", () => {
  test("trusts the key that its policy names, and then a build needs no key", async () => {
    const trust = publicPem(createPrivateKey(site.key)).trimEnd().replaceAll("\n", "\n      ");
    const syntax = await site.derive({ policy: `${site.policy}trust:\n  - key: |\n      ${trust}\n` });
    const one = await site.pushSystem("trusted:1.0", "one");
    const request = { syntax, dockerfile: `FROM ${one.reference}\nRUN cat /version\n` };
    expectBuilt(await site.build(request));
    const [record] = site.entriesOf(one.reference);
    if (record === undefined) throw new Error("nothing was recorded");

    const second = await site.build({ ...request, sign: false });
    expectBuilt(second);
    expect(verdictLines(second.output)).toEqual([
      expect.stringContaining(`${one.reference} unchanged since`),
    ]);
    const two = await site.pushSystem("trusted:1.0", "two");
    expectRefusal(await site.build({ ...request, sign: false }), {
      reference: one.reference,
      got: two.digest,
      want: one.digest,
      record,
      signer: site.signer,
      marked: [`FROM ${one.reference}`],
    });
  });

  test.for([
    {
      row: "a policy with a mistake",
      image: "policy-mistake:1.0",
      more: "defaults: { unseen: block }\n",
      args: [],
      says: /policy\.yaml:7: the key "defaults" is not known \(did you mean "default"\?\)/,
    },
    {
      row: "a build argument that names another log",
      image: "other-log:1.0",
      more: "",
      args: ["--build-arg", "TLOG_REKOR_URL=http://127.0.0.1:1"],
      says: /--build-arg TLOG_REKOR_URL: .* is not the log .*, which policy\.yaml:3 sets/,
    },
    {
      row: "a build argument that is misspelt",
      image: "misspelt:1.0",
      more: "",
      args: ["--build-arg", "TLOG_UNSEN=block"],
      says: /--build-arg TLOG_UNSEN: no such argument \(did you mean "TLOG_UNSEEN"\?\)/,
    },
  ])("refuses a build with $row", async ({ image, more, args, says }) => {
    const { reference } = await site.pushSystem(image, "one");
    const syntax = more === "" ? site.frontend : await site.derive({ policy: site.policy + more });
    const built = await site.build({ syntax, dockerfile: `FROM ${reference}\nRUN cat /version\n`, args });
    expect(built.output).toMatch(says);
    expectNothingRan(built);
  });

  test("refuses new tags when its policy says so", async () => {
    const { reference } = await site.pushSystem("unseen:1.0", "one");
    const syntax = await site.derive({ policy: `${site.policy}default: { unseen: block }\n` });
    const built = await site.build({ syntax, dockerfile: `FROM ${reference}\n` });
    expect(built.output).toContain(
      `ERROR: failed to build: failed to solve: tag "${reference}" has no record in the log, and the policy refuses such tags`,
    );
    expectNothingRan(built);
    expect(site.entriesOf(reference)).toEqual([]);
  });
});
