// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { DockerfileError } from "../../src/dockerfile/dockerfile-error.ts";
import { MAX_DOCKERFILE } from "../../src/dockerfile/instructions.ts";
import { readStagedDockerfile, readStages } from "../../src/dockerfile/stages.ts";

/** The stages in short: `base`, `base as name`, each with its lines. */
function inShort(text: string): string[] {
  return readStages(text).map(
    ({ baseExpression, name, lines }) =>
      `${baseExpression}${name === undefined ? "" : ` as ${name}`} ${lines.start}-${lines.end}`,
  );
}

test.for([
  { row: "two stages", text: "FROM a AS b\nRUN x\nFROM b\n", stages: ["a as b 1-1", "b 3-3"] },
  { row: "no line end at the end", text: "FROM a\nFROM b", stages: ["a 1-1", "b 2-2"] },
  {
    row: "keywords in any case",
    text: "from a as One\nFrom b aS two\n",
    stages: ["a as one 1-1", "b as two 2-2"],
  },
  { row: "tabs and vertical tabs between the words", text: "FROM\ta\vAS\f b\n", stages: ["a as b 1-1"] },
  { row: "blanks before the keyword, of every kind", text: " \u00a0\u2003FROM a\n", stages: ["a 1-1"] },
  { row: "a byte order mark", text: "\ufeffFROM a\n", stages: ["a 1-1"] },
  {
    row: "Windows line ends",
    text: "FROM a \\\r\n  AS b\r\nRUN x\r\nFROM b\r\n",
    stages: ["a as b 1-2", "b 4-4"],
  },
  { row: "continued lines", text: "FROM \\\n  a \\\n  AS b\nFROM c\n", stages: ["a as b 1-3", "c 4-4"] },
  { row: "a keyword and an image cut in two", text: "FR\\\nOM al\\\npine:3\n", stages: ["alpine:3 1-3"] },
  {
    row: "comments and blank lines between continued lines",
    text: "FROM \\\n# why\n\n   # more \\\n a\nFROM b\n",
    stages: ["a 1-5", "b 6-6"],
  },
  { row: "a comment that ends in a backslash", text: "FROM a\n# x \\\nFROM b\n", stages: ["a 1-1", "b 3-3"] },
  {
    row: "blanks after the continuation character",
    text: "FROM a\nRUN x \\ \t\nFROM b\n",
    stages: ["a 1-1"],
  },
  {
    row: "two backslashes, which continue nothing",
    text: "FROM a\nRUN x \\\\\nFROM b\n",
    stages: ["a 1-1", "b 3-3"],
  },
  { row: "a backslash alone in its line", text: "\\\nFROM a\n", stages: ["a 1-2"] },
  {
    row: "a backquote as escape character",
    text: "# escape=`\nFROM a `\n AS b\nRUN dir C:\\\nFROM c\n",
    stages: ["a as b 2-3", "c 5-5"],
  },
  {
    row: "an escape character after a syntax line",
    text: "#syntax=x\n#  Escape = `\nFROM a `\n AS b\n",
    stages: ["a as b 3-4"],
  },
  {
    row: "an escape character after a comment, where it is one itself",
    text: "# hi\n# escape=`\nFROM a \\\n AS b\n",
    stages: ["a as b 3-4"],
  },
  {
    row: "an escape character after a blank line",
    text: "\n# escape=`\nFROM a \\\n AS b\n",
    stages: ["a as b 3-4"],
  },
  { row: "a carriage return, which ends no line", text: "FROM a\rAS\rb\n", stages: ["a as b 1-1"] },
  {
    row: "flags and the end of flags",
    text: "FROM -- a\nFROM --platform=x -- b AS c\n",
    stages: ["a 1-1", "b as c 2-2"],
  },
  { row: "quotes, which are part of the word", text: 'FROM "a" AS b\n', stages: ['"a" as b 1-1'] },
])("reads $row", ({ text, stages }) => {
  expect(inShort(text)).toEqual(stages);
});

const HIDDEN = "FROM hidden\n";

test.for([
  { row: "a heredoc", run: `RUN <<EOF\n${HIDDEN}EOF\n` },
  { row: "a heredoc after other words", run: `RUN cat <<EOF > /x && ls\n${HIDDEN}EOF\n` },
  { row: "a heredoc with a blank before its word", run: `RUN cat << EOF\n${HIDDEN}EOF\n` },
  { row: "a heredoc of a descriptor", run: `RUN 3<<EOF cat\n${HIDDEN}EOF\n` },
  { row: "a heredoc in single quotes", run: `RUN <<'E F'\n${HIDDEN}E F\n` },
  { row: "a heredoc in double quotes", run: `RUN <<"EOF"\n${HIDDEN}EOF\n` },
  { row: "a heredoc with an escaped word", run: `RUN <<\\EOF\n${HIDDEN}EOF\n` },
  { row: "a heredoc named as a variable", run: `RUN <<$X\n${HIDDEN}$X\n` },
  { row: "a heredoc that ends after tabs", run: `RUN <<-EOF\n${HIDDEN}\t\tEOF\n` },
  { row: "a heredoc whose end looks indented", run: `RUN <<EOF\n\tEOF\n EOF\n${HIDDEN}EOF\n` },
  { row: "two heredocs", run: `COPY <<A <<B /x/\n${HIDDEN}A\n${HIDDEN}B\n` },
  { row: "a heredoc after continued lines", run: `RUN cat \\\n# why\n  <<EOF\n${HIDDEN}EOF\n` },
  { row: "a heredoc after a mount", run: `RUN --mount=type=cache,target=/x <<EOF\n${HIDDEN}EOF\n` },
  { row: "a heredoc of ADD", run: `ADD <<EOF /x\n${HIDDEN}EOF\n` },
  { row: "a heredoc of ONBUILD", run: `ONBUILD RUN <<EOF\n${HIDDEN}EOF\n` },
  { row: "a heredoc whose text ends in a backslash", run: `RUN <<EOF\nx \\\nEOF\n` },
  { row: "a heredoc within a default", run: `RUN \${A:-b <<EOF c}\n${HIDDEN}EOF\n` },
  { row: "a heredoc after text that only resembles JSON", run: `RUN ["a" <<EOF\n${HIDDEN}EOF\n` },
])("does not see a stage in the text of $row", ({ run }) => {
  const text = `FROM a\n${run}FROM b\n`;
  expect(readStages(text).map(({ baseExpression }) => baseExpression)).toEqual(["a", "b"]);
});

test.for([
  { row: "quotes around it", run: 'RUN echo "<<EOF"' },
  { row: "an open quote before it", run: "RUN echo ' <<EOF" },
  { row: "a here-string", run: "RUN cat <<<EOF" },
  { row: "a shift", run: "RUN echo $((1<<2))" },
  { row: "a word before it", run: "RUN cat a<<EOF" },
  { row: "an escape before it", run: "RUN cat \\<<EOF" },
  { row: "an instruction that takes none", run: "CMD cat <<EOF" },
  { row: "a JSON list around it", run: 'RUN ["cat", "<<EOF"]' },
  { row: "a JSON list of a COPY around it", run: 'COPY ["<<EOF", "/x"]' },
  { row: "ONBUILD of ONBUILD", run: "ONBUILD ONBUILD RUN <<EOF" },
  { row: "a substitution that nobody can read", run: "RUN echo ${} <<EOF" },
])("sees the stage after what is no heredoc, because of $row", ({ run }) => {
  expect(inShort(`FROM a\n${run}\nFROM b\n`)).toEqual(["a 1-1", "b 3-3"]);
});

test("a stage keeps its platform's expression and its instructions", () => {
  const [stage] = readStages('ARG V\nFROM --platform="$BUILDPLATFORM" a AS b\nENV x=y\nRUN <<E\nhi\nE\n');
  expect(stage).toEqual({
    name: "b",
    baseExpression: "a",
    platformExpression: "$BUILDPLATFORM",
    lines: { start: 2, end: 2 },
    instructions: [
      { keyword: "env", flags: [], rest: "x=y", lines: { start: 3, end: 3 } },
      { keyword: "run", flags: [], rest: "<<E", lines: { start: 4, end: 6 } },
    ],
  });
});

test("only ARG lines before the first FROM are global", () => {
  const { argLines } = readStagedDockerfile("ARG A=1\narg B\nFROM a\nARG C=3\n");
  expect(argLines.map(({ rest }) => rest)).toEqual(["A=1", "B"]);
});

test.for([
  { row: "FROM alone", text: "FROM\n", line: 1, says: "FROM is not followed by an image" },
  {
    row: "two words after FROM",
    text: "RUN x\nFROM a b\n",
    line: 2,
    says: "FROM is not followed by an image",
  },
  {
    row: "four words after FROM",
    text: "FROM a AS b c\n",
    line: 1,
    says: "FROM is not followed by an image",
  },
  { row: "a word that is not AS", text: "FROM a IS b\n", line: 1, says: "FROM is not followed by an image" },
  {
    row: "a comment after the image",
    text: "FROM a # first\n",
    line: 1,
    says: "FROM is not followed by an image",
  },
  {
    row: "a stage named like a number",
    text: "FROM a AS 1\n",
    line: 1,
    says: '"1" is not a name for a stage',
  },
  { row: "another flag", text: "FROM --link a\n", line: 1, says: "FROM takes one flag, --platform" },
  {
    row: "a flag given twice",
    text: "FROM --platform=a --platform=b c\n",
    line: 1,
    says: "FROM takes one flag",
  },
  {
    row: "a heredoc without end",
    text: "FROM a\nRUN <<EOF\nFROM b\n",
    line: 2,
    says: 'no line "EOF" ends its heredoc',
  },
  {
    row: "an escape character that is none",
    text: "# escape=x\nFROM a\n",
    line: 1,
    says: "neither a backslash nor a backquote",
  },
  {
    row: "a directive given twice",
    text: "# escape=`\n# escape=`\nFROM a\n",
    line: 2,
    says: 'the directive "escape" is there twice',
  },
  {
    row: "a line longer than BuildKit reads",
    text: `FROM a\n#${"x".repeat(65_536)}\n`,
    line: 2,
    says: "longer than 65535 bytes",
  },
])("refuses $row, as BuildKit does", ({ text, line, says }) => {
  expect(() => readStages(text)).toThrow(
    expect.objectContaining({ name: "DockerfileError", code: "SYNTAX", line }),
  );
  expect(() => readStages(text)).toThrow(says);
});

test("heredocs nested beyond measure are not guessed", () => {
  const text = `FROM a\nRUN ${"${a:-".repeat(200)}${"}".repeat(200)} <<EOF\nEOF\n`;
  expect(() => readStages(text)).toThrow(expect.objectContaining({ code: "NOT_FOLLOWED", line: 2 }));
});

test("an empty Dockerfile has no stages", () => {
  expect(readStages("")).toEqual([]);
  expect(readStages("# only this\n\n")).toEqual([]);
});

test("five thousand stages are read, each at its line", () => {
  const text = Array.from({ length: 5_000 }, (_, index) => `FROM a:${index} AS s${index}\nRUN x\n`).join("");
  const stages = readStages(text);
  expect(stages).toHaveLength(5_000);
  expect(stages.at(-1)).toMatchObject({
    name: "s4999",
    baseExpression: "a:4999",
    lines: { start: 9_999, end: 9_999 },
  });
});

test.for([
  { row: "continued lines", text: `FROM a\nRUN x \\\n${"  y \\\n".repeat(150_000)}` },
  { row: "heredocs", text: `FROM a\n${"RUN <<A <<B\nA\nB\n".repeat(60_000)}` },
  { row: "comments", text: "# x\n".repeat(250_000) },
  { row: "quotes", text: `FROM a\nRUN <<E ${"'\"' ".repeat(15_000)}\nE\n` },
  { row: "blanks", text: `FROM a\nRUN <<${" ".repeat(60_000)}\n` },
  { row: "dollar signs", text: `FROM a\nRUN <<E ${"$A ".repeat(20_000)}\nE\n` },
])("a large Dockerfile of $row takes no quadratic time", ({ text }) => {
  const started = performance.now();
  readStages(text);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("a Dockerfile over the limit is refused unread", () => {
  const text = `FROM a\n${"#\n".repeat(MAX_DOCKERFILE / 2)}`;
  expect(() => readStages(text)).toThrow(DockerfileError);
  expect(() => readStages(text)).toThrow(expect.objectContaining({ code: "TOO_LARGE" }));
});
