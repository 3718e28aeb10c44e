// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import type { SigningServices } from "../log/signing-config.ts";
import { parseIdentity, parsePublicKey, type Trust } from "../record/signer.ts";
import { mayUsePlainHttp, readHosts, readLogUrl, type RegistryAccess, shownUrl } from "./address.ts";
import { COMMANDS } from "./commands.ts";
import type { Key } from "./key.ts";
import { KEYS } from "./keys.ts";
import { apiOf } from "./logs.ts";
import { choose, nearest, WrongValue } from "./near-miss.ts";
import { type PolicyProblem, throwProblems } from "./policy-error.ts";
import { type RuleParts, type Setting, UNSEEN, WARN_OR_BLOCK } from "./rule.ts";
import { NO_SETTINGS, type Settings } from "./settings.ts";

const APIS = ["1", "2"] as const;

/** What the build arguments say. */
export interface ArgSettings extends Settings {
  /** Which of the logs is written to, when the arguments name no log themselves. */
  readonly writeTo?: Setting<1 | 2>;
}

/** What the arguments are read with. */
interface Surroundings {
  readonly services: SigningServices;
  /** Those that files name. */
  readonly registries: readonly RegistryAccess[];
}

const ROWS: readonly (readonly [string, Pick<Key<unknown>, "arg">])[] = Object.entries(KEYS);

/** The arguments that are part of the policy, in the order of the table; behind them those that need one another. */
const SETTINGS: readonly string[] = [
  ...ROWS.flatMap(([, { arg }]) => arg?.name ?? []),
  "TLOG_REKOR_URL",
  "TLOG_LOG_API",
  "TLOG_TRUST_KEY",
  "TLOG_TRUST_ISSUER",
  "TLOG_TRUST_IDENTITY",
  "TLOG_UNSEEN",
  "TLOG_UNKNOWN",
];

/** All arguments that there are. */
export const KNOWN_ARGS: readonly string[] = [...SETTINGS, ...COMMANDS];

/**
 * Reads the `TLOG_*` build arguments that are part of the policy, each by itself: whether a baked file lets them be is
 * not looked at here. Throws PolicyError.
 */
export function readBuildArgs(
  buildArgs: Readonly<Record<string, string>>,
  { services, registries: named }: Surroundings,
): ArgSettings {
  const given = Object.entries(buildArgs).filter(([name]) => name.startsWith("TLOG_"));
  const problems = given.filter(([name]) => !KNOWN_ARGS.includes(name)).map(([name]) => unknownProblem(name));
  const read = <T>(name: string, reader: (value: string) => T): Setting<T> | undefined => {
    const value = buildArgs[name];
    if (value === undefined) return undefined;
    try {
      if (value.trim() === "") throw new WrongValue("it is empty; give it a value or leave it out");
      return { value: reader(value), source: name };
    } catch (error) {
      const text = error instanceof Error ? error.message : "it cannot be read";
      problems.push({ code: "wrong-value", place: `--build-arg ${name}`, text });
      return undefined;
    }
  };

  // First, because which hosts may be asked in plain http decides which URLs are taken.
  const registries = read("TLOG_PLAIN_HTTP", readHosts);
  const reachable = [...(registries?.value ?? []), ...named];
  const readUrl = (value: string): string => {
    const outcome = readLogUrl(value, (host) => mayUsePlainHttp(host, reachable));
    if ("url" in outcome) return outcome.url;
    throw new WrongValue(`"${shownUrl(value)}": ${outcome.problem}`);
  };
  const api = read("TLOG_LOG_API", (value) => (choose(value, APIS) === "1" ? 1 : 2));
  const logs = read("TLOG_REKOR_URL", (value) => {
    const url = readUrl(value);
    return [{ url, api: api?.value ?? apiOf(url, services) }];
  });
  const simple = ROWS.flatMap(([name, { arg }]) => {
    const setting =
      name === "registries" || arg === undefined
        ? undefined
        : read(arg.name, (value) => arg.read(value, readUrl));
    return setting === undefined ? [] : [[name, setting] as const];
  });
  const trust = readSigners(buildArgs, read);
  const rules = {
    unseen: read("TLOG_UNSEEN", (value) => choose(value, UNSEEN)),
    unknown: read("TLOG_UNKNOWN", (value) => choose(value, WARN_OR_BLOCK)),
  };
  throwProblems(problems.toSorted((one, other) => rank(one) - rank(other)));
  return {
    ...NO_SETTINGS,
    // Each name has the value of its own row, which TypeScript cannot see in a list.
    ...(Object.fromEntries(simple) as Partial<Settings>),
    ...(registries && { registries }),
    ...(logs && { logs }),
    ...(trust && { trust }),
    default: said(rules) as RuleParts,
    ...(logs === undefined && api !== undefined && { writeTo: api }),
  };
}

/** In the order in which the arguments are listed; those that do not exist come first. */
function rank({ place }: PolicyProblem): number {
  return SETTINGS.findIndex((name) => place.endsWith(` ${name}`));
}

/** Without what was not given. */
function said(settings: object): object {
  return Object.fromEntries(Object.entries(settings).filter(([, setting]) => setting !== undefined));
}

/** The key and the identity that the arguments trust. Without a file nobody else could approve, so they may. */
function readSigners(
  buildArgs: Readonly<Record<string, string>>,
  read: <T>(name: string, reader: (value: string) => T) => Setting<T> | undefined,
): Setting<readonly Trust[]> | undefined {
  const may = new Set(["record", "approve"] as const);
  const key = read("TLOG_TRUST_KEY", (value): Trust => ({ signer: parsePublicKey(value), may }));
  const issuer = read("TLOG_TRUST_ISSUER", (value) => {
    if (buildArgs["TLOG_TRUST_IDENTITY"] === undefined)
      throw new WrongValue("it says who vouches for TLOG_TRUST_IDENTITY, which is not given");
    return value;
  });
  const identity = read("TLOG_TRUST_IDENTITY", (value): Trust | undefined => {
    if (buildArgs["TLOG_TRUST_ISSUER"] === undefined)
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
    text: `no such argument${hint}; there are ${KNOWN_ARGS.join(", ")}`,
  };
}
