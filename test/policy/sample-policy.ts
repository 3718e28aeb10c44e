// SPDX-License-Identifier: Apache-2.0
import type { SigningServices } from "../../src/log/signing-config.ts";
import { PolicyError } from "../../src/policy/policy-error.ts";
import { type EffectivePolicy, type PolicyInputs, readPolicy } from "../../src/policy/policy.ts";

/** What a signing configuration names: a log of each kind. */
export const SERVICES: SigningServices = {
  logs: [
    { url: "https://rekor.sigstore.example", api: 1 },
    { url: "https://log2025.rekor.sigstore.example", api: 2 },
  ],
  fulcio: "https://fulcio.sigstore.example",
  timestamps: ["https://timestamp.sigstore.example/api/v1/timestamp"],
};

/** The texts of a policy; those that are not given are not there. */
export interface Texts {
  readonly baked?: string;
  readonly repository?: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly services?: SigningServices;
  /** The variable of the frontend image. */
  readonly ledgers?: string;
}

function inputs({ baked, repository, args, services = SERVICES, ledgers }: Texts): PolicyInputs {
  return {
    services,
    baked: baked === undefined ? undefined : { text: baked, name: "policy.yaml" },
    repository: repository === undefined ? undefined : { text: repository, name: "tlog.policy.yaml" },
    buildArgs: args ?? {},
    ...(ledgers !== undefined && { ledgers }),
  };
}

/** The policy that these texts make. */
export function policyOf(texts: Texts): Promise<EffectivePolicy> {
  return readPolicy(inputs(texts));
}

/** Why these texts make no policy. */
export async function refusalOf(texts: Texts): Promise<PolicyError> {
  const error: unknown = await policyOf(texts).catch((thrown: unknown) => thrown);
  if (!(error instanceof PolicyError))
    throw new Error(`not refused: ${JSON.stringify(error)}`, { cause: error });
  return error;
}
