// SPDX-License-Identifier: Apache-2.0
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scanner } from "./cases/moving-tags.ts";
import { expectBuilt, markedLines, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";
import type { Outcome } from "./lab/command.ts";
import type { ImageContent } from "./lab/images.ts";

let site: Site;
let still: string;

beforeAll(async () => {
  site = await startSite();
  ({ reference: still } = await site.pushSystem("still:1.0", "still"));
});
afterAll(() => site?.stop());

/** A build whose image moves, and how a person calls it. */
interface Moving {
  readonly place: string;
  readonly name: string;
  readonly content?: (version: string) => Promise<ImageContent>;
  /** An image with an ONBUILD of what moves. */
  readonly via?: (image: string) => ImageContent;
  readonly lines: (names: { readonly image: string; readonly via: string }) => readonly string[];
  readonly args?: (image: string) => string;
  readonly filename?: string;
}

const ROWS: readonly Moving[] = [
  {
    place: "FROM",
    name: "out-from:1.0",
    lines: ({ image }) => [`FROM --platform=linux/amd64 ${image} AS base`, "RUN cat /version"],
  },
  {
    place: "FROM through an ARG that --build-arg sets",
    name: "out-arg:1.0",
    lines: () => [`ARG BASE=${still}`, "FROM $BASE", "RUN cat /version"],
    args: (image) => `--build-arg BASE=${image}`,
  },
  {
    place: "FROM with a variable in the name",
    name: "out-variable:1.0",
    lines: ({ image }) => [
      "ARG VERSION=1.0",
      `FROM ${image.replace(/1\.0$/, "$VERSION")}`,
      "RUN cat /version",
    ],
  },
  {
    place: "COPY --from",
    name: "out-copy:1.0",
    lines: ({ image }) => [`FROM ${still}`, `COPY --from=${image} /version /copied`],
  },
  {
    place: "a mount",
    name: "out-mount:1.0",
    lines: ({ image }) => [`FROM ${still}`, `RUN --mount=type=bind,from=${image},target=/m cat /m/version`],
  },
  {
    place: "an ONBUILD of the base",
    name: "out-onbuild:1.0",
    via: (image) => ({ onbuild: [`COPY --from=${image} /version /copied`] }),
    lines: ({ via }) => [`FROM ${via}`, "RUN cat /copied"],
  },
  {
    place: "an ONBUILD of the same file",
    name: "out-own-onbuild:1.0",
    lines: ({ image }) => [
      `FROM ${still} AS below`,
      `ONBUILD COPY --from=${image} /version /copied`,
      "FROM below",
      "RUN cat /copied",
    ],
  },
  {
    place: "a named context",
    name: "out-context:1.0",
    lines: () => ["FROM app", "RUN cat /version"],
    args: (image) => `--build-context app=docker-image://${image}`,
  },
  {
    place: "the SBOM generator",
    name: "out-scanner:1.0",
    content: (version) => scanner(site.lab, version),
    lines: () => [`FROM ${still}`, "RUN cat /version"],
    args: (image) => `--sbom=generator=${image}`,
  },
  {
    place: "a stage that --target names",
    name: "out-target:1.0",
    lines: ({ image }) => [`FROM ${image} AS app`, "RUN cat /version", `FROM ${still}`, "RUN cat /version"],
    args: () => "--target app",
  },
  {
    place: "another file",
    name: "out-file:1.0",
    filename: "app.Dockerfile",
    lines: ({ image }) => [`FROM ${image}`, "RUN cat /version"],
    args: () => "-f app.Dockerfile",
  },
];

describe.concurrent("every way out that a refusal prints works as it is printed", () => {
  test.for(ROWS)("$place", async (row) => {
    const { one, two, refused, dir, build, filename } = await refusedBuild(row, site.frontend);
    const ways = waysOut(refused.output);

    const kept = await changed({ dir, filename, refused, lines: ways.keep });
    const old = await site.lab.shell(`${build(kept.args)} ${HERE}`, { cwd: kept.dir });
    expectBuilt(old);
    expect(verdictLines(old.output).join("\n")).toContain(one.digest);

    const taken = await changed({ dir, filename, refused, lines: ways.byDigest });
    const byDigest = await site.lab.shell(`${build(taken.args)} ${HERE}`, { cwd: taken.dir });
    expectBuilt(byDigest);
    expect(verdictLines(byDigest.output).join("\n")).toContain(`@${two.digest} is named by digest`);

    const approval = await site.lab.shell(ways.approve, { cwd: dir });
    expect(approval.code, approval.output).toBe(0);
    const approved = await site.lab.shell(`${build()} ${HERE}`, { cwd: dir });
    expectBuilt(approved);
    expect(verdictLines(approved.output).join("\n")).toContain(two.digest);
  });

  test("an approval that the lock file has to keep, because the log has no search", async () => {
    const trust = `trust:\n  - key: |\n${site.publicKey.trim().replaceAll(/^/gm, "      ")}\n    may: [record, approve]\n`;
    const frontend = await site.derive({ policy: `${site.policyV2}${trust}` });
    const row: Moving = {
      place: "",
      name: "out-locked:1.0",
      filename: "app.Dockerfile",
      lines: () => ["ARG BASE", "FROM $BASE AS app", "RUN cat /version", `FROM ${still}`, "RUN cat /version"],
      args: (image) => `-f app.Dockerfile --target app --build-arg BASE=${image} --build-arg NAME='a b'`,
    };
    const { two, refused, dir, build } = await refusedBuild(
      row,
      frontend,
      "--build-arg TLOG_LOCK=update -o . .",
    );
    const approval = await site.lab.shell(waysOut(refused.output).approve, { cwd: dir });
    expect(approval.code, approval.output).toBe(0);
    const approved = await site.lab.shell(`${build()} ${HERE}`, { cwd: dir });
    expectBuilt(approved);
    expect(verdictLines(approved.output).join("\n")).toContain(two.digest);
  });
});

/** The end of a build whose image nobody keeps. */
const HERE = "--output type=cacheonly .";
const SECRET = "--secret id=tlog-signing-key,src=key.pem";

/** Builds once, moves the tag, and builds again in the same directory. */
async function refusedBuild(
  { name, content, via, lines, args, filename = "Dockerfile" }: Moving,
  frontend: string,
  first = HERE,
): Promise<{
  readonly one: { readonly digest: string };
  readonly two: { readonly digest: string };
  readonly refused: Outcome;
  readonly dir: string;
  readonly filename: string;
  /** The build's command, with more options; the context is still to come. */
  readonly build: (more?: string) => string;
}> {
  const push = async (version: string) =>
    content === undefined ? site.pushSystem(name, version) : site.lab.push(name, await content(version));
  const one = await push("one");
  const image = one.reference;
  const based = via && (await site.pushSystem(`via-${name}`, "via", via(image)));
  const text = [`# syntax=${frontend}`, ...lines({ image, via: based?.reference ?? "" }), ""].join("\n");
  // Any build makes a directory of its own, which is kept.
  const { dir } = await site.build({
    dockerfile: null,
    files: { [filename]: text, "key.pem": site.key },
    args: ["--call", "outline"],
  });
  const options = args?.(image) ?? "";
  const build = (more = "") => `docker buildx build ${SECRET} ${options} ${more}`;
  expectBuilt(await site.lab.shell(`${build()} ${first}`, { cwd: dir }));
  const two = await push("two");
  const refused = await site.lab.shell(`${build()} ${HERE}`, { cwd: dir });
  expect(refused.output).toContain(`tag "${image}" mismatch; got "${two.digest}", want "${one.digest}"`);
  return { one, two, refused, dir, filename, build };
}

/** What stands below each announcement, as it is printed but for the indentation. */
function waysOut(output: string): {
  readonly keep: readonly string[];
  readonly byDigest: readonly string[];
  readonly approve: string;
} {
  const below = (announcement: string): string[] => {
    const [, text = ""] = new RegExp(`^ {2}${announcement}:\\n((?: {4}.*\\n)+)`, "m").exec(output) ?? [];
    const lines = text.split("\n").filter(Boolean);
    expect(lines, output).not.toEqual([]);
    return lines.map((line) => line.slice(4));
  };
  return {
    keep: below("keep the recorded image"),
    byDigest: below("accept it in this (?:Dockerfile|build) alone"),
    approve: below("accept the new image for all builds that trust you")
      .filter((line) => !line.startsWith("and with "))
      .join("\n"),
  };
}

/** A copy of the build's directory with the printed lines in its Dockerfile, and those that are options. */
async function changed({
  dir,
  filename,
  refused,
  lines,
}: {
  readonly dir: string;
  readonly filename: string;
  readonly refused: Outcome;
  readonly lines: readonly string[];
}): Promise<{ readonly dir: string; readonly args: string }> {
  copies += 1;
  const copy = `${dir}-${copies}`;
  await cp(dir, copy, { recursive: true });
  const options = lines.filter((line) => /^--(build-arg|build-context|sbom)\b/.test(line));
  const file = join(copy, filename);
  let text = await readFile(file, "utf8");
  const [marked = ""] = markedLines(refused.output);
  for (const line of lines.filter((each) => !options.includes(each))) {
    const flag = /^--(?:from|mount)/.exec(line)?.[0];
    const written = flag === undefined ? line : marked.replace(new RegExp(`${flag}=\\S+`), line);
    expect(text).toContain(marked);
    text = text.replace(marked, () => written);
  }
  await writeFile(file, text);
  return { dir: copy, args: options.join(" ") };
}

let copies = 0;
