// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { SigningServices } from "../log/signing-config.ts";

const Vouched = v.object({
  tlogs: v.array(v.object({ baseUrl: v.string() })),
  certificateAuthorities: v.optional(v.array(v.object({ uri: v.optional(v.string(), "") })), []),
  timestampAuthorities: v.optional(v.array(v.object({ uri: v.optional(v.string(), "") })), []),
});

const NONE: SigningServices = { logs: [], fulcio: undefined, timestamps: [] };

/**
 * Those services that a trusted root (its text) speaks of: what others write and sign would not be believed, and what
 * is built is not their business. None when the text is no trusted root; what is wrong with it is said when it is used.
 */
export function vouchedServices(services: SigningServices, rootText: string): SigningServices {
  let value: unknown;
  try {
    value = JSON.parse(rootText);
  } catch {
    return NONE;
  }
  const root = v.safeParse(Vouched, value);
  if (!root.success) return NONE;
  const has = (urls: readonly string[], url: string): boolean => urls.some((one) => bare(one) === bare(url));
  const { tlogs, certificateAuthorities, timestampAuthorities } = root.output;
  const { logs, fulcio, timestamps } = services;
  const urisOf = (authorities: readonly { readonly uri: string }[]) => authorities.map(({ uri }) => uri);
  return {
    logs: logs.filter(({ url }) =>
      has(
        tlogs.map(({ baseUrl }) => baseUrl),
        url,
      ),
    ),
    fulcio: fulcio !== undefined && has(urisOf(certificateAuthorities), fulcio) ? fulcio : undefined,
    timestamps: timestamps.filter((url) => has(urisOf(timestampAuthorities), url)),
  };
}

function bare(url: string): string {
  return url.replace(/\/+$/, "");
}
