// SPDX-License-Identifier: Apache-2.0
import type { Trust } from "../record/signer.ts";
import { applyBuildArgs } from "./build-args.ts";
import { mayUsePlainHttp } from "./host.ts";
import {
  DEFAULTS,
  type RegistryAccess,
  type Settings,
  type Source,
  type Unknown,
  type Unseen,
} from "./settings.ts";

/** The rules by which one build is judged. */
export interface Policy {
  /** Without a slash at its end. */
  readonly log: { readonly url: string };
  /** Where certificates come from for who signs with an identity token; without a slash at its end. */
  readonly signing: { readonly fulcio: string };
  readonly trust: readonly Trust[];
  readonly default: { readonly unseen: Unseen; readonly unknown: Unknown };
  readonly registries: readonly RegistryAccess[];
  /** How long one question to a log or registry may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** A policy that also knows where each of its parts was set, for messages. */
export interface EffectivePolicy extends Policy {
  readonly sources: Readonly<Record<keyof Settings, Source>>;
}

/** What a policy is read from. */
interface PolicyInputs {
  /** The text of the baked policy file, undefined when there is none. */
  readonly file: string | undefined;
  /** The file's name in messages. */
  readonly fileName?: string;
  /** All build arguments by name; only those that begin with `TLOG_` are looked at. */
  readonly buildArgs: Readonly<Record<string, string>>;
}

/**
 * The policy of this build: the baked file, if there is one, as a floor, and the `TLOG_*` build arguments, which
 * set what it leaves open and may tighten the rest. Throws PolicyError.
 */
export async function readPolicy({
  file,
  fileName = "policy.yaml",
  buildArgs,
}: PolicyInputs): Promise<EffectivePolicy> {
  const settings = applyBuildArgs(await readBaked(file, fileName), buildArgs);
  const { logUrl, fulcioUrl, trust, unseen, unknown, registries, timeoutMs } = settings;
  return {
    log: { url: logUrl.value },
    signing: { fulcio: fulcioUrl.value },
    trust: trust.value,
    default: { unseen: unseen.value, unknown: unknown.value },
    registries: registries.value,
    timeoutMs: timeoutMs.value,
    sources: {
      logUrl: logUrl.source,
      fulcioUrl: fulcioUrl.source,
      trust: trust.source,
      unseen: unseen.source,
      unknown: unknown.source,
      registries: registries.source,
      timeoutMs: timeoutMs.source,
    },
  };
}

async function readBaked(file: string | undefined, fileName: string): Promise<Settings> {
  if (file === undefined) return DEFAULTS;
  // Most builds have no file, and are not to wait for a YAML parser to load.
  const { readPolicyFile } = await import("./policy-file.ts");
  return readPolicyFile(file, fileName);
}

/** Whether this `host[:port]` may be asked without TLS: it is this machine, or the policy names it so. */
export function allowsPlainHttp({ registries }: Pick<Policy, "registries">, host: string): boolean {
  return mayUsePlainHttp(host, registries);
}
