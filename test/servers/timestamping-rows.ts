// SPDX-License-Identifier: Apache-2.0
import { RFC3161Timestamp } from "@sigstore/core";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Row, Section } from "./conformance-row.ts";
import type { Target } from "./target.ts";

const JSON_TYPE = "application/json";

function ask({ place }: Target, body: unknown, type = JSON_TYPE): Promise<Response> {
  const bytes = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return fetch(place.timestamp, {
    method: "POST",
    headers: { "content-type": type },
    body: Buffer.from(bytes),
  });
}

const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("base64");

/** A `TimeStampReq` (DER) over these bytes, that wants the signer's certificate in the answer. */
function query(bytes: Buffer): Buffer {
  const before = Buffer.from("30390201013031300d060960864801650304020105000420", "hex");
  return Buffer.concat([before, Buffer.from(hashOf(bytes), "base64"), Buffer.from("0101ff", "hex")]);
}

function request(says: string, expected: string, body: unknown, type?: string): Row {
  const look = async (target: Target) => `${(await ask(target, body, type)).status}`;
  return { says, ours: { expected, look } };
}

const good = { artifactHash: hashOf(Buffer.from("bytes")), hashAlgorithm: "sha256" };

/** How signatures get a time. */
export const timestamping: Section = {
  title: "Timestamps",
  servers: ["timestamp authority"],
  rows: [
    {
      says: "A hash in Sigstore's JSON gives a timestamp (RFC 3161) over it, of now",
      ours: {
        expected: "200, application/timestamp-reply, over these bytes, of now",
        async look(target) {
          const bytes = randomBytes(20);
          const before = Math.floor(Date.now() / 1000) * 1000;
          const response = await ask(target, { artifactHash: hashOf(bytes), hashAlgorithm: "sha256" });
          const timestamp = RFC3161Timestamp.parse(Buffer.from(await response.arrayBuffer()));
          // Throws when it is about something else, or not signed by this certificate.
          timestamp.verify(bytes, signerCertificate(target).publicKey);
          const time = timestamp.signingTime.getTime();
          const when = time >= before && time <= Date.now() ? "of now" : `of ${time - before} ms later`;
          return `${response.status}, ${response.headers.get("content-type")}, over these bytes, ${when}`;
        },
      },
    },
    {
      says: "… and so does one in the form of RFC 3161",
      ours: {
        expected: "200, over these bytes, with the signer's certificate",
        async look(target) {
          const bytes = randomBytes(20);
          const response = await ask(target, query(bytes), "application/timestamp-query");
          const reply = Buffer.from(await response.arrayBuffer());
          RFC3161Timestamp.parse(Buffer.from(reply)).verify(bytes, signerCertificate(target).publicKey);
          const certificate = reply.includes(signerCertificate(target).raw) ? "with" : "without";
          return `${response.status}, over these bytes, ${certificate} the signer's certificate`;
        },
      },
    },
    request("The first with a content type that has parameters", "400", good, `${JSON_TYPE}; charset=utf-8`),
    request("… with another content type", "415", good, "text/plain"),
    request("A hash of another length", "400", { ...good, artifactHash: "AAAA" }),
    request("A hash that is not base64", "400", { ...good, artifactHash: "***" }),
    request("No hash", "400", { hashAlgorithm: "sha256" }),
    request("A weak algorithm", "400", { ...good, hashAlgorithm: "sha1" }),
    request("An unknown algorithm", "400", { ...good, hashAlgorithm: "md5" }),
    request("No algorithm", "400", { artifactHash: good.artifactHash }),
    request("A body that is not JSON", "400", "{"),
    request("A body that is a list", "400", "[]"),
    request("No body", "422", ""),
    {
      says: "Reading the path of timestamps",
      ours: { expected: "405", look: async ({ place }) => `${(await fetch(place.timestamp)).status}` },
    },
  ],
};

/** The first certificate of the trusted root's newest authority. */
function signerCertificate({ trustedRootFile }: Target) {
  const root = JSON.parse(readFileSync(trustedRootFile, "utf8")) as {
    timestampAuthorities: { certChain: { certificates: { rawBytes: string }[] } }[];
  };
  const [signer] = root.timestampAuthorities.at(-1)?.certChain.certificates ?? [];
  return new X509Certificate(Buffer.from(signer?.rawBytes ?? "", "base64"));
}
