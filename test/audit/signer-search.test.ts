// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { signerSearch } from "../../src/audit/signer-search.ts";
import type { TrustedSigner } from "../../src/record/signer.ts";
import { sampleKey } from "../record/sample-log.ts";

const identity = "https://github.com/acme/ledger/.github/workflows/observe.yml@refs/heads/main";
const issuer = "https://token.actions.githubusercontent.com";
const inBody = (bytes: Buffer) => Buffer.from(JSON.stringify({ rawBytes: bytes.toString("base64") }));

test.for([0, 1, 2, 3])("an identity is found %i bytes behind the beginning of a certificate", (before) => {
  const search = signerSearch([{ kind: "identity", issuer, identity }]);
  for (let behind = 0; behind < 3; behind++) {
    const bytes = Buffer.concat([
      Buffer.alloc(before, 0xa5),
      Buffer.from(identity),
      Buffer.alloc(behind, 0x5a),
    ]);
    expect(search.places(inBody(bytes))).toHaveLength(1);
  }
  expect(search.places(inBody(Buffer.from(identity.replace("acme", "acne"))))).toEqual([]);
});

test("a pattern is found by its longest part, and by its issuer where it has none of use", () => {
  const patterned = (pattern: string): TrustedSigner => ({ kind: "identity-pattern", issuer, pattern });
  const certificate = inBody(Buffer.from(`..${identity}...${issuer}..`));
  expect(signerSearch([patterned("https://github.com/acme/*@refs/**")]).places(certificate)).toHaveLength(1);
  expect(signerSearch([patterned("**")]).places(certificate)).toHaveLength(1);
  expect(signerSearch([patterned("https://gitlab.com/**")]).places(certificate)).toEqual([]);
});

test("a key is found with its point compressed, too", () => {
  const { signer } = sampleKey();
  if (signer.kind !== "key") throw new TypeError("it is no key");
  const spki = signer.publicKey.export({ type: "spki", format: "der" });
  const x = spki.subarray(27, 59);
  const search = signerSearch([signer]);
  expect(search.places(inBody(spki))).toHaveLength(1);
  expect(search.places(inBody(Buffer.concat([Buffer.alloc(26), Buffer.of(2), x])))).toHaveLength(1);
});

test("whatever has a backslash is looked at", () => {
  const search = signerSearch([{ kind: "identity", issuer, identity }]);
  expect(search.places(Buffer.from('{"a":"\\u0041"}'))).toEqual([6]);
});
