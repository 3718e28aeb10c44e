// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { cacheName, namedCaches } from "../../src/gate/imported-caches.ts";

test.for([
  {
    row: "a registry's",
    given: '[{"Type":"registry","Attrs":{"ref":"ghcr.io/acme/cache:main"}}]',
    named: ["ghcr.io/acme/cache:main"],
  },
  { row: "another kind's", given: '[{"Type":"gha"}]', named: ["type=gha"] },
  {
    row: "the good one of several",
    given: '[null,1,{"Type":1},{"Type":"registry","Attrs":{"ref":"Not A Name"}},{"Type":"s3"}]',
    named: ["type=s3"],
  },
  { row: "none in what is no list", given: '{"Type":"gha"}', named: [] },
  { row: "none in what is no JSON", given: "[", named: [] },
  {
    row: "64 at most",
    given: JSON.stringify(Array.from({ length: 65 }, () => ({ Type: "gha" }))),
    named: Array.from({ length: 64 }, () => "type=gha"),
  },
])("of the caches that a build's options name: $row", ({ given, named }) => {
  expect(namedCaches({ "cache-imports": given }).map(cacheName)).toEqual(named);
});
