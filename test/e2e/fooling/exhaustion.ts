// SPDX-License-Identifier: Apache-2.0
import type { FoolingCase, Site, Tagged } from "./case.ts";

const V = "victim:1.2.3";
const S = "still:1.0";
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** An image whose ONBUILD copies from these. */
const copies =
  (...names: readonly string[]) =>
  (at: Site): Tagged => ({
    was: { onbuild: names.map((name) => `COPY --from=${at.ref(name)} /version /copied`) },
  });
const base = (name: string) => (at: Site) => ({ dockerfile: `FROM ${at.ref(name)}\n${at.probe}\n` });

/** Builds that would take for ever, or all memory. */
export const EXHAUSTION: readonly FoolingCase[] = [
  {
    tries: "A base's ONBUILD copies from its own tag.",
    expect: ["error", "refused"],
    images: { "circle:1.0": copies("circle:1.0") },
    build: base("circle:1.0"),
  },
  {
    tries: "Two images whose ONBUILDs copy from each other.",
    expect: ["error", "refused"],
    images: { "one:1.0": copies("two:1.0"), "two:1.0": copies("one:1.0") },
    build: base("one:1.0"),
  },
  {
    tries: "An image that is only copied from has an ONBUILD that mounts its own tag.",
    expect: ["error", "refused"],
    images: {
      [S]: { was: {} },
      "circle:1.0": (at) => ({
        was: { onbuild: [`RUN --mount=from=${at.ref("circle:1.0")},target=/m true`] },
      }),
    },
    build: (at) => ({
      dockerfile: `FROM ${at.ref(S)}\nCOPY --from=${at.ref("circle:1.0")} /version /copied\n${at.probe}\n`,
    }),
  },
  {
    tries: "A chain of thirty ONBUILDs ends in a moved tag.",
    expect: ["refused", "error"],
    images: {
      [V]: { was: {}, is: {} },
      ...Object.fromEntries(
        numbers(30).map((index) => [`chain:${index}`, copies(index === 0 ? V : `chain:${index - 1}`)]),
      ),
    },
    build: base("chain:29"),
  },
  {
    tries: "Three hundred images are copied from, and the last one has moved.",
    expect: ["refused", "error"],
    withinMs: 60_000,
    images: {
      [S]: { was: {} },
      ...Object.fromEntries(
        numbers(300).map((index) => [
          `many:${index}`,
          index === 299 ? { was: { layers: false }, is: {} } : { was: { layers: false } },
        ]),
      ),
    },
    build: (at) => ({
      dockerfile: [
        `FROM ${at.ref(S)}`,
        ...numbers(300).map((index) => `COPY --from=${at.ref(`many:${index}`)} / /copied-${index}`),
        at.probe,
        "",
      ].join("\n"),
    }),
  },
  {
    tries: "An unmoved base has two thousand ONBUILD steps, and the last one names a moved tag.",
    expect: ["refused", "error"],
    images: {
      [V]: { was: {}, is: {} },
      "long:1.0": (at) => ({
        was: {
          onbuild: [
            ...numbers(2_000).map((index) => `ENV N${index}=1`),
            `COPY --from=${at.ref(V)} /version /copied`,
          ],
        },
      }),
    },
    build: base("long:1.0"),
  },
  {
    tries: "A tag moved to an image with a configuration of twelve million bytes.",
    expect: ["refused", "error"],
    images: { [V]: { was: {}, is: { labels: { large: "x".repeat(12_000_000) } } } },
    build: base(V),
  },
  {
    tries: "Four hundred replacements in variables lead to a moved tag.",
    expect: ["refused", "error"],
    images: { [V]: { was: {}, is: {} } },
    build: (at) => ({
      dockerfile: [
        `ARG A=${at.ref(V)}`,
        ...numbers(400).map(() => "ARG A=${A/$A/$A}"),
        "FROM $A",
        at.probe,
        "",
      ].join("\n"),
    }),
  },
  {
    tries: "A Dockerfile of two million bytes.",
    expect: ["refused", "error"],
    images: { [V]: { was: {}, is: {} } },
    build: (at) => ({ dockerfile: `${"# nothing here\n".repeat(140_000)}FROM ${at.ref(V)}\n${at.probe}\n` }),
  },
  {
    tries: "Honest: twenty unmoved images are copied from.",
    expect: "built",
    images: {
      [S]: { was: {} },
      ...Object.fromEntries(
        numbers(20).map((index) => [`many:${index}`, { was: { files: { [`f${index}`]: "x" } } }]),
      ),
    },
    build: (at) => ({
      dockerfile: [
        `FROM ${at.ref(S)}`,
        ...numbers(20).map((index) => `COPY --from=${at.ref(`many:${index}`)} /f${index} /`),
        at.probe,
        "",
      ].join("\n"),
    }),
  },
];
