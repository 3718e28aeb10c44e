// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseReference } from "../../src/image/reference.ts";
import { excerpt } from "../../src/log/excerpt.ts";
import type { PlacedJudgement } from "../../src/report/place.ts";
import { MESSAGE_NAMES } from "../../src/report/message-names.ts";
import { textsOf } from "../../src/report/message-table.ts";
import { messageUrl } from "../../src/report/messages.ts";
import { progressLine, refusalMessage, warningText } from "../../src/report/messages.ts";
import { ALPINE, GOT, JUDGEMENTS, NO_ANSWER, TOLD, WANT } from "./sample-judgements.ts";

const CASES: [string, PlacedJudgement][] = Object.entries(JUDGEMENTS);

/** What people see of it: an error, a warning beside a progress line, or a progress line alone. */
function shownLines(each: PlacedJudgement): string[] {
  if (each.outcome === "refuse") return refusalMessage([each], TOLD).split("\n");
  if (each.outcome === "pass") return [progressLine(each)];
  const { short, detail, url } = warningText(each, TOLD);
  return [progressLine(each), `WARN: ${short}`, ...[...detail, url].map((line) => `  ${line}`)];
}

test("every message's texts are what they were", async () => {
  const rendered = CASES.map(([row, each]) =>
    [`## ${textsOf(each).name}: ${row} (${each.outcome})`, ...shownLines(each)].join("\n"),
  );
  await expect(`${rendered.join("\n\n")}\n`).toMatchFileSnapshot("messages.golden.txt");
});

test("every name is said of some image", () => {
  expect([...new Set(CASES.map(([, each]) => textsOf(each).name))].toSorted()).toEqual(
    MESSAGE_NAMES.toSorted(),
  );
});

describe("every name can be looked up", () => {
  const sections = readFileSync("docs/messages.md", "utf8").split(/^## /m).slice(1);
  // It has no name and is last.
  const others = sections.pop();

  test("in the documentation's own order, with nothing more and nothing less", () => {
    expect(sections.map((section) => section.split("\n")[0])).toEqual(MESSAGE_NAMES);
    expect(others).toMatch(/^Errors that are not about one image\n/);
  });

  test.for(sections)("%$: what happened, why it matters, what to do", (section) => {
    const [title = "", ...lines] = section.split("\n");
    const starts = lines.filter((line) => line.startsWith("**")).map((line) => line.split("** ")[0]);
    expect(starts, title).toEqual(["**What happened.", "**Why it matters.", "**What to do."]);
  });

  test.for(MESSAGE_NAMES)("%s at an address that GitHub makes of its heading", (name) => {
    expect(messageUrl(name)).toMatch(new RegExp(`/docs/messages\\.md#${name.toLowerCase()}$`));
  });
});

test("several refused images are one error, in their order, each with its own lines below it", () => {
  const { moved, unpinned } = JUDGEMENTS;
  const unknown = JUDGEMENTS["unknown, no answer"];
  const text = refusalMessage([moved, unpinned, unknown], TOLD);
  const heads = text.split("\n").filter((line) => !line.startsWith("  "));
  expect(heads).toEqual([
    expect.stringMatching(/^tag ".*alpine:3.16.0" mismatch; got "sha256:2222.*", want "sha256:c8c8.*"$/),
    expect.stringMatching(/^image "localhost:5000\/team\/app:1" cannot be judged/),
    expect.stringMatching(/^tag ".*alpine:3.16.0" could not be checked/),
  ]);
});

describe("what helps with several refused images is told once, behind them", () => {
  const other = { ...JUDGEMENTS.moved, reference: parseReference(`registry.example/other:2@${GOT}`) };
  const both = refusalMessage([JUDGEMENTS.moved, other, JUDGEMENTS.unpinned], TOLD);

  test("the approval, with the other names below it", () => {
    expect(both.match(/TLOG_APPROVE/g)).toHaveLength(1);
    expect(both).toContain(
      [
        "for more than one of them:",
        "  accept the new image for all builds that trust you:",
        "    echo 'FROM alpine:3.16.0' | \\",
        "      docker buildx build --call tlog -f - \\",
        "      --build-arg BUILDKIT_SYNTAX=registry.example/tlog-dockerfile \\",
        `      --build-arg TLOG_APPROVE=alpine:3.16.0@${GOT} \\`,
        "      --secret id=tlog-signing-key,src=key.pem .",
        `    and the same for registry.example/other:2@${GOT}`,
        `  TagMoved: ${messageUrl("TagMoved")}`,
      ].join("\n"),
    );
  });

  test("and what is of one image alone stays with it", () => {
    const [first = "", second = ""] = both.split(/^tag .*\n/m).slice(1);
    expect(first).toContain(`FROM alpine:3.16.0@${WANT}`);
    expect(second).toContain(`FROM registry.example/other:2@${WANT}`);
    expect(both).toMatch(/^image "localhost.*\n(?: {2}.*\n)+? {2}Unpinned: https/m);
  });

  test("an update of the lock file", () => {
    const unsearchable = JUDGEMENTS["unknown, not in a lock file"];
    const text = refusalMessage([unsearchable, { ...unsearchable, reference: other.reference }], TOLD);
    expect(text.match(/TLOG_LOCK=update/g)).toHaveLength(1);
    expect(text, "what is recorded has to be signed").toContain("--secret id=tlog-signing-key,src=key.pem .");
  });
});

describe("a way out is written for the build that it is about", () => {
  test("an approval needs the platforms, where the build names them, and what sets the policy", () => {
    const told = {
      ...TOLD,
      platform: "linux/arm64",
      policyArgs: ["--build-arg TLOG_LOG_API=1"],
      policyMissing: ["--build-arg TLOG_TRUST_KEY=…"],
      options: ["-f x"],
    };
    const text = refusalMessage([JUDGEMENTS.moved], told);
    expect(text).toContain("--build-arg TLOG_LOG_API=1 \\\n      --platform linux/arm64 \\\n");
    expect(text).not.toContain("-f x");
    expect(text).toContain("src=key.pem .\n    and with this build's --build-arg TLOG_TRUST_KEY=…\n");
  });

  test.for([
    { row: "where the log has no search", change: { isSearched: false } },
    { row: "where there is a lock file", change: { hasLock: true } },
  ])("$row, it is the build's own command, which keeps the approval in the lock file", ({ change }) => {
    const told = { ...TOLD, ...change, options: ["--target app", "-f x"], missing: ["a", "b"] };
    expect(refusalMessage([JUDGEMENTS.moved], told)).toContain(
      [
        "    docker buildx build --build-arg TLOG_LOCK=update -o . \\",
        "      --target app \\",
        "      -f x \\",
        `      --build-arg TLOG_APPROVE=alpine:3.16.0@${GOT} \\`,
        "      --secret id=tlog-signing-key,src=key.pem .",
        "    and with this build's a, b",
      ].join("\n"),
    );
  });

  test("the SBOM generator is in no lock file, and is approved in the log", () => {
    const text = refusalMessage([JUDGEMENTS["moved, the SBOM generator"]], { ...TOLD, hasLock: true });
    expect(text).toContain("--call tlog -f -");
    expect(text).not.toContain("TLOG_LOCK");
  });

  test.for([
    { row: "in the log", told: TOLD, input: "FROM alpine:3.16.0\n" },
    {
      row: "in the lock file",
      told: { ...TOLD, hasLock: true, options: ["--build-arg 'A=it is'"] },
      input: "",
    },
  ])("an approval $row is one command for a shell", ({ told, input }) => {
    const [, below = ""] =
      /that trust you:\n((?: {4}.*\n)+)/.exec(refusalMessage([JUDGEMENTS.moved], told)) ?? [];
    const docker = `docker() { printf '%s\\n' "$@"; cat; }`;
    const read = execFileSync("/bin/sh", ["-euc", `${docker}\n${below}`], { encoding: "utf8", input: "" });
    const words = read
      .slice(0, read.length - input.length)
      .trim()
      .split("\n");
    expect(read.endsWith(input)).toBe(true);
    expect(words.slice(0, 2)).toEqual(["buildx", "build"]);
    expect(words).toContain(`TLOG_APPROVE=alpine:3.16.0@${GOT}`);
    expect(words).toEqual(expect.arrayContaining(told.options.length > 0 ? ["A=it is"] : ["-f", "-"]));
    expect(words.at(-1)).toBe(".");
  });

  test("of an image that is pinned, what the tag names now is approved", () => {
    const { detail } = warningText(JUDGEMENTS["pinned, with a warning"], TOLD);
    expect(detail).toContain(`    --build-arg TLOG_APPROVE=alpine:3.16.0@${GOT} \\`);
  });

  test.for<{ row: keyof typeof JUDGEMENTS; keep: string[]; digest: string[] }>([
    {
      row: "moved, named in a stage",
      keep: [`FROM --platform=linux/amd64 alpine:3.16.0@${WANT} AS base`],
      digest: [`FROM --platform=linux/amd64 alpine@${GOT} AS base`],
    },
    {
      row: "moved, named by COPY and by a mount",
      keep: [`--from=alpine:3.16.0@${WANT}`, `--mount=type=bind,from=alpine:3.16.0@${WANT},target=/m`],
      digest: [`--from=alpine@${GOT}`, `--mount=type=bind,from=alpine@${GOT},target=/m`],
    },
    {
      row: "moved, named by an ARG",
      keep: [`write alpine:3.16.0@${WANT} where BASE is set`],
      digest: [`write alpine@${GOT} where BASE is set`],
    },
    {
      row: "moved, named by --build-arg",
      keep: [`--build-arg BASE=alpine:3.16.0@${WANT}`],
      digest: [`--build-arg BASE=alpine@${GOT}`],
    },
    {
      row: "moved, a named context without a tag",
      keep: [`--build-context app=docker-image://localhost:5000/team/app:latest@${WANT}`],
      digest: [`--build-context app=docker-image://localhost:5000/team/app@${GOT}`],
    },
    {
      row: "moved, the SBOM generator",
      keep: [`--sbom=generator=alpine:3.16.0@${WANT}`],
      digest: [`--sbom=generator=alpine@${GOT}`],
    },
    {
      row: "moved, named by an ONBUILD",
      keep: [`--build-context alpine:3.16.0=docker-image://alpine:3.16.0@${WANT}`],
      digest: [`--build-context alpine:3.16.0=docker-image://alpine@${GOT}`],
    },
  ])("$row", ({ row, keep, digest }) => {
    const text = refusalMessage([JUDGEMENTS[row]], TOLD);
    const below = (lines: readonly string[]) => lines.map((line) => `\n    ${line}`).join("");
    expect(text).toContain(`keep the recorded image:${below(keep)}\n`);
    expect(text).toMatch(/accept it in this (?:Dockerfile|build) alone:/);
    expect(text).toContain(`alone:${below(digest)}\n`);
  });
});

describe("every text can be read in a terminal", () => {
  test.for(CASES)("%s", ([, each]) => {
    for (const line of shownLines(each)) {
      expect(line).toBe(line.trimEnd());
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(line).not.toContain("undefined");
      expect(line).not.toMatch(/[^ ]\.$/);
      expect(line.length).toBeLessThanOrEqual(400);
    }
  });

  test.for(CASES.filter(([, { outcome }]) => outcome !== "pass"))(
    "%s: in 80 columns, but for digests, addresses and what others said",
    ([, each]) => {
      const long = shownLines(each).filter((line) => line.startsWith("  ") && line.length > 80);
      for (const line of long) expect(line).toMatch(/sha256:[0-9a-f]{64}|https:\/\//);
    },
  );
});

describe("what is advised can be pasted", () => {
  test("digests are whole, and names are those of a Dockerfile", () => {
    const text = refusalMessage([JUDGEMENTS.moved], TOLD);
    expect(text).toContain(`TLOG_APPROVE=alpine:3.16.0@${GOT} \\\n`);
    expect(text).toContain(`keep the recorded image:\n    FROM alpine:3.16.0@${WANT}\n`);
    expect(text).toContain(`accept it in this Dockerfile alone:\n    FROM alpine@${GOT}\n`);
  });

  test.for(CASES)("%s", ([, each]) => {
    for (const line of shownLines(each)) {
      const advised = /^\s+FROM (\S+)$/.exec(line)?.[1] ?? /TLOG_APPROVE=(\S+)/.exec(line)?.[1];
      if (advised !== undefined)
        expect(parseReference(advised)).toMatchObject({ registry: each.reference.registry });
      // Whole, or with the rest in the next line, which a shell reads only when nothing follows the backslash.
      if (line.includes("docker buildx build")) expect(line).toMatch(/ (\.|\\)$/);
    }
  });

  test("an approval is of the new image, and not of the recorded one", () => {
    for (const each of [JUDGEMENTS.moved, JUDGEMENTS["pinned, with a warning"]])
      expect(shownLines(each).join("\n")).toContain(`TLOG_APPROVE=alpine:3.16.0@${GOT} \\`);
  });

  test("where images are not named by digest alone, that is no way out", () => {
    const blocked = JUDGEMENTS["unknown, where images are not named by digest alone"];
    const text = shownLines(blocked).join("\n");
    expect(text).toContain("\n  build again when it answers\n");
    expect(text).not.toContain("FROM");
  });

  test("an approval is signed with the kind of secret that the record was", () => {
    expect(refusalMessage([JUDGEMENTS.moved], TOLD)).toContain("--secret id=tlog-signing-key,src=key.pem .");
    expect(refusalMessage([JUDGEMENTS["moved, recorded by an identity"]], TOLD)).toContain(
      "--secret id=tlog-identity-token,src=token .",
    );
  });

  test("latest is written out where the tag is what matters", () => {
    expect(refusalMessage([JUDGEMENTS["moved, latest of a registry with a port"]], TOLD)).toContain(
      `--build-arg TLOG_APPROVE=localhost:5000/team/app:latest@${GOT} \\`,
    );
  });
});

test("a verdict that troubles nobody says its line, should it ever warn or stop a build", () => {
  const exempt: PlacedJudgement = JUDGEMENTS.exempt;
  const line = progressLine(exempt);
  expect(refusalMessage([{ ...exempt, outcome: "refuse" }], TOLD)).toBe(
    `${line}\n  Exempt: ${messageUrl("Exempt")}`,
  );
  expect(warningText({ ...exempt, outcome: "warn" }, TOLD)).toEqual({
    short: `Exempt: ${line}`,
    detail: [],
    url: messageUrl("Exempt"),
  });
});

test("what a stranger wrote has no control characters by the time it is shown", () => {
  const hostile = "status 200: \u001B[2J\u001B[31m\u202Ehidden\r\nnew line\u0007";
  const shown = progressLine({
    ...JUDGEMENTS["unknown, no answer"],
    verdict: { kind: "unknown", reason: "unreachable", detail: excerpt(hostile, 300) },
  });
  expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(shown).toContain("hidden new line");
});

test("an outage is told with the log's own address", () => {
  expect(refusalMessage([JUDGEMENTS["unknown, no answer"]], TOLD)).toContain(`\n  ${NO_ANSWER}\n`);
  expect(warningText(JUDGEMENTS["unknown, no answer, with a warning"], TOLD).short).toBe(
    `LogUnreachable: tag "${ALPINE}" could not be checked`,
  );
});
