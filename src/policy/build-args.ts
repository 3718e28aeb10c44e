// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import type { SigningServices } from "../log/signing-config.ts";
import { parseIdentity, parsePublicKey, type Trust } from "../record/signer.ts";
import { argReader, type Args, COMMANDS, type ReadArg } from "./commands.ts";
import { mayUsePlainHttp, readHosts, readLogUrl, type RegistryAccess } from "./address.ts";
import type { Key } from "./key.ts";
import { apiOf, eachKey, KEYS, NO_SETTINGS, type Settings } from "./keys.ts";
import { choose, nearest, type PolicyProblem, throwProblems, WrongValue } from "./policy-error.ts";
import { type RuleParts, type Setting, UNSEEN, WARN_OR_BLOCK } from "./rule.ts";

/** What the build arguments say. */
export interface ArgSettings extends Settings {
  /** Which of the logs is written to, when the arguments name no log themselves. */
  readonly writeTo?: Setting<1 | 2>;
}

/** The arguments that are part of the policy, in the order of the table; behind them those that need one another. */
const SETTINGS: readonly string[] = [
  ...Object.values<Pick<Key<unknown>, "arg">>(KEYS).flatMap(({ arg }) => arg?.name ?? []),
  "TLOG_REKOR_URL",
  "TLOG_LOG_API",
  "TLOG_TRUST_KEY",
  "TLOG_TRUST_ISSUER",
  "TLOG_TRUST_IDENTITY",
  "TLOG_UNSEEN",
  "TLOG_UNKNOWN",
];

/** More problems than are ever shown. */
const ENOUGH = 100;

/** All arguments that there are. */
export const KNOWN_ARGS: readonly string[] = [...SETTINGS, ...COMMANDS];

/**
 * Reads the `TLOG_*` build arguments that are part of the policy. It does not check whether a baked file allows them.
 * `registries` are those that files name. Throws PolicyError.
 */
export function readBuildArgs(
  args: Args,
  context: {
    readonly services: SigningServices;
    readonly registries: readonly RegistryAccess[];
    /** Those that the Dockerfile declares, which may be its own. */
    readonly declared?: ReadonlySet<string> | undefined;
  },
): ArgSettings {
  const given = Object.keys(args).filter((name) => name.startsWith("TLOG_"));
  const unknown = given.filter((name) => !KNOWN_ARGS.includes(name) && context.declared?.has(name) !== true);
  const problems = unknown.slice(0, ENOUGH).map(unknownProblem);
  const read = argReader(args, problems);

  // Read first: these hosts decide which http URLs are accepted.
  const registries = read("TLOG_PLAIN_HTTP", readHosts);
  const reachable = [...(registries?.value ?? []), ...context.registries];
  const readUrl = (value: string) => readLogUrl(value, (host) => mayUsePlainHttp(host, reachable));
  const api = read("TLOG_LOG_API", (value) => (choose(value, ["1", "2"]) === "1" ? 1 : 2));
  const logs = read("TLOG_REKOR_URL", (value) => {
    const url = readUrl(value);
    return [{ url, api: api?.value ?? apiOf(url, context.services) }];
  });
  const others: Partial<Settings> = said({ registries, logs, trust: readTrust(args, read) });
  const single = eachKey((name) => {
    const { arg }: Key<unknown> = KEYS[name];
    if (name in others || arg === undefined || name === "registries") return others[name];
    return read(arg.name, (value) => arg.read(value, readUrl));
  });
  const rules = said<RuleParts>({
    unseen: read("TLOG_UNSEEN", (value) => choose(value, UNSEEN)),
    unknown: read("TLOG_UNKNOWN", (value) => choose(value, WARN_OR_BLOCK)),
  });
  throwProblems(problems.toSorted((one, other) => rank(one) - rank(other)));
  return {
    ...NO_SETTINGS,
    ...single,
    default: rules,
    ...(logs === undefined && api !== undefined && { writeTo: api }),
  };
}

/** In the order in which the arguments are listed; those that do not exist come first. */
function rank({ place }: PolicyProblem): number {
  return SETTINGS.findIndex((name) => place.endsWith(` ${name}`));
}

/** Without what was not given. */
function said<T extends object>(settings: { readonly [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}

/** The key and the identity that the arguments trust. Without a file no other signer could approve, so these may. */
function readTrust(args: Args, read: ReadArg): Setting<readonly Trust[]> | undefined {
  const may = new Set(["record", "approve"] as const);
  const key = read("TLOG_TRUST_KEY", (value): Trust => ({ signer: parsePublicKey(value), may }));
  const issuer = read("TLOG_TRUST_ISSUER", (value) => {
    if (args["TLOG_TRUST_IDENTITY"] === undefined)
      throw new WrongValue("it says who vouches for TLOG_TRUST_IDENTITY, which is not given");
    return value;
  });
  const identity = read("TLOG_TRUST_IDENTITY", (value): Trust | undefined => {
    if (args["TLOG_TRUST_ISSUER"] === undefined)
      throw new WrongValue("it needs TLOG_TRUST_ISSUER, the issuer that vouches for it");
    return issuer && { signer: parseIdentity({ issuer: issuer.value, identity: value }), may };
  });
  const trust = [key?.value, identity?.value].filter((each) => each !== undefined);
  if (trust.length === 0) return undefined;
  return { value: trust, source: key?.source ?? "TLOG_TRUST_IDENTITY" };
}

function unknownProblem(name: string): PolicyProblem {
  const near = nearest(
    name.slice("TLOG_".length),
    KNOWN_ARGS.map((each) => each.slice("TLOG_".length)),
  );
  const hint = near === undefined ? "" : ` (did you mean "TLOG_${near}"?)`;
  return {
    code: "unknown-key",
    place: `--build-arg ${excerpt(name)}`,
    text: `no such argument${hint}; there are ${KNOWN_ARGS.join(", ")}. One of your own passes when the Dockerfile declares it with "ARG"`,
  };
}
