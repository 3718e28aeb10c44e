// SPDX-License-Identifier: Apache-2.0
import { ServiceSelector, SigningConfig, type Service } from "@sigstore/protobuf-specs";

/** Where to sign and record: URLs of services, of which any but one log may be left out. */
export interface OfferedServices {
  readonly rekorV1?: string;
  readonly rekorV2?: string;
  readonly fulcio?: string;
  /** The URL that timestamp requests are posted to. */
  readonly timestamp?: string;
  /** The issuer of identity tokens. */
  readonly issuer?: string;
}

const MEDIA_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
const VALID_FROM = new Date("2000-01-01T00:00:00Z");

/** The signing config in Sigstore's JSON form (protobuf-specs), version 0.2. */
export function signingConfig(offered: OfferedServices): object {
  const { rekorV1, rekorV2, fulcio, timestamp, issuer } = offered;
  const any = { selector: ServiceSelector.ANY, count: 0 };
  const config = SigningConfig.toJSON({
    mediaType: MEDIA_TYPE,
    caUrls: services(fulcio, 1),
    oidcUrls: services(issuer, 1),
    rekorTlogUrls: [...services(rekorV2, 2), ...services(rekorV1, 1)],
    rekorTlogConfig: any,
    tsaUrls: services(timestamp, 1),
    tsaConfig: any,
  });
  if (typeof config !== "object" || config === null) throw new TypeError("a signing config is an object");
  return config;
}

function services(url: string | undefined, majorApiVersion: number): Service[] {
  if (url === undefined) return [];
  return [{ url, majorApiVersion, validFor: { start: VALID_FROM, end: undefined }, operator: "development" }];
}
