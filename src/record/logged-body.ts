// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { conform, isCanonicalBase64 } from "../log/foreign-json.ts";
import { RecordError } from "./error.ts";
import { readSignerPem } from "./signer.ts";
import type { Verifier } from "./trusted-signer.ts";

interface SignedBody {
  /** The signer's key or certificate, without the chain above it. */
  readonly verifier: Verifier;
  /** Base64 of the envelope's signature. */
  readonly signature: string;
}

/** An `intoto` 0.0.2 entry of Rekor v1, which keeps all of an envelope but the payload. */
export interface IntotoBody extends SignedBody {
  readonly kind: "intoto";
  readonly version: "0.0.2";
  readonly payloadType: string;
  /** Hex of the payload's sha256. */
  readonly payloadHash: string;
  readonly keyid: string;
}

/** A `dsse` 0.0.1 entry of Rekor v1, which keeps hashes and signatures. */
export interface DsseBody extends SignedBody {
  readonly kind: "dsse";
  readonly version: "0.0.1";
  /** Hex of the payload's sha256. */
  readonly payloadHash: string;
}

/** A `hashedrekord` 0.0.2 entry of Rekor v2, which knows of no envelope: only of what was signed and by which key. */
export interface HashedrekordBody extends SignedBody {
  readonly kind: "hashedrekord";
  readonly version: "0.0.2";
  /** Base64 of the sha256 of what was signed. */
  readonly signedHash: string;
  /** The log's name for the kind of key and hash, `PKIX_ECDSA_P256_SHA_256`. */
  readonly keyDetails: string;
}

/** What a log's leaf says of an envelope. */
export type LoggedBody = IntotoBody | DsseBody | HashedrekordBody;

const base64 = v.pipe(
  v.string(),
  v.nonEmpty("is empty"),
  v.check(isCanonicalBase64, "is not canonical base64"),
);
const Sha256 = v.object({
  algorithm: v.literal("sha256"),
  value: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
const Kind = v.object({ kind: v.string(), apiVersion: v.string() });

// The formats allow several signatures. Then it is open which of them a reader checks, and who the signer is.
const Intoto = v.object({
  spec: v.object({
    content: v.object({
      envelope: v.object({
        payloadType: v.string(),
        signatures: v.strictTuple([
          v.object({ publicKey: base64, sig: base64, keyid: v.optional(v.string(), "") }),
        ]),
      }),
      payloadHash: Sha256,
    }),
  }),
});
const Dsse = v.object({
  spec: v.object({
    payloadHash: Sha256,
    signatures: v.strictTuple([v.object({ signature: base64, verifier: base64 })]),
  }),
});
const rawBytes = v.object({ rawBytes: base64 });
const Hashedrekord = v.object({
  spec: v.object({
    hashedRekordV002: v.object({
      data: v.object({ algorithm: v.literal("SHA2_256"), digest: base64 }),
      signature: v.object({
        content: base64,
        verifier: v.union(
          [
            v.strictObject({ keyDetails: v.string(), publicKey: rawBytes }),
            v.strictObject({ keyDetails: v.string(), x509Certificate: rawBytes }),
          ],
          "is not one key or certificate",
        ),
      }),
    }),
  }),
});

/** The kind and version that a body names, `intoto 0.0.2`, and the body. */
export interface NamedBody {
  readonly name: string;
  readonly value: unknown;
}

/** Reads the leaf of an entry (base64) as far as its kind. `place` is for messages. Throws RecordError ("malformed"). */
export function readNamedBody(body: string, place: string): NamedBody {
  let value: unknown;
  try {
    value = JSON.parse(decode(body));
  } catch (cause) {
    throw malformed(place)("it is not JSON", cause);
  }
  const kind = v.safeParse(Kind, value);
  if (!kind.success) throw malformed(place)("it says no kind and version");
  return { name: `${kind.output.kind} ${kind.output.apiVersion}`, value };
}

/**
 * Reads the body of an entry. Throws RecordError: "not-a-sighting" for an entry of a kind that holds no sighting, else
 * "malformed".
 */
export function readLoggedBody({ name, value }: NamedBody, place: string): LoggedBody {
  switch (name) {
    case "intoto 0.0.2":
      return readIntoto(value, place);
    case "dsse 0.0.1": {
      const { payloadHash, signatures } = conform(Dsse, value, malformed(place), "body").spec;
      const [{ signature, verifier }] = signatures;
      return {
        kind: "dsse",
        version: "0.0.1",
        payloadHash: payloadHash.value,
        signature,
        verifier: readVerifier(verifier, place),
      };
    }
    case "hashedrekord 0.0.2": {
      const { data, signature } = conform(Hashedrekord, value, malformed(place), "body").spec
        .hashedRekordV002;
      const { verifier } = signature;
      const [label, { rawBytes: der }] =
        "publicKey" in verifier
          ? (["PUBLIC KEY", verifier.publicKey] as const)
          : (["CERTIFICATE", verifier.x509Certificate] as const);
      return {
        kind: "hashedrekord",
        version: "0.0.2",
        signedHash: data.digest,
        signature: signature.content,
        keyDetails: verifier.keyDetails,
        verifier: { label, der: Buffer.from(der, "base64") },
      };
    }
    default:
      throw otherKind(name, place);
  }
}

/** Reads the body of an `intoto` 0.0.2 entry; throws as readLoggedBody does. */
export function readIntotoBody({ name, value }: NamedBody, place: string): IntotoBody {
  // A `dsse` entry in a log shows a hash of what was signed, and never brings the rest.
  if (name !== "intoto 0.0.2") throw otherKind(name, place);
  return readIntoto(value, place);
}

function readIntoto(value: unknown, place: string): IntotoBody {
  const { envelope, payloadHash } = conform(Intoto, value, malformed(place), "body").spec.content;
  const [{ publicKey, sig, keyid }] = envelope.signatures;
  const verifier = readVerifier(publicKey, place);
  // The log encodes what is base64 already once more.
  const signature = decode(sig);
  if (signature === "" || !isCanonicalBase64(signature)) {
    throw malformed(place)("the signature is not canonical base64 in base64");
  }
  return {
    kind: "intoto",
    version: "0.0.2",
    payloadType: envelope.payloadType,
    payloadHash: payloadHash.value,
    signature,
    keyid,
    verifier,
  };
}

/** The key or certificate in base64 of PEM, as Rekor v1 keeps it. */
export function readVerifier(publicKey: string, place: string): Verifier {
  const verifier = readSignerPem(decode(publicKey));
  if (verifier !== undefined) return verifier;
  throw malformed(place)("the signer's key is not one PEM block, and not a chain of certificates");
}

function decode(text: string): string {
  return Buffer.from(text, "base64").toString("utf8");
}

function otherKind(name: string, place: string): RecordError {
  return new RecordError("not-a-sighting", `read the body of ${place}: it is of kind "${excerpt(name)}"`);
}

function malformed(place: string): (why: string, cause?: unknown) => RecordError {
  return (why, cause) => new RecordError("malformed", `read the body of ${place}: ${why}`, { cause });
}
