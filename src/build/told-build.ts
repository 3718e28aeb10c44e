// SPDX-License-Identifier: Apache-2.0
import { buildArgs } from "../gateway/options.ts";
import { excerpt } from "../log/excerpt.ts";
import { KNOWN_ARGS } from "../policy/build-args.ts";
import { COMMANDS } from "../policy/commands.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import type { ToldBuild } from "../report/ways-out.ts";

type Options = Readonly<Record<string, string>>;

const SECRET_NAME = /TOKEN|PASSW|KEY|SECRET|CREDENTIAL/i;
/** An address with somebody's credentials in it, such as that of a proxy. */
const CREDENTIALS = /\/\/[^/\s]*@/;
/** A longer value is no matter for a message. */
const MAX_VALUE = 200;
/** What a client sends without being asked to. */
const DEFAULT_FILE = /^[Dd]ockerfile$/;
/** Where BuildKit finds what the client reads from its own standard input. */
const UPLOADED = "http://buildkit-session/";

/**
 * What a command must repeat of a build, from the options that BuildKit gave us. Values that look like secrets, and those
 * that are too long or not fit for a terminal, are named and not shown; so are directories of the client's, which we are not told.
 */
export function toldBuild(
  options: Options,
  {
    policy: { logs },
    hasLock,
  }: { readonly policy: Pick<EffectivePolicy, "logs">; readonly hasLock: boolean },
): ToldBuild {
  const args = argOptions(options);
  const ours = args.filter(({ isPolicy }) => isPolicy);
  const contexts = contextOptions(options);
  const { target, platform, filename = "Dockerfile", context } = options;
  const isNamed = !DEFAULT_FILE.test(filename) && options["dockerfilekey"] === undefined;
  const remote =
    context !== undefined && isShown(context) && !CREDENTIALS.test(context) && !context.startsWith(UPLOADED);
  const simple = [
    ...(target ? [valued("--target", target)] : []),
    ...(platform ? [valued("--platform", platform)] : []),
    ...(isNamed ? [valued("-f", filename)] : []),
  ];
  const others = [...simple, ...args.filter(({ isPolicy }) => !isPolicy), ...contexts];
  return {
    frontend: quoted(shown(frontendOf(options))),
    platform: platform && isShown(platform) ? quoted(platform) : undefined,
    policyArgs: ours.flatMap(({ repeated }) => repeated ?? []),
    policyMissing: ours.flatMap(({ missing }) => missing ?? []),
    options: others.flatMap(({ repeated }) => repeated ?? []),
    missing: [
      ...others.flatMap(({ missing }) => missing ?? []),
      ...(isNamed ? ["directory of -f, if it has one"] : []),
      ...(context === undefined || remote ? [] : ["build context"]),
    ],
    context: remote ? quoted(context) : ".",
    hasLock,
    isSearched: logs[0]?.api !== 2,
  };
}

/** The image that converts this build, as it names it: that is us. */
function frontendOf(options: Options): string {
  const byArg = options["build-arg:BUILDKIT_SYNTAX"]?.split(" ", 1)[0];
  return options["source"] ?? byArg ?? options["cmdline"]?.split(" ", 1)[0] ?? "tlog-dockerfile";
}

/** An option in words: to be repeated, or to be said to be missing. */
type Repeatable =
  | { readonly repeated: string; readonly missing?: never }
  | { readonly repeated?: never; readonly missing: string };

function argOptions(options: Options): readonly (Repeatable & { readonly isPolicy: boolean })[] {
  return Object.entries(buildArgs(options))
    .filter(([name]) => !COMMANDS.some((each) => each === name))
    .map(([name, value]) => ({
      isPolicy: KNOWN_ARGS.includes(name),
      // The key of a signer that is trusted is public.
      ...((SECRET_NAME.test(name) && name !== "TLOG_TRUST_KEY") || CREDENTIALS.test(value)
        ? { missing: `--build-arg ${excerpt(name)}=…` }
        : valued("--build-arg", value, name)),
    }));
}

/** Named contexts by what they are: an image or an address is the same everywhere, a directory is the client's. */
function contextOptions(options: Options): readonly Repeatable[] {
  return Object.entries(options)
    .filter(([key]) => key.startsWith("context:"))
    .map(([key, value]) => {
      const name = key.slice("context:".length);
      if (/^input:|^target:/.test(value))
        return { missing: `context "${excerpt(name)}", another target of bake` };
      const isPortable =
        /^docker-image:|^https?:|^git/.test(value) && !CREDENTIALS.test(value.split("@sha256:")[0] ?? "");
      return isPortable
        ? valued("--build-context", value, name)
        : { missing: `--build-context ${excerpt(name)}=…` };
    });
}

function valued(option: string, value: string, name?: string): Repeatable {
  const whole = name === undefined ? value : `${name}=${value}`;
  if (isShown(value) && (name === undefined || isShown(name)))
    return { repeated: `${option} ${quoted(whole)}` };
  return { missing: `${option} ${name === undefined ? "…" : `${excerpt(name)}=…`}` };
}

function isShown(text: string): boolean {
  return text === excerpt(text, MAX_VALUE);
}

function shown(text: string): string {
  return excerpt(text, MAX_VALUE);
}

/** The text as one word of a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
