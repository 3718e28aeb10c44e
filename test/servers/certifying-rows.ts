// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "@sigstore/core";
import { generateKeyPairSync, type KeyObject, sign, X509Certificate as Certificate } from "node:crypto";
import type { Claims } from "../sigstore/identity-token.ts";
import { newSigningKey, publicPem } from "../sigstore/signed-statement.ts";
import type { Row, Section } from "./conformance-row.ts";
import { fieldsOf, refusal } from "./log-requests.ts";
import { askAt, SOMEBODY, type LogAnswer, type Target } from "./target.ts";

const PATH = "/api/v2/signingCert";

/** What one request says; every part has a good default. */
interface CertificateQuestion {
  readonly claims?: Claims;
  /** In place of a token with these claims. */
  readonly token?: string;
  readonly key?: KeyObject;
  /** Who proves to have the key, and over what. */
  readonly prover?: KeyObject;
  readonly proven?: string;
}

async function askCertificate(target: Target, question: CertificateQuestion = {}): Promise<LogAnswer> {
  const key = question.key ?? newSigningKey();
  const proof = sign("sha256", Buffer.from(question.proven ?? SOMEBODY), question.prover ?? key);
  const body = {
    credentials: { oidcIdentityToken: question.token ?? (await target.token(question.claims)) },
    publicKeyRequest: {
      publicKey: { algorithm: "ECDSA", content: publicPem(key) },
      proofOfPossession: proof.toString("base64"),
    },
  };
  return askAt(`${target.place.fulcio}${PATH}`, "POST", { body });
}

/** The certificates of an answer, PEM: the new one, and what it is issued by. */
function chainOf({ body }: LogAnswer): readonly string[] {
  const { chain } = fieldsOf(fieldsOf(body)["signedCertificateEmbeddedSct"]);
  const { certificates } = fieldsOf(chain);
  return Array.isArray(certificates) ? certificates.map(String) : [];
}

function refused(says: string, question: CertificateQuestion | (() => CertificateQuestion)): Row {
  const look = async (target: Target) =>
    refusal(await askCertificate(target, typeof question === "function" ? question() : question));
  return { says, ours: { expected: "400, code 3", look } };
}

function request(says: string, expected: string, method: "GET" | "POST", body?: string): Row {
  const look = async ({ place }: Target) =>
    refusal(await askAt(`${place.fulcio}${PATH}`, method, body === undefined ? {} : { body }));
  return { says, ours: { expected, look } };
}

const now = () => Math.floor(Date.now() / 1000);

/** How identities become certificates. */
export const certifying: Section = {
  title: "Certificates",
  servers: ["Fulcio"],
  rows: [
    {
      says: "A token with an email address gives a certificate",
      ours: {
        expected:
          "200: email:ci@acme.example, for 600 seconds, code signing, 1 SCT, issued by the 1 after it",
        async look(target) {
          const answer = await askCertificate(target);
          const [leaf = "", root = "", ...more] = chainOf(answer);
          const { extSCT, notAfter, notBefore } = X509Certificate.parse(leaf);
          const certificate = new Certificate(leaf);
          const seconds = (notAfter.getTime() - notBefore.getTime()) / 1000;
          const usage = certificate.keyUsage?.includes("1.3.6.1.5.5.7.3.3")
            ? "code signing"
            : "something else";
          const scts = `${extSCT?.signedCertificateTimestamps.length ?? 0} SCT`;
          const issued = certificate.verify(new Certificate(root).publicKey) ? "issued" : "not issued";
          return `${answer.status}: ${certificate.subjectAltName}, for ${seconds} seconds, ${usage}, ${scts}, ${issued} by the ${1 + more.length} after it`;
        },
      },
    },
    {
      says: "… for the key that was shown",
      ours: {
        expected: "it is",
        async look(target) {
          const key = newSigningKey();
          const [leaf = ""] = chainOf(await askCertificate(target, { key }));
          const own = new Certificate(leaf).publicKey.export({ type: "spki", format: "pem" });
          return own === publicPem(key) ? "it is" : "it is not";
        },
      },
    },
    {
      says: "A token for several audiences, ours among them",
      ours: {
        expected: "200",
        look: async (target) =>
          refusal(await askCertificate(target, { claims: { aud: ["somebody", "sigstore"] } })),
      },
    },
    refused("A token for somebody else", { claims: { aud: "somebody" } }),
    refused("A token that expired", () => ({ claims: { iat: now() - 900, exp: now() - 300 } })),
    refused("A token whose email address is not verified", { claims: { email_verified: false } }),
    refused("A token whose email address is none", { claims: { email: "nobody" }, proven: "nobody" }),
    refused("No token", { token: "" }),
    refused("Something that is no token", { token: "junk" }),
    refused("A proof by another key", () => ({ prover: newSigningKey() })),
    refused("A proof over something else", { proven: "somebody@else.example" }),
    {
      says: "A key that is none",
      ours: {
        expected: "400, code 3",
        async look(target) {
          const credentials = { oidcIdentityToken: await target.token() };
          const body = { credentials, publicKeyRequest: { publicKey: { content: "none" } } };
          return refusal(await askAt(`${target.place.fulcio}${PATH}`, "POST", { body }));
        },
      },
    },
    refused("A key on a curve that nobody takes", () => ({
      key: generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey,
    })),
    request("A body that is not JSON", "400, code 3", "POST", "{"),
    request("Reading the path of certificates", "501, code 12", "GET"),
    {
      says: "The authority's own certificates",
      ours: {
        expected: "200, 1 chain, as in answers",
        async look(target) {
          const { status, body } = await askAt(`${target.place.fulcio}/api/v2/trustBundle`, "GET");
          const { chains } = fieldsOf(body);
          const list = Array.isArray(chains) ? chains : [];
          const [root] = (fieldsOf(list[0])["certificates"] as readonly string[] | undefined) ?? [];
          const [, used] = chainOf(await askCertificate(target));
          const same = root !== undefined && used !== undefined && raw(root) === raw(used);
          return `${status}, ${list.length} chain, ${same ? "as in answers" : "another than in answers"}`;
        },
      },
    },
  ],
};

function raw(pem: string): string {
  return new Certificate(pem).raw.toString("base64");
}
