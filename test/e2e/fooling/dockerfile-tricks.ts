// SPDX-License-Identifier: Apache-2.0
import type { FoolingCase, Site } from "./case.ts";

const V = "victim:1.2.3";
const S = "still:1.0";
const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";

const trick = (
  tries: string,
  dockerfile: (at: Site) => string,
  more: Partial<FoolingCase> & { readonly args?: (at: Site) => readonly string[] } = {},
): FoolingCase => {
  const { args, ...rest } = more;
  return {
    tries,
    expect: "refused",
    images: { [S]: { was: {} }, [V]: { was: {}, is: {} } },
    build: (at) => ({ dockerfile: dockerfile(at), ...(args === undefined ? {} : { args: args(at) }) }),
    ...rest,
  };
};
const argument = (name: string, value: (at: Site) => string) => (at: Site) => [
  "--build-arg",
  `${name}=${value(at)}`,
];
const tail = (at: Site) => `${at.probe}\n`;

/** Ways to write a Dockerfile so that a reader of its text sees another image than BuildKit. */
export const DOCKERFILE_TRICKS: readonly FoolingCase[] = [
  trick("FROM in a mixture of cases.", (at) => `fRoM ${at.ref(V)} aS X\n${tail(at)}`),
  trick(
    "The name on a line of its own, behind a comment between continued lines.",
    (at) => `FROM \\\n# nothing here\n  ${at.ref(V)}\n${tail(at)}`,
  ),
  trick(
    "The name is continued in the middle.",
    (at) => `FROM ${at.ref(V).slice(0, -3)}\\\n${at.ref(V).slice(-3)}\n${tail(at)}`,
  ),
  trick(
    "Another escape character, so that the backtick continues the line.",
    (at) => `# escape=\`\nFROM \`\n  ${at.ref(V)}\n${tail(at)}`,
  ),
  trick("Lines that end with a carriage return.", (at) => `FROM ${at.ref(V)}\r\n${at.probe}\r\n`),
  trick("Tabs before and behind the instruction.", (at) => `\t\tFROM\t${at.ref(V)}\tAS\tx\n${tail(at)}`),
  trick("The name in double quotes.", (at) => `FROM "${at.ref(V)}"\n${tail(at)}`),
  trick(
    "The name in single quotes, in a chain of ARGs.",
    (at) => `ARG A='${at.ref(V)}'\nARG B="$A"\nFROM \${B}\n${tail(at)}`,
  ),
  trick(
    "A backslash before a letter of the tag.",
    (at) => `FROM ${at.ref(V).replace(/3$/, "\\3")}\n${tail(at)}`,
  ),
  trick(
    "A default that a build argument leaves unset.",
    (at) => `ARG X\nFROM \${X:-${at.ref(V)}}\n${tail(at)}`,
  ),
  trick(
    "An alternative that applies because a variable is set.",
    (at) => `ARG X=1\nFROM \${X:+${at.ref(V)}}\n${tail(at)}`,
  ),
  trick(
    "The name is made by cutting off a prefix.",
    (at) => `ARG X=zzz${at.ref(V)}\nFROM \${X#zzz}\n${tail(at)}`,
  ),
  trick(
    "The name is made by a replacement in a variable.",
    (at) =>
      `ARG P=nothing\nARG X=${at.ref(V).replace("victim", "nothing")}\nFROM \${X/$P/victim}\n${tail(at)}`,
  ),
  trick(
    "A global ARG is given twice, and the second one counts.",
    (at) => `ARG X=${at.ref(S)}\nARG X=${at.ref(V)}\nFROM $X\n${tail(at)}`,
  ),
  trick(
    "A stage's own ARG names the unmoved image, the global one the moved.",
    (at) => `ARG X=${at.ref(V)}\nFROM ${at.ref(S)} AS a\nARG X=${at.ref(S)}\nRUN true\nFROM $X\n${tail(at)}`,
  ),
  trick(
    "The tag is the automatic TARGETARCH.",
    (at) => `FROM ${at.ref("victim:1.2.3-")}\${TARGETARCH}\n${tail(at)}`,
    {
      images: { [`victim:1.2.3-${ARCHITECTURE}`]: { was: {}, is: {} } },
    },
  ),
  trick(
    "A build argument takes the place of the automatic TARGETARCH.",
    (at) => `ARG TARGETARCH\nFROM ${at.ref("victim:1.2.3-")}\${TARGETARCH}\n${tail(at)}`,
    {
      images: { [`victim:1.2.3-${ARCHITECTURE}`]: { was: {} }, "victim:1.2.3-evil": { was: {}, is: {} } },
      args: argument("TARGETARCH", () => "evil"),
    },
  ),
  trick(
    "A predefined proxy argument has the name.",
    (at) => `ARG HTTP_PROXY\nFROM $HTTP_PROXY\n${tail(at)}`,
    // It is the courier's proxy too, and none: the log cannot be asked before the deadline.
    { args: argument("HTTP_PROXY", (at) => at.ref(V)), expect: ["refused", "error"], withinMs: 90_000 },
  ),
  trick(
    "A stage has the number 0 in COPY --from, and its base has moved.",
    (at) => `FROM ${at.ref(V)}\nFROM ${at.ref(S)}\nCOPY --from=0 /version /copied\n${tail(at)}`,
  ),
  trick(
    "A stage is named like a later stage's named context, which has moved.",
    (at) =>
      `FROM ${at.ref(S)} AS victim\nFROM ${at.ref(S)}\nCOPY --from=victim /version /copied\n${tail(at)}`,
    {
      args: (at) => ["--build-context", `victim=docker-image://${at.ref(V)}`],
    },
  ),
  trick(
    "A stage is named like a repository, and copied from by the image's whole name.",
    (at) =>
      `FROM ${at.ref(S)} AS victim\nFROM victim\nCOPY --from=${at.ref(V)} /version /copied\n${tail(at)}`,
  ),
  trick(
    "An ONBUILD of the file itself copies from a moved tag, in a stage built on it.",
    (at) => `FROM ${at.ref(S)} AS a\nONBUILD COPY --from=${at.ref(V)} /version /copied\nFROM a\n${tail(at)}`,
  ),
  trick(
    "The moved tag stands only behind --mount in a heredoc step.",
    (at) =>
      `FROM ${at.ref(S)}\nRUN --mount=from=${at.ref(V)},target=/m <<EOF\ncat /m/version\nEOF\n${tail(at)}`,
  ),
  trick("A byte order mark before the first line.", (at) => `\ufeffFROM ${at.ref(V)}\n${tail(at)}`, {
    build: (at) => ({ byArgument: true, dockerfile: `\ufeffFROM ${at.ref(V)}\n${at.probe}\n` }),
  }),
  trick(
    "The platform is another one than the builder's.",
    (at) => `FROM --platform=linux/arm64 ${at.ref(V)}\nCOPY Dockerfile /\n`,
    {
      images: {
        [V]: {
          was: { platforms: ["linux/amd64", "linux/arm64"] },
          is: { platforms: ["linux/amd64", "linux/arm64"] },
        },
      },
    },
  ),
  trick("The Dockerfile comes on standard input.", (at) => tail(at), {
    build: (at) => ({ byArgument: true, args: ["-f", "-"], input: `FROM ${at.ref(V)}\n${at.probe}\n` }),
  }),
  trick("A no-break space between instruction and name.", (at) => `FROM\u00a0${at.ref(V)}\n${tail(at)}`, {
    expect: ["error", "refused"],
  }),
  trick("A full-width digit in the tag.", (at) => `FROM ${at.ref("victim:1.2.")}\uff13\n${tail(at)}`, {
    expect: "error",
  }),
  trick("A stage whose name is a number.", (at) => `FROM ${at.ref(V)} AS 0\n${tail(at)}`, {
    expect: ["error", "refused"],
  }),
  trick(
    "A variable in COPY --from.",
    (at) => `ARG X=${at.ref(V)}\nFROM ${at.ref(S)}\nARG X\nCOPY --from=$X /version /copied\n${tail(at)}`,
    { expect: ["error", "refused"] },
  ),
  trick(
    "A variable in the mount of a step.",
    (at) => `ARG X=${at.ref(V)}\nFROM ${at.ref(S)}\nARG X\nRUN --mount=from=$X,target=/m true\n${tail(at)}`,
    { expect: ["error", "refused"] },
  ),
  trick(
    "Honest: a heredoc's text is a Dockerfile that names the moved tag.",
    (at) => `FROM ${at.ref(S)}\nCOPY <<EOF /inner\nFROM ${at.ref(V)}\nEOF\n${tail(at)}`,
    { expect: "built" },
  ),
  trick(
    "Honest: a comment and a label name the moved tag.",
    (at) => `# FROM ${at.ref(V)}\nFROM ${at.ref(S)}\nLABEL base=${at.ref(V)}\n${tail(at)}`,
    { expect: "built" },
  ),
  trick(
    "Honest: a stage is named like the moved repository, and copied from.",
    (at) =>
      `FROM ${at.ref(S)} AS victim\nRUN echo own > /own\nFROM ${at.ref(S)}\nCOPY --from=victim /own /copied\n${tail(at)}`,
    { expect: "built" },
  ),
  trick(
    "Honest: numbers as --from, another escape character, quotes and cases.",
    (at) =>
      `# escape=\`\nfrom \`\n  "${at.ref(S)}" as One\nFROM ${at.ref(S)}\nCOPY --from=0 /version /copied\nCOPY --from=one /version /copied2\n${tail(at)}`,
    { expect: "built" },
  ),
  trick(
    "Honest: a replacement in a variable makes the name of an unmoved image.",
    (at) => `ARG P=nothing\nARG X=${at.ref(S).replace("still", "nothing")}\nFROM \${X/$P/still}\n${tail(at)}`,
    { expect: "built" },
  ),
];
