// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { requireSbom } from "../../src/gate/sbom.ts";
import { readResult } from "../../src/gateway/result.ts";
import { definitionOf, encodeResult } from "../gateway/fake-buildkit.ts";

const WANTED = { "attest:sbom": "" };
const ref = { id: "r", def: definitionOf([]) };

test("a build that wants a bill of materials returns one, or BuildKit would run the generator by its tag", () => {
  expect(() => requireSbom(readResult(encodeResult({ ref })), WANTED)).toThrow("unjudged; leave --sbom out");
  const other = { path: "/p", ref, inTotoPredicateType: "https://example.org/other" };
  const without = encodeResult({ ref, attestations: { "linux/amd64": { attestation: [other] } } });
  expect(() => requireSbom(readResult(without), WANTED)).toThrow("unjudged");
});

test.for([
  { row: "with one", wanted: WANTED, predicate: "https://spdx.dev/Document" },
  { row: "where none is wanted", wanted: {}, predicate: undefined },
])("a result passes $row", ({ wanted, predicate }) => {
  const attestation = predicate === undefined ? [] : [{ path: "/s", ref, inTotoPredicateType: predicate }];
  const result = encodeResult({ ref, attestations: { "linux/amd64": { attestation } } });
  expect(() => requireSbom(readResult(result), wanted)).not.toThrow();
});
