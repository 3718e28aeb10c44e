// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { sameUrl } from "../log/json-api.ts";
import { readSigningConfig, type SigningServices } from "../log/signing-config.ts";
import { TrustError } from "./error.ts";
import { parseTrustedRoot, type TrustedRoot } from "./trusted-root.ts";
import type { FetchFile } from "./trusted-root-update.ts";

/** Where an organisation's derived image has its policy, its trusted root and its signing configuration. */
export const OWN_CONFIGURATION = "/etc/tlog-dockerfile";

/** What a build trusts, and which services it uses. */
export interface BuildTrust {
  /**
   * The services to use now. There is no log among them when an organisation's own trusted root vouches for none of
   * those that we ship: then the policy has to name one.
   */
  readonly services: SigningServices;
  /** The organisation's trusted root, or the shipped one. Throws TrustError. */
  trustedRoot(): Promise<TrustedRoot>;
  /**
   * The trusted root as its TUF repository has it now, for a record of a log or an authority that `trustedRoot` does
   * not know; undefined when it is the same, or when the organisation's own is not renewed. The repository is asked
   * once, however often this is called. Throws TrustUpdateError and TrustError.
   */
  refreshed(way: Refresh): Promise<TrustedRoot | undefined>;
}

/** The way to a TUF repository. */
export interface Refresh {
  readonly fetchFile: FetchFile;
  /** Ends the refresh. */
  readonly signal: AbortSignal;
  /** The repository's base URL where the policy names one. */
  readonly mirror: string | undefined;
}

/**
 * Reads what the organisation's directory `own` has of `trusted_root.json`, `signing_config.json` and `tuf_root.json`
 * (each replaces what is in `shipped`). `tuf_root.json` is the root of the TUF repository that the policy names; an
 * own `trusted_root.json` without it is never renewed. Throws SigningConfigError.
 */
export async function openTrust({
  own,
  shipped,
  now,
}: {
  readonly own: string;
  readonly shipped: string;
  readonly now: () => Date;
}): Promise<BuildTrust> {
  const choose = async (name: string) =>
    (await readOptional(own, name)) ?? { ...(await readShipped(shipped, name)), isOwn: false };
  const [config, root] = await Promise.all([choose("signing_config.json"), choose("trusted_root.json")]);
  const services = readSigningConfig(config.text, config.path, now());
  let parsed: Promise<TrustedRoot> | undefined;
  let refreshed: Promise<TrustedRoot | undefined> | undefined;

  const refresh = async ({ fetchFile, signal, mirror }: Refresh): Promise<TrustedRoot | undefined> => {
    const seed = await chooseSeed(mirror);
    if (seed === undefined) return undefined;
    // Only a build that needs it pays for loading this.
    const { updateTrustedRoot } = await import("./trusted-root-update.ts");
    const text = await updateTrustedRoot({ ...seed, fetchFile, signal, now: now() });
    return text === root.text ? undefined : parseTrustedRoot(text, `trusted_root.json of ${seed.mirror}`);
  };

  const chooseSeed = async (mirror: string | undefined) => {
    const seed = await readOptional(own, "tuf_root.json");
    if (seed !== undefined) {
      if (mirror !== undefined) return { seed: Buffer.from(seed.text), mirror };
      const why = `"${seed.path}" is the root of a TUF repository, and the policy does not name the repository`;
      throw new TrustError("bad-root", `${why}; add "tuf: URL" to it`);
    }
    if (root.isOwn) return undefined;
    const { text } = await readShipped(shipped, "tuf_root.json");
    return { seed: Buffer.from(text), mirror: mirror ?? (await readShippedMirror(shipped)) };
  };

  return {
    services: root.isOwn && !config.isOwn ? vouchedServices(services, root.text) : services,
    trustedRoot: () => (parsed ??= Promise.resolve().then(() => parseTrustedRoot(root.text, root.path))),
    refreshed: (way) => (refreshed ??= refresh(way)),
  };
}

interface TrustFile {
  readonly path: string;
  readonly text: string;
}

async function readShipped(directory: string, name: string): Promise<TrustFile> {
  const path = join(directory, name);
  return { path, text: await readFile(path, "utf8") };
}

async function readShippedMirror(directory: string): Promise<string> {
  const { text } = await readShipped(directory, "tuf_mirror.json");
  return v.parse(v.object({ mirror: v.string() }), JSON.parse(text)).mirror;
}

/** A file of the organisation's, or undefined when there is none. Any other failure throws: the file must not be ignored. */
async function readOptional(
  directory: string,
  name: string,
): Promise<(TrustFile & { readonly isOwn: true }) | undefined> {
  const path = join(directory, name);
  try {
    return { path, text: await readFile(path, "utf8"), isOwn: true };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

const Vouched = v.object({
  tlogs: v.array(v.object({ baseUrl: v.string() })),
  certificateAuthorities: v.optional(v.array(v.object({ uri: v.optional(v.string(), "") })), []),
  timestampAuthorities: v.optional(v.array(v.object({ uri: v.optional(v.string(), "") })), []),
});

const NONE: SigningServices = { logs: [], fulcio: undefined, timestamps: [] };

/**
 * Only the services that a trusted root (its text) has: what others write and sign would not be believed, and they must
 * not learn what is built. None when the text is no trusted root; using it says what is wrong with it.
 */
function vouchedServices(services: SigningServices, rootText: string): SigningServices {
  let value: unknown;
  try {
    value = JSON.parse(rootText);
  } catch {
    return NONE;
  }
  const root = v.safeParse(Vouched, value);
  if (!root.success) return NONE;
  const { tlogs, certificateAuthorities, timestampAuthorities } = root.output;
  const { logs, fulcio, timestamps } = services;
  const names = (authorities: readonly { readonly uri: string }[], url: string): boolean =>
    authorities.some(({ uri }) => sameUrl(uri, url));
  return {
    logs: logs.filter(({ url }) => tlogs.some(({ baseUrl }) => sameUrl(baseUrl, url))),
    fulcio: fulcio !== undefined && names(certificateAuthorities, fulcio) ? fulcio : undefined,
    timestamps: timestamps.filter((url) => names(timestampAuthorities, url)),
  };
}
