// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { accepted, fetchedOf, recorded, refused } from "./proof.ts";

const image = "registry.test:5000/acme/base:1.0";
const digest = `sha256:${"a".repeat(64)}`;
const moved = `sha256:${"b".repeat(64)}`;
const layer = `sha256:${"c".repeat(64)}`;
const story = { image, digest };
const evidence = "(log index 1000, 2026-01-02T03:04:05Z, by key sha256:0123456789ab…)";

const FIRST = `#5 DONE 0.0s

#6 [tlog] ${image} first seen, recorded: ${digest} ${evidence}
#6 DONE 0.0s

#8 [2/2] RUN cat /etc/greeting
#8 0.135 hello
#8 DONE 0.2s
`;
const AGAIN = FIRST.replace("first seen, recorded:", "unchanged since 2026-01-02:");
const MISMATCH = `#5 [internal] load .dockerignore
#5 DONE 0.0s
Dockerfile:2
--------------------
   2 | >>> FROM ${image}
--------------------
ERROR: failed to build: failed to solve: tag "${image}" mismatch; got "${moved}", want "${digest}"
  recorded 2026-01-02T03:04:05Z by key sha256:0123456789ab…
  log index 1000 of rekor.test
  the tag has moved since; nothing of the new image was run
`;

test("a recorded tag is proven by exit code 0 and its line with the log index", () => {
  expect(recorded({ code: 0, output: FIRST }, story)).toEqual({ logIndex: "1000" });
});

test.for([
  { row: "another exit code", code: 1, output: FIRST, failure: "exit code 1" },
  { row: "no line", code: 0, output: AGAIN, failure: 'no line "first seen, recorded"' },
  { row: "two lines", code: 0, output: FIRST + FIRST, failure: "2 lines" },
  { row: "another image", code: 0, output: FIRST.replaceAll(image, "other:1"), failure: '"other:1"' },
  { row: "another digest", code: 0, output: FIRST.replace(digest, moved), failure: moved },
  {
    row: "a line without log index",
    code: 0,
    output: FIRST.replace("log index 1000, ", ""),
    failure: "no line",
  },
  {
    row: "a step that prints such a line",
    code: 0,
    output: `#8 0.1 [tlog] ${image} first seen, recorded: ${digest} ${evidence}\n`,
    failure: "no line",
  },
])("a recorded tag is not proven by $row", ({ code, output, failure }) => {
  expect(recorded({ code, output }, story)).toEqual({ failure: expect.stringContaining(failure) });
});

test("an accepted tag is proven by the same digest and log index", () => {
  const proof = accepted({ code: 0, output: AGAIN }, { ...story, logIndex: "1000" });
  expect(proof).toEqual({ logIndex: "1000" });
});

test.for([
  { row: "a tag that is recorded once more", output: FIRST, failure: 'no line "unchanged"' },
  {
    row: "another log index",
    output: AGAIN.replace("index 1000", "index 1001"),
    failure: '"1001" instead of "1000"',
  },
])("an accepted tag is not proven by $row", ({ output, failure }) => {
  const proof = accepted({ code: 0, output }, { ...story, logIndex: "1000" });
  expect(proof).toEqual({ failure: expect.stringContaining(failure) });
});

const refusal = {
  ...story,
  logIndex: "1000",
  moved,
  layers: [layer],
  requests: ["HEAD /v2/acme/base/manifests/1.0", `GET /v2/acme/base/manifests/${moved}`],
};

test("a refused build is proven by the mismatch, and by no step and no layer", () => {
  expect(refused({ code: 1, output: MISMATCH }, refusal)).toEqual({ logIndex: "1000" });
});

test.for([
  { row: "a build that went through", change: { code: 0 }, failure: "exit code 0" },
  {
    row: "another error",
    change: { output: "ERROR: failed to build: no space left\n" },
    failure: "no mismatch error",
  },
  {
    row: "the wrong digest",
    change: { output: MISMATCH.replace(`got "${moved}"`, `got "${digest}"`) },
    failure: `got "${digest}"`,
  },
  {
    row: "another record",
    change: { output: MISMATCH.replace("index 1000", "index 7") },
    failure: '"7" instead of "1000"',
  },
  {
    row: "a step that was begun",
    change: { output: `#7 [2/2] RUN cat /etc/greeting\n${MISMATCH}` },
    failure: "a step",
  },
  {
    row: "a step of a named stage",
    change: { output: `#7 [app 1/3] FROM ${image}\n${MISMATCH}` },
    failure: "a step",
  },
  {
    row: "a layer that was fetched",
    change: { requests: [...refusal.requests, `GET /v2/acme/base/blobs/${layer}`] },
    failure: layer,
  },
])("a refused build is not proven by $row", ({ change, failure }) => {
  const { code, output, ...rest } = { code: 1, output: MISMATCH, ...refusal, ...change };
  expect(refused({ code, output }, rest)).toEqual({ failure: expect.stringContaining(failure) });
});

test("only a GET counts as fetching a blob", () => {
  const blobs = [layer, moved];
  expect(fetchedOf(blobs, [`HEAD /v2/a/blobs/${layer}`, `GET /v2/a/blobs/${moved}`])).toEqual([moved]);
});
