// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { beforeAll, describe, expect, test } from "vitest";
import { identityOf } from "../../src/record/trusted-signer.ts";
import { certify, sampleAuthority } from "./sample-identity.ts";

const ISSUER = "https://issuer.example";
const IDENTITY = "https://acme.example/ci";
let der: Buffer;
beforeAll(async () => {
  const { issuing } = await sampleAuthority();
  der = pem.toDER((await certify(issuing, { issuer: ISSUER, identity: IDENTITY })).pem);
});

/** The certificate with the bytes at each of these places exchanged for as many others; its signature is not looked at. */
function changed(from: string, to: string, which: "first" | "last" = "first"): Buffer {
  const copy = Buffer.from(der);
  const at =
    which === "first" ? copy.indexOf(from, 0, "latin1") : copy.lastIndexOf(from, undefined, "latin1");
  if (at < 0 || from.length !== to.length) throw new Error(`cannot put "${to}" for "${from}"`);
  copy.write(to, at, "latin1");
  return copy;
}

test("a certificate names one identity and its issuer", () => {
  expect(identityOf(der)).toEqual({ issuer: ISSUER, identity: IDENTITY });
});

describe("a certificate of a user name (otherName)", () => {
  const NAME = "alice!acme.example";
  let user: Buffer;
  beforeAll(async () => {
    const { issuing } = await sampleAuthority();
    user = pem.toDER((await certify(issuing, { issuer: ISSUER, identity: NAME })).pem);
  });

  test("names the user", () => {
    expect(identityOf(user)).toEqual({ issuer: ISSUER, identity: NAME });
  });

  test.for<{ row: string; from: string; to: string }>([
    { row: "no exclamation mark", from: "alice!", to: "alice." },
    { row: "that of an email address", from: "alice!", to: "alice@" },
    { row: "both", from: "alice!acme", to: "al@ce!acme" },
    { row: "a blank", from: "alice!", to: "al ce!" },
    { row: "a text of another kind", from: "\x0c\x12alice", to: "\x16\x12alice" },
    { row: "another kind of other name", from: "\x30\x01\x07", to: "\x30\x01\x06" },
    { row: "the text behind another tag", from: "\xa0\x14\x0c", to: "\xa1\x14\x0c" },
  ])("and nobody with $row", ({ from, to }) => {
    const at = user.indexOf(from, 0, "latin1");
    expect(at).toBeGreaterThan(0);
    const copy = Buffer.from(user);
    copy.write(to, at, "latin1");
    expect(identityOf(copy)).toBeUndefined();
  });
});

test.for<{ row: string; make: () => Uint8Array }>([
  { row: "nothing", make: () => new Uint8Array() },
  { row: "noise", make: () => Buffer.from("noise") },
  { row: "a certificate that is cut short", make: () => der.subarray(0, 300) },
  { row: "a certificate with something behind it", make: () => Buffer.concat([der, Buffer.of(0)]) },
  { row: "nine kilobytes", make: () => Buffer.alloc(9 * 1024, 0x30) },
  {
    row: "two names",
    make: () =>
      changed(`\x86${String.fromCharCode(IDENTITY.length)}https://acme`, "\x86\x04http\x86\x11//acme"),
  },
  {
    row: "a name that is no email address and no URI",
    make: () =>
      changed(`\x86${String.fromCharCode(IDENTITY.length)}`, `\x82${String.fromCharCode(IDENTITY.length)}`),
  },
  { row: "a letter with its eighth bit set", make: () => changed("acme", "\xe1cme") },
  { row: "a control character", make: () => changed("acme", "ac\x1be") },
  { row: "a blank", make: () => changed("acme", "ac e") },
  { row: "two issuers", make: () => changed(ISSUER, "https://issuer.ex1mple", "last") },
  { row: "no extension with a name", make: () => changed("\x06\x03\x55\x1d\x11", "\x06\x03\x55\x1d\x12") },
])("and what has $row names nobody", ({ make }) => {
  expect(identityOf(make())).toBeUndefined();
});
