// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { deviation, dockerfileOf } from "./builds.ts";

const images = ["registry.test:5000/bench/base-1:1.0", "registry.test:5000/bench/base-2:1.0"];
const [first = "", second = ""] = images;
const frontend = "registry.test:5000/tlog-dockerfile:1";
const digest = `sha256:${"a".repeat(64)}`;

const OURS = `#2 resolve image config for docker-image://${frontend}
#2 DONE 0.0s

#3 docker-image://${frontend}@${digest}
#3 resolve ${frontend}@${digest} done
#3 CACHED

#7 [tlog] ${first} unchanged since 2026-01-02: ${digest} (log index 1000)
#7 DONE 0.0s

#8 [tlog] ${second} unchanged since 2026-01-02: ${digest} (log index 1001)
#8 CACHED

#9 [stage-0  2/5] COPY --from=${second} /number /numbers/0
#9 CACHED

#10 [stage-0 3/5] COPY hello.txt /hello.txt
#10 CACHED

#11 [stage-0 4/5] RUN cat /hello.txt > /copy.txt
#11 CACHED

#12 [stage-0 5/5] RUN wc -c /copy.txt > /size.txt
#12 CACHED
`;

const ours = { kind: { frontend: {} }, images, frontend } as const;

test("a fully cached build through the frontend, with every image unchanged, is what is to be timed", () => {
  expect(deviation(OURS, ours)).toBeUndefined();
});

test("a line that the progress comes back to is one line", () => {
  const [verdict = ""] = /^#7 \[tlog\].*\n/m.exec(OURS) ?? [];
  expect(deviation(OURS.replace("#9 [stage-0", `${verdict}#9 [stage-0`), ours)).toBeUndefined();
});

test("without a syntax line, no frontend and no verdict is to be seen", () => {
  const output = OURS.slice(OURS.indexOf("#9 "));
  expect(deviation(output, { kind: { frontend: "none" }, images, frontend: undefined })).toBeUndefined();
});

test.for([
  { row: "a step that ran", output: OURS.replace("#11 CACHED", "#11 DONE 0.1s"), why: "step #11" },
  {
    row: "a step that is missing",
    output: OURS.slice(0, OURS.indexOf("#12 ")),
    why: "3 steps instead of 4",
  },
  {
    row: "a new record",
    output: OURS.replace("unchanged since 2026-01-02", "first seen, recorded"),
    why: `found "${second}" unchanged instead of`,
  },
  { row: "an image nobody judged", output: OURS.replace(/^#8 .*\n/gm, ""), why: `found "${first}"` },
  {
    row: "another frontend",
    output: OURS.replaceAll(frontend, "registry.test:5000/other:1"),
    why: 'went through "registry.test:5000/other:1"',
  },
])("a build with $row is not timed", ({ output, why }) => {
  expect(deviation(output, ours)).toContain(why);
});

test("a first recording is one in which every image was recorded", () => {
  const records = { ...ours, kind: { frontend: {}, records: true } } as const;
  expect(deviation(OURS, records)).toContain("found nothing recorded instead of");
  expect(
    deviation(OURS.replaceAll(/unchanged since [\d-]+:/g, "first seen, recorded:"), records),
  ).toBeUndefined();
});

test("a build without a syntax line that goes through a frontend is not timed", () => {
  expect(deviation(OURS, { kind: { frontend: "none" }, images, frontend: undefined })).toContain(
    "instead of nothing",
  );
});

test("the Dockerfile takes a file of every image, and differs only in its first line", () => {
  const plain = dockerfileOf(images, undefined);
  expect(plain).toContain(`FROM ${first}\nCOPY --from=${second} `);
  expect(dockerfileOf(images, frontend)).toBe(`# syntax=${frontend}\n${plain}`);
});
