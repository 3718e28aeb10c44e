// SPDX-License-Identifier: Apache-2.0
import { RFC3161Timestamp } from "@sigstore/core";
// The package has no other entry to this step alone.
import { getTSATimestamp } from "@sigstore/verify/dist/timestamp/index.js";
import { type Claim, reasonOf, refusal } from "./claim.ts";
import type { TrustedRoot } from "../trust/trusted-root.ts";

/**
 * When the claim says that it was logged: by the entry of a Rekor v1 log, in whole seconds; by the earliest timestamp
 * beside an entry of v2, whose log signs no time. Throws RecordError: "bad-timestamp" without one that can be read,
 * "not-in-log" for an entry of v1 whose time the log does not sign.
 */
export function claimedTime({ place, bundle, body }: Pick<Claim, "place" | "bundle" | "body">): Date {
  const [{ integratedTime, inclusionPromise }] = bundle.verificationMaterial.tlogEntries;
  if (body.kind !== "hashedrekord") {
    if (inclusionPromise === undefined || integratedTime === "0")
      throw refusal(place, "not-in-log", "it has no signed entry timestamp");
    return new Date(Number(integratedTime) * 1000);
  }
  if (inclusionPromise !== undefined || integratedTime !== "0")
    throw refusal(place, "bad-timestamp", "its entry has a time of its own, which no Rekor v2 log signs");
  const times = timestampsOf(bundle).map((token) => {
    try {
      return RFC3161Timestamp.parse(token).signingTime.getTime();
    } catch (cause) {
      throw unreadable(place, cause);
    }
  });
  if (times.length === 0)
    throw refusal(place, "bad-timestamp", "it has no timestamp of a timestamp authority");
  const earliest = new Date(Math.min(...times));
  if (Number.isNaN(earliest.getTime())) throw unreadable(place);
  return earliest;
}

/**
 * Proves the timestamps in a bundle: over its signature, by authorities of the trusted root, within their validity and
 * that of their certificates (RFC 3161). Returns their times. Throws RecordError ("bad-timestamp").
 */
export function proveTimestamps(
  { place, bundle }: Pick<Claim, "place" | "bundle">,
  { material, source }: TrustedRoot,
): readonly Date[] {
  const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, "base64");
  const times = timestampsOf(bundle).map((token) => {
    try {
      const proven = getTSATimestamp(RFC3161Timestamp.parse(token), signature, material.timestampAuthorities);
      return proven.timestamp;
    } catch (cause) {
      const why = `its timestamp does not hold: ${reasonOf(cause)}, by the trusted root "${source}"`;
      throw refusal(place, "bad-timestamp", why, cause);
    }
  });
  // Other tools refuse a bundle in which one timestamp seems to be two.
  if (new Set(times.map(Number)).size < times.length)
    throw refusal(place, "bad-timestamp", "it has two timestamps of the same time");
  return times;
}

function timestampsOf({ verificationMaterial }: Claim["bundle"]): readonly Buffer<ArrayBuffer>[] {
  const { rfc3161Timestamps = [] } = verificationMaterial.timestampVerificationData ?? {};
  return rfc3161Timestamps.map(({ signedTimestamp }) => Buffer.from(signedTimestamp, "base64"));
}

function unreadable(place: string, cause?: unknown): Error {
  return refusal(place, "bad-timestamp", "its timestamp cannot be read", cause);
}
