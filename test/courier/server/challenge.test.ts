// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { bearerChallenge } from "../../../src/courier/server/challenge.ts";

const full = { realm: "https://auth.example.org/token", service: "registry", scope: "repository:a:pull" };
const line = 'Bearer realm="https://auth.example.org/token",service="registry",scope="repository:a:pull"';

test.for([
  { row: "as registries write it", header: line, want: full },
  {
    row: "in small letters, with spaces",
    header: line.replace("Bearer", "bearer").replaceAll(",", " , "),
    want: full,
  },
  { row: "after another scheme", header: `Basic realm="x, Bearer realm=y", ${line}`, want: full },
  { row: "before another scheme", header: `${line}, Basic realm="registry"`, want: full },
  { row: "after one without parameters", header: `Negotiate, ${line}`, want: full },
  { row: "with parameters nobody knows", header: `${line},error="invalid_token"`, want: full },
  {
    row: "with the realm alone, not quoted",
    header: "Bearer realm=https://a.example/t",
    want: { realm: "https://a.example/t" },
  },
  { row: "with quoted quotes", header: 'Bearer realm="a\\"b"', want: { realm: 'a"b' } },
  { row: "of which the first realm counts", header: 'Bearer realm="a",realm="b"', want: { realm: "a" } },
])("reads a challenge $row", ({ header, want }) => {
  expect(bearerChallenge(header)).toEqual(want);
});

test.for([
  "",
  "Bearer",
  'Basic realm="x"',
  'Bearer service="x"',
  'realm="x"',
  "Bearer realm=",
  'Bearer realm="open',
  "\u0000",
])("finds none in %j", (header) => {
  expect(bearerChallenge(header)).toBeUndefined();
});

test("takes no long time for a long header", () => {
  const begun = performance.now();
  bearerChallenge(`Bearer ${'a="\\"'.repeat(20_000)}`);
  bearerChallenge(`${" ".repeat(50_000)}"`);
  expect(performance.now() - begun).toBeLessThan(1_000);
});
