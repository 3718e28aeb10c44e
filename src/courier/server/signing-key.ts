// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { MAX_SECRET_BYTES, SECRET_NAMES } from "../protocol.ts";
import { unusableSecret, type Failure } from "./failure.ts";

/** A key that signs. The private half cannot be read out of it. */
export interface SigningKey {
  /** Rekor v1 takes both, Rekor v2 the first. */
  readonly kind: "P-256" | "Ed25519";
  /** SPKI PEM. */
  readonly publicKey: string;
  /** Over these bytes: ECDSA with SHA-256, in DER; or Ed25519. */
  sign(bytes: Uint8Array): Buffer;
}

const MAKE_ONE =
  'make a P-256 key with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing-key.pem"';

/** The failure of the secret; `why` tells what is wrong and shows nothing of it. */
function unusableKey(code: string, why: string): Failure {
  return unusableSecret(`signing-key-${code}`, SECRET_NAMES.key, `cannot sign: ${why}; ${MAKE_ONE}`);
}

// Up to the END line of the same label; a block has no dashes in it.
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*(?:-[^-]+)*-----END \1-----/g;

/**
 * Reads a P-256 or Ed25519 private key from PEM: PKCS#8 `PRIVATE KEY` or SEC1 `EC PRIVATE KEY`, with or without the
 * `EC PARAMETERS` that openssl writes before it; encrypted when there is a password, of which a line feed at the
 * end is no part. Throws Failure `no-signer`.
 */
export function readSigningKey(secret: Uint8Array, password?: Uint8Array): SigningKey {
  const key = privateKey(onlyPrivateBlock(secret), password);
  const kind = fitKind(key);
  if (kind === undefined) {
    throw unusableKey(
      "unfit",
      `it is ${kindOf(key)}, and only P-256 and Ed25519 keys can sign here: not every tool and log hashes with others alike`,
    );
  }
  // By way of JWK: a key file can hold the point compressed, and then the same key would have two names.
  const half = createPublicKey({ key: createPublicKey(key).export({ format: "jwk" }), format: "jwk" });
  return {
    kind,
    publicKey: half.export({ type: "spki", format: "pem" }).toString(),
    sign: (bytes) => sign(kind === "P-256" ? "sha256" : null, bytes, key),
  };
}

interface PrivateBlock {
  readonly pem: string;
  readonly isEncrypted: boolean;
}

function onlyPrivateBlock(secret: Uint8Array): PrivateBlock {
  if (secret.length > MAX_SECRET_BYTES) {
    throw unusableKey("too-large", `it is larger than ${MAX_SECRET_BYTES} bytes, which no key is`);
  }
  const text = Buffer.from(secret).toString("latin1");
  if (text.trim() === "") throw unusableKey("empty", "it is empty");
  const blocks = [...text.matchAll(BLOCK)].map(([block, label = ""]) => ({ block, label }));
  const keys = blocks.filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [first, ...others] = keys;
  if (first === undefined) {
    if (blocks.some(({ label }) => label.endsWith("PUBLIC KEY") || label.endsWith("CERTIFICATE"))) {
      throw unusableKey("public", "it is a public key or a certificate, and a private key is needed to sign");
    }
    throw unusableKey("not-pem", "it is not a private key in PEM form");
  }
  if (others.length > 0) throw unusableKey("several", `it holds ${keys.length} private keys, not one`);
  if (first.label.includes("ENCRYPTED") && first.label !== "ENCRYPTED PRIVATE KEY") {
    throw unusableKey(
      "encrypted",
      "it is encrypted in a form that only the tool that made it can read (PKCS#8 is needed)",
    );
  }
  const isEncrypted = first.label.includes("ENCRYPTED") || /^Proc-Type:.*ENCRYPTED/m.test(first.block);
  return { pem: first.block, isEncrypted };
}

function privateKey({ pem, isEncrypted }: PrivateBlock, password: Uint8Array | undefined): KeyObject {
  if (isEncrypted && password === undefined) {
    throw unusableKey(
      "encrypted",
      'it is encrypted, and nobody can be asked for its password here: give that with --secret id=tlog-signing-password,src=FILE, or the key decrypted ("openssl pkey -in KEY -out signing-key.pem")',
    );
  }
  const passphrase = Buffer.from(password ?? [])
    .toString("latin1")
    .replace(/\r?\n$/, "");
  try {
    const opening = isEncrypted ? { passphrase: Buffer.from(passphrase, "latin1") } : {};
    return createPrivateKey({ key: pem, format: "pem", ...opening });
  } catch {
    if (isEncrypted) {
      throw unusableKey("wrong-password", 'it is encrypted, and "tlog-signing-password" does not open it');
    }
    // Not even OpenSSL's reason is passed on: it is about the key's content.
    throw unusableKey("unreadable", "it says that it is a private key, but cannot be read as one");
  }
}

function fitKind(key: KeyObject): SigningKey["kind"] | undefined {
  if (key.asymmetricKeyType === "ed25519") return "Ed25519";
  const isP256 = key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
  return isP256 ? "P-256" : undefined;
}

function kindOf(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "rsa":
    case "rsa-pss":
      return `an RSA key of ${modulusLength ?? "unknown"} bits`;
    case "ec":
      return namedCurve === undefined
        ? "an EC key with parameters of its own"
        : `an EC key on curve ${namedCurve}`;
    case undefined:
      return "a key of unknown kind";
    default:
      return `a key of kind ${key.asymmetricKeyType}`;
  }
}
