// SPDX-License-Identifier: Apache-2.0
import { TrustedRoot as TrustedRootMessage } from "@sigstore/protobuf-specs";
import { toTrustMaterial, type TrustMaterial } from "@sigstore/verify";
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { conform } from "../log/foreign-json.ts";
import { TrustError } from "./error.ts";

/** The trusted logs and authorities, with their keys parsed. */
export interface TrustedRoot {
  /** Where it came from, for messages. */
  readonly source: string;
  readonly material: Omit<TrustMaterial, "publicKey">;
}

const MAX_ROOT_LENGTH = 1024 * 1024;

// Sigstore's parser accepts nearly everything, bad base64 and dates included, and then nothing verifies. These
// checks name what an operator can fix.
const base64 = v.pipe(v.string(), v.nonEmpty("is empty"), v.maxLength(16 * 1024), v.base64("is not base64"));
const time = v.pipe(v.string(), v.isoTimestamp("is not a time in RFC 3339"));
const validFor = v.object({ start: v.optional(time), end: v.optional(time) });
const Log = v.object({
  baseUrl: v.pipe(v.string(), v.maxLength(2048), v.url("is not a URL")),
  publicKey: v.object({ rawBytes: base64, keyDetails: v.string(), validFor: v.optional(validFor) }),
  logId: v.object({ keyId: base64 }),
});
const Authority = v.object({
  certChain: v.object({
    certificates: v.pipe(v.array(v.object({ rawBytes: base64 })), v.nonEmpty("is empty")),
  }),
  validFor: v.optional(validFor),
});
const several = <S extends v.GenericSchema>(schema: S) =>
  v.optional(v.pipe(v.array(schema), v.maxLength(64)));
const Root = v.object({
  mediaType: v.pipe(
    v.string(),
    v.regex(
      /^application\/vnd\.dev\.sigstore\.trustedroot(?:\+json;version=0\.1|\.v0\.[1-9]\+json)$/,
      "is not that of a Sigstore trusted root",
    ),
  ),
  tlogs: v.pipe(v.array(Log), v.nonEmpty("names no transparency log"), v.maxLength(64)),
  ctlogs: several(Log),
  certificateAuthorities: several(Authority),
  timestampAuthorities: several(Authority),
});

/**
 * Reads a Sigstore `trusted_root.json`; `source` names the file in messages. Throws TrustError ("bad-root") that
 * says which field is wrong.
 */
export function parseTrustedRoot(text: string, source: string): TrustedRoot {
  const fail = (why: string, cause?: unknown): TrustError =>
    new TrustError("bad-root", `read trusted root "${source}": ${why}`, { cause });
  if (text.length > MAX_ROOT_LENGTH) throw fail(`it is longer than ${MAX_ROOT_LENGTH} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail("it is not JSON", cause);
  }
  conform(Root, value, fail);
  try {
    const { publicKey: _, ...material } = toTrustMaterial(TrustedRootMessage.fromJSON(value));
    return { source, material };
  } catch (cause) {
    const why = cause instanceof Error ? excerpt(cause.message, 160) : "unknown";
    throw fail(`a key or certificate in it cannot be read (${why})`, cause);
  }
}
