// SPDX-License-Identifier: Apache-2.0
// The packages' own entry point also loads nock, which replaces node:http's client in the whole process.
import { initializeCA, initializeCTLog } from "@sigstore/mock/dist/fulcio/index.js";
import { ASN1Obj } from "@sigstore/core";
import { sign, type KeyObject } from "node:crypto";
import { keyPair } from "./signing-keys.ts";
import { spki } from "./signed-note.ts";

/** Who is to get a certificate. */
export interface CertificateRequest {
  readonly publicKey: KeyObject;
  /** An email address, a URI, or a user name (`alice!acme.example`). */
  readonly identity: string;
  /** The OpenID Connect issuer, a URL. */
  readonly issuer: string;
}

/** An authority that certifies whatever it is asked to. Certificates are DER. */
export interface CertificateAuthority {
  readonly root: Buffer;
  /** A certificate that holds for ten minutes from the authority's time on. */
  issue(request: CertificateRequest): Promise<Buffer>;
}

const ISSUER_V1 = "1.3.6.1.4.1.57264.1.1";
const ISSUER_V2 = "1.3.6.1.4.1.57264.1.8";
const SUBJECT_ALTERNATIVE_NAME = Buffer.from("0603551d11", "hex");
/** 1.3.6.1.4.1.57264.1.7 */
const USER_NAME = Buffer.from("060a2b0601040183bf300107", "hex");
const CONTEXT_0 = 0xa0;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const BOOLEAN = 0x01;
const EMAIL = 0x81;

/**
 * Makes one from `@sigstore/mock`, whose root is valid from the machine's now on. `time` is read whenever it issues,
 * so setting it is how it learns the time. Without `ctlog`, certificates have no SCT.
 */
export async function certificateAuthority(
  privateKey: KeyObject,
  { ctlog, time }: { readonly ctlog?: KeyObject; readonly time: Date },
): Promise<CertificateAuthority> {
  const log = ctlog && (await initializeCTLog(keyPair(ctlog), time));
  const ca = await initializeCA(
    keyPair(privateKey),
    log && {
      publicKey: log.publicKey,
      logID: log.logID,
      log: (certificate, issuerId) => log.log(exactly(named(Buffer.from(certificate))), issuerId),
    },
    time,
  );
  return {
    root: Buffer.from(exactly(bytesOf(ca.rootCertificate))),
    async issue({ publicKey, identity, issuer }) {
      const certificate = await ca.issueCertificate({
        publicKey: Buffer.from(exactly(spki(publicKey))),
        subjectAltName: identity,
        extensions: [
          { oid: ISSUER_V1, value: issuer, legacy: true },
          { oid: ISSUER_V2, value: issuer },
        ],
      });
      return signedAnew(named(bytesOf(certificate)), privateKey);
    },
  };
}

/**
 * The package makes every name a URI. What is an email address gets that tag, and a user name (`alice!acme.example`)
 * its own form, in a copy whose signature is void.
 */
function named(certificate: Buffer): Buffer {
  const root = ASN1Obj.parseBuffer(Buffer.from(certificate));
  if (nameUser(root)) return root.toDER();
  const changed = Buffer.from(certificate);
  const at = changed.indexOf(SUBJECT_ALTERNATIVE_NAME) + SUBJECT_ALTERNATIVE_NAME.length;
  const octets = changed[at] === BOOLEAN ? at + 3 : at;
  const name = content(changed, content(changed, octets).start).start;
  const { start, end } = content(changed, name);
  if (/^[^@/:]+@[^@/:]+$/.test(changed.toString("latin1", start, end))) changed[name] = EMAIL;
  return changed;
}

/** Turns the one name in these extensions into an `otherName`, when it is that of a user. */
function nameUser(value: ASN1Obj): boolean {
  const [kind, ...rest] = value.subs;
  if (kind?.tag.isOID() !== true || kind.toOID() !== "2.5.29.17") return value.subs.some(nameUser);
  const names = rest.at(-1)?.subs[0];
  const name = names?.subs[0]?.value.toString("latin1") ?? "";
  if (names === undefined || !/^[^!@]+![^!@/:]+$/.test(name)) return false;
  const text = encode(CONTEXT_0, encode(UTF8_STRING, Buffer.from(name)));
  names.subs.splice(0, 1, ASN1Obj.parseBuffer(Buffer.from(encode(CONTEXT_0, USER_NAME, text))));
  return true;
}

/** The certificate with a signature that holds (ECDSA with SHA-384). */
function signedAnew(certificate: Buffer, privateKey: KeyObject): Buffer {
  const { start } = content(certificate, 0);
  const tbs = certificate.subarray(start, content(certificate, start).end);
  const algorithm = certificate.subarray(start + tbs.length, content(certificate, start + tbs.length).end);
  const signature = encode(BIT_STRING, Buffer.of(0), sign("sha384", tbs, privateKey));
  return encode(SEQUENCE, tbs, algorithm, signature);
}

/** Where the content of the DER value at this offset begins and ends. */
function content(der: Buffer, offset: number): { readonly start: number; readonly end: number } {
  const first = der.readUInt8(offset + 1);
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = offset + 2 + lengthBytes;
  return { start, end: start + (lengthBytes === 0 ? first : der.readUIntBE(offset + 2, lengthBytes)) };
}

function encode(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const length =
    value.length < 0x80 ? Buffer.of(value.length) : Buffer.of(0x82, value.length >> 8, value.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, value]);
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** A memory of its own: Node's buffers share theirs, and the package reads all of it. */
function exactly(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
