// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../log/excerpt.ts";
import { parsePublicKey, signerId, type Trust } from "../record/signer.ts";
import { mayUsePlainHttp, readRegistryHost } from "./host.ts";
import { readLogUrl, shownUrl } from "./log-url.ts";
import { nearest, quotedList, suggestion } from "./near-miss.ts";
import { type PolicyErrorCode, type PolicyProblem, throwProblems } from "./policy-error.ts";
import { NOT_SET, type Setting, type Settings, UNKNOWN, UNSEEN } from "./settings.ts";

const MAX_TIMEOUT_S = 600;
const MAX_HOSTS = 100;

/** Build arguments that later versions will know. */
const NOT_YET = ["TLOG_LOCK", "TLOG_APPROVE", "TLOG_REASON", "TLOG_PROFILE"];

/** One argument's outcome: the settings with it, or why not. */
type Outcome = Partial<Settings> | { readonly code: PolicyErrorCode; readonly problem: string };

type Reader = (value: string, settings: Settings) => Outcome;

function wrong(problem: string): Outcome {
  return { code: "wrong-value", problem };
}

/** What a file sets stands; the second part of the sentence names its place. */
function loosens(problem: string, { source }: Setting<unknown>): Outcome {
  return {
    code: "loosens",
    problem: `${problem}, which ${source} sets; leave the argument out, or change that file`,
  };
}

function isOpen({ source }: Setting<unknown>): boolean {
  return source === NOT_SET || source.startsWith("TLOG_");
}

/** A choice among values from the loosest to the strictest. */
function readChoice<T extends string>(
  value: string,
  {
    choices,
    current,
    set,
  }: { choices: readonly T[]; current: Setting<T>; set: (value: T) => Partial<Settings> },
): Outcome {
  const choice = choices.find((each) => each === value);
  if (choice === undefined) {
    return wrong(`"${excerpt(value)}" is not ${quotedList(choices)}${suggestion(value, choices)}`);
  }
  if (!isOpen(current)) {
    if (choice === current.value) return {};
    if (choices.indexOf(choice) < choices.indexOf(current.value)) {
      return loosens(`"${choice}" is looser than "${current.value}"`, current);
    }
  }
  return set(choice);
}

/** The address of a server; another one than a file names is no stricter, but elsewhere. */
function readUrl(
  value: string,
  {
    registries,
    current,
    what,
    set,
  }: {
    registries: Settings["registries"];
    current: Setting<string>;
    what: string;
    set: (url: string) => Partial<Settings>;
  },
): Outcome {
  const outcome = readLogUrl(value, (host) => mayUsePlainHttp(host, registries.value));
  if ("problem" in outcome) return wrong(`"${shownUrl(value)}": ${outcome.problem}`);
  if (isOpen(current)) return set(outcome.url);
  return outcome.url === current.value
    ? {}
    : loosens(`"${outcome.url}" is not the ${what} "${current.value}"`, current);
}

// In this order: which hosts may be asked in plain http decides which URLs are taken.
const READERS: Readonly<Record<string, Reader>> = {
  TLOG_PLAIN_HTTP(value, { registries }) {
    const hosts = value.split(",").map((each) => each.trim());
    if (hosts.length > MAX_HOSTS) return wrong(`it names more than ${MAX_HOSTS} hosts`);
    const read: { host: string; plainHttp: boolean }[] = [];
    for (const text of hosts) {
      const outcome = readRegistryHost(text);
      if ("problem" in outcome) return wrong(`"${excerpt(text)}": ${outcome.problem}`);
      read.push({ host: outcome.host, plainHttp: true });
    }
    if (isOpen(registries)) return { registries: { value: read, source: "TLOG_PLAIN_HTTP" } };
    const more = read.find(({ host }) => !mayUsePlainHttp(host, registries.value));
    return more ? loosens(`"${more.host}" is not among the hosts for plain http`, registries) : {};
  },
  TLOG_REKOR_URL: (value, { logUrl, registries }) =>
    readUrl(value, {
      registries,
      current: logUrl,
      what: "log",
      set: (url) => ({ logUrl: { value: url, source: "TLOG_REKOR_URL" } }),
    }),
  TLOG_FULCIO_URL: (value, { fulcioUrl, registries }) =>
    readUrl(value, {
      registries,
      current: fulcioUrl,
      what: "certificate authority",
      set: (url) => ({ fulcioUrl: { value: url, source: "TLOG_FULCIO_URL" } }),
    }),
  TLOG_TRUST_KEY(value, { trust }) {
    try {
      const signer = parsePublicKey(value);
      const trusted: Trust = { signer, may: new Set(["record", "approve"]) };
      if (isOpen(trust)) return { trust: { value: [trusted], source: "TLOG_TRUST_KEY" } };
      const isTrusted = trust.value.some((each) => signerId(each.signer) === signerId(signer));
      return isTrusted ? {} : loosens(`the key "${signer.fingerprint}" is not among the signers`, trust);
    } catch (error) {
      return wrong(error instanceof Error ? error.message : "it is not a public key");
    }
  },
  TLOG_UNSEEN: (value, { unseen }) =>
    readChoice(value, {
      choices: UNSEEN,
      current: unseen,
      set: (choice) => ({ unseen: { value: choice, source: "TLOG_UNSEEN" } }),
    }),
  TLOG_UNKNOWN: (value, { unknown }) =>
    readChoice(value, {
      choices: UNKNOWN,
      current: unknown,
      set: (choice) => ({ unknown: { value: choice, source: "TLOG_UNKNOWN" } }),
    }),
  TLOG_TIMEOUT(value) {
    if (!/^[1-9]\d{0,2}$/.test(value) || Number(value) > MAX_TIMEOUT_S) {
      return wrong(`"${excerpt(value)}" is not a whole number of seconds from 1 to ${MAX_TIMEOUT_S}`);
    }
    return { timeoutMs: { value: Number(value) * 1_000, source: "TLOG_TIMEOUT" } };
  },
};

const KNOWN = Object.keys(READERS);

function unknownProblem(name: string): PolicyProblem {
  const place = `--build-arg ${excerpt(name)}`;
  if (NOT_YET.includes(name)) {
    return { code: "not-supported", place, text: "it is not supported yet by this version; leave it out" };
  }
  const near = nearest(
    name.slice("TLOG_".length),
    KNOWN.map((each) => each.slice("TLOG_".length)),
  );
  const hint = near === undefined ? "" : ` (did you mean "TLOG_${near}"?)`;
  return { code: "unknown-key", place, text: `no such argument${hint}; there are ${KNOWN.join(", ")}` };
}

/**
 * The settings with the `TLOG_*` build arguments applied. They set what the baked file leaves open and may be
 * stricter than what it sets, never looser and never another log. Throws PolicyError.
 */
export function applyBuildArgs(baked: Settings, buildArgs: Readonly<Record<string, string>>): Settings {
  const given = new Map(Object.entries(buildArgs).filter(([name]) => name.startsWith("TLOG_")));
  const problems = [...given.keys()].filter((name) => !KNOWN.includes(name)).map(unknownProblem);
  let settings = baked;
  for (const [name, read] of Object.entries(READERS)) {
    const value = given.get(name);
    if (value === undefined) continue;
    const outcome =
      value.trim() === "" ? wrong("it is empty; give it a value or leave it out") : read(value, settings);
    if ("problem" in outcome) {
      problems.push({ code: outcome.code, place: `--build-arg ${name}`, text: outcome.problem });
    } else {
      settings = { ...settings, ...outcome };
    }
  }
  throwProblems(problems);
  return settings;
}
