// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { certificateAuthority } from "../sigstore/certificate-authority.ts";
import { newSigningKey, proposeDsse } from "../sigstore/signed-statement.ts";
import type { Row, Section } from "./conformance-row.ts";
import { fieldsOf, refusal, signer } from "./log-requests.ts";
import { askV2, type Target } from "./target.ts";
import { appendV2, changedRecord, ENTRIES, postV2, proposeRecord, requestV2 } from "./v2-requests.ts";

const MEGABYTES_4 = 4 * 1024 * 1024;

/** A good entry as text, in which a part is replaced. */
function changedText(says: string, expected: string, [part, by]: readonly [string, string]): Row {
  const look = async (target: Target) => {
    const text = JSON.stringify(proposeRecord());
    if (!text.includes(part)) throw new Error(`nothing in the entry is ${part}`);
    return refusal(await postV2(target, text.replace(part, by)));
  };
  return { says, v2: { ours: { expected, look } } };
}

function signedBy(says: string, expected: string, make: () => { key: KeyObject; keyDetails?: string }): Row {
  const look = async (target: Target) => {
    const { key, ...details } = make();
    return refusal(await postV2(target, proposeRecord(key, details)));
  };
  return { says, v2: { ours: { expected, look } } };
}

/** An entry with a certificate for so long a name. */
function certified(says: string, expected: string, length: number): Row {
  const look = async (target: Target) => {
    const authority = await certificateAuthority(newSigningKey(), { time: new Date() });
    const certificate = await authority.issue({
      publicKey: createPublicKey(signer),
      identity: `https://example.test/${"x".repeat(length)}`,
      issuer: "https://issuer.example.test",
    });
    const request = proposeRecord();
    const { verifier } = request.hashedRekordRequestV002.signature;
    delete verifier.publicKey;
    verifier.x509Certificate = { rawBytes: certificate.toString("base64") };
    return refusal(await postV2(target, request));
  };
  return { says, v2: { ours: { expected, look } } };
}

const ed25519 = () => generateKeyPairSync("ed25519").privateKey;

/** What comes of appending. */
export const writingV2: Section = {
  title: "Writing to Rekor v2",
  rows: [
    {
      says: "A new entry is answered whole, with its proof and without a time",
      v2: {
        ours: {
          expected:
            "201: canonicalizedBody, inclusionPromise: null, inclusionProof, integratedTime: 0, kindVersion, logId, logIndex",
          async look(target) {
            const { status, body } = await postV2(target, proposeRecord());
            const fields = Object.entries(fieldsOf(body)).map(([name, value]) =>
              ["integratedTime", "inclusionPromise"].includes(name) ? `${name}: ${String(value)}` : name,
            );
            return `${status}: ${fields.toSorted().join(", ")}`;
          },
        },
      },
    },
    {
      says: "… at an index that answer and proof agree on, in a tree of one log",
      v2: {
        ours: {
          expected: "they agree",
          async look(target) {
            const { logIndex, inclusionProof } = await appendV2(target, proposeRecord());
            const [, size] = inclusionProof.checkpoint.envelope.split("\n");
            const agree = logIndex === inclusionProof.logIndex && size === inclusionProof.treeSize;
            return agree && BigInt(logIndex) < BigInt(size) ? "they agree" : "they do not";
          },
        },
      },
    },
    {
      says: "The same entry again is a conflict",
      v2: {
        ours: {
          expected: "409, code 6; x-log-index and message name the index there is; no entry",
          async look(target) {
            const request = proposeRecord();
            const { logIndex } = await appendV2(target, request);
            const answer = await postV2(target, request);
            const { message, canonicalizedBody } = fieldsOf(answer.body);
            const same = answer.headers.get("x-log-index") === logIndex;
            const named = String(message).endsWith(` ${logIndex}`);
            const which = same && named ? "name the index there is" : "name something else";
            const entry = canonicalizedBody === undefined ? "no entry" : "the entry";
            return `${refusal(answer)}; x-log-index and message ${which}; ${entry}`;
          },
        },
      },
    },
    {
      says: "The same entry thirty times at once is there once",
      v2: {
        ours: {
          expected: "one index",
          async look(target) {
            const request = proposeRecord();
            const answers = await Promise.all(Array.from({ length: 30 }, () => postV2(target, request)));
            const indexes = answers.map(({ status, headers, body }) =>
              status === 409 ? headers.get("x-log-index") : fieldsOf(body)["logIndex"],
            );
            return new Set(indexes).size === 1 ? "one index" : `indexes ${indexes.join(", ")}`;
          },
        },
      },
    },
    certified("A certificate instead of a key", "201", 100),
    certified("An entry larger than a bundle of entries can hold", "500, code 2", 50_000),
    signedBy("An Ed25519 key", "400, code 3", () => ({ key: ed25519() })),
    signedBy("… under its own name", "500, code 13", () => ({ key: ed25519(), keyDetails: "PKIX_ED25519" })),
    requestV2("A `dsse` entry", "400, code 3", { path: ENTRIES, body: { dsseRequestV002: {} } }),
    requestV2("An entry of the v1 API", "400, code 3", {
      path: ENTRIES,
      body: proposeDsse(Buffer.from("{}"), signer),
    }),
    changedRecord("A signature of something else", "400, code 3", ({ signature }) => {
      signature.content = proposeRecord().hashedRekordRequestV002.signature.content;
    }),
    changedRecord("A digest of something else", "400, code 3", (record) => {
      record.digest = proposeRecord().hashedRekordRequestV002.digest;
    }),
    changedRecord("A digest that is too short", "400, code 3", (record) => {
      record.digest = "AAAA";
    }),
    changedRecord("A digest that is not base64", "400, code 3", (record) => {
      record.digest = "***";
    }),
    changedRecord("A digest in base64 for URLs", "201", (record) => {
      record.digest = Buffer.from(record.digest, "base64").toString("base64url");
    }),
    changedRecord("No key", "400, code 3", ({ signature }) => {
      delete signature.verifier.publicKey;
    }),
    changedRecord("A key that is none", "400, code 3", ({ signature }) => {
      signature.verifier.publicKey = { rawBytes: "AAAA" };
    }),
    changedRecord("A certificate that is none", "400, code 3", ({ signature }) => {
      delete signature.verifier.publicKey;
      signature.verifier.x509Certificate = { rawBytes: "AAAA" };
    }),
    changedRecord("Both a key and a certificate", "400, code 3", ({ signature }) => {
      signature.verifier.x509Certificate = { rawBytes: "AAAA" };
    }),
    changedRecord("No algorithm", "400, code 3", ({ signature }) => {
      delete signature.verifier.keyDetails;
    }),
    changedRecord("An algorithm that nobody knows", "400, code 3", ({ signature }) => {
      signature.verifier.keyDetails = "PKIX_UNKNOWN";
    }),
    changedRecord("An algorithm by its number", "201", ({ signature }) => {
      signature.verifier.keyDetails = 5;
    }),
    changedRecord("The algorithm of another curve", "400, code 3", ({ signature }) => {
      signature.verifier.keyDetails = "PKIX_ECDSA_P384_SHA_384";
    }),
    changedRecord("A member that nobody knows", "400, code 3", (_, request) => {
      request["more"] = 1;
    }),
    changedRecord("A second kind of entry beside the first", "400, code 3", (_, request) => {
      request["dsseRequestV002"] = {};
    }),
    changedText("Members in snake case", "201", ["hashedRekordRequestV002", "hashed_rekord_request_v002"]),
    changedText("A body of just under four megabytes", "201", ["{", `{${" ".repeat(MEGABYTES_4 - 4096)}`]),
    changedText("A body of more than four megabytes", "400, code 3", ["{", `{${" ".repeat(MEGABYTES_4)}`]),
    requestV2("No body", "400, code 3", { path: ENTRIES, body: "" }),
    requestV2("A body that is not JSON", "400, code 3", { path: ENTRIES, body: "{" }),
    requestV2("A body that is null", "400, code 3", { path: ENTRIES, body: "null" }),
    requestV2("A body that is a list", "400, code 3", { path: ENTRIES, body: "[]" }),
    {
      says: "Another content type",
      v2: {
        ours: {
          expected: "201",
          async look(target) {
            const asking = { body: proposeRecord(), type: "text/plain" };
            return refusal(await askV2(target, "POST", ENTRIES, asking));
          },
        },
      },
    },
    requestV2("Reading the path of entries", "501, code 12", { path: ENTRIES }),
    requestV2("Reading an entry by its index", "404, code 5", { path: `${ENTRIES}/0` }),
  ],
};
