// SPDX-License-Identifier: Apache-2.0
// The packages' own entry point also loads nock, which replaces node:http's client in the whole process.
import { initializeTSA } from "@sigstore/mock/dist/timestamp/index.js";
import { X509Certificate } from "node:crypto";
import type { ApiRequest, ApiResponse } from "./api-exchange.ts";
import { certificateAuthority } from "./certificate-authority.ts";
import { answerFulcio, isFulcioPath } from "./fulcio-api.ts";
import { isFields } from "./json-fields.ts";
import type { LineFile } from "./line-file.ts";
import { keyPair, type SigningKeys } from "./signing-keys.ts";
import { answerTimestamp, TIMESTAMP_PATH } from "./timestamp-api.ts";

/** The certificates (DER) that one run of the program issued from; `timestamp` is the signer's, then its root. */
export interface AuthorityCertificates {
  readonly fulcio: Buffer;
  readonly timestamp: readonly [Buffer, Buffer];
}

/** Certificate authority and timestamp authority. */
export interface Authorities {
  /** Of every run: the packages make new certificates for the same keys each time. */
  readonly certificates: readonly AuthorityCertificates[];
  /** Answers a request to one of them; undefined for any other. */
  answer(request: ApiRequest): Promise<ApiResponse> | undefined;
}

/**
 * Starts both from `@sigstore/mock`. They take every identity token at its word: no signature of it is checked.
 * Certificates are valid from now on, so a clock set back before that issues what
 * nobody accepts.
 */
export async function authorities(
  keys: SigningKeys,
  file: LineFile,
  { clock, certificateLog }: { readonly clock: () => Date; readonly certificateLog: boolean },
): Promise<Authorities> {
  // The packages read one Date whenever they need the time, so setting it is how they learn it.
  const time = new Date(clock());
  const ca = await certificateAuthority(keys.fulcio, { ...(certificateLog && { ctlog: keys.ctlog }), time });
  const tsa = await initializeTSA(keyPair(keys.timestamp), time);
  const certificates: AuthorityCertificates = {
    fulcio: ca.root,
    timestamp: [copy(tsa.intCertificate), copy(tsa.rootCertificate)],
  };
  file.append({
    fulcio: certificates.fulcio.toString("base64"),
    timestamp: certificates.timestamp.map((der) => der.toString("base64")),
  });
  return {
    certificates: [...file.lines.map((line) => fromLine(line)), certificates],
    answer(request) {
      const isFulcio = isFulcioPath(request.path);
      if (!isFulcio && request.path !== TIMESTAMP_PATH) return undefined;
      // Whole seconds: fractions are encoded in a form that @sigstore/core cannot always read.
      time.setTime(Math.floor(clock().getTime() / 1000) * 1000);
      if (isFulcio) return answerFulcio(request, ca, time);
      return answerTimestamp(request, async (wanted) => copy(await tsa.timestamp(wanted)));
    },
  };
}

/** The beginning of a certificate's validity. */
export function notBefore(der: Buffer): Date {
  return new Date(new X509Certificate(der).validFrom);
}

function copy(view: ArrayBufferView): Buffer {
  return Buffer.from(Buffer.from(view.buffer, view.byteOffset, view.byteLength));
}

function fromLine(line: unknown): AuthorityCertificates {
  const fields = isFields(line) ? line : {};
  const [signer, root] = Array.isArray(fields["timestamp"]) ? fields["timestamp"] : [];
  return { fulcio: decode(fields["fulcio"]), timestamp: [decode(signer), decode(root)] };
}

function decode(value: unknown): Buffer {
  return Buffer.from(String(value), "base64");
}
