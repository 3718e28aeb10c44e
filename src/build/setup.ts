// SPDX-License-Identifier: Apache-2.0
import type { CheckContext } from "../check/context.ts";
import type { Conversion } from "../conversion/conversion.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { buildArgs, type BuildOptions } from "../gateway/options.ts";
import type { Trace } from "../gateway/trace.ts";
import type { LockFile } from "../lock/file.ts";
import { LOCK_FILE, MAX_LOCK_BYTES } from "../lock/name.ts";
import { type Commands, readCommands } from "../policy/commands.ts";
import { MAX_POLICY_BYTES, POLICY_FILE } from "../policy/name.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import type { BuildFiles } from "./build-files.ts";
import type { Checking } from "./checking.ts";

/** What people call the policy file too. It is not read by these names, and a build does not go on as if they meant nothing. */
const MISNAMED_POLICIES = ["tlog.policy.yml", "tlog.policy.json"];
/** The files that steer how a build is judged. */
export const STEERING_FILES = [POLICY_FILE, LOCK_FILE, ...MISNAMED_POLICIES];

/** A build as BuildKit hands it to us, and what is ready for it. */
export interface BuildStart {
  readonly bridge: Bridge;
  readonly buildOptions: BuildOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program of the standard conversion, and the one that was started ahead. */
  readonly program: string;
  readonly started?: Conversion | undefined;
  /** The directory of an organisation's configuration, when it is not where images have it. */
  readonly own?: string;
  /** What takes how long, when that is wanted. */
  readonly trace?: Trace | undefined;
}

/** What a build is judged with. */
export interface OpenedCheck {
  readonly context: CheckContext;
  readonly policy: EffectivePolicy;
  /** The lock file, when the build has one. */
  readonly lock: LockFile | undefined;
  /** What people should know of how the build is judged, one line each. */
  readonly notes: readonly string[];
}

/** What is there before a build's own files are read, and what ends it. */
export interface Setup {
  readonly commands: Commands;
  /** Opens the check with the policy and the lock file among these files. Throws PolicyError, TrustError, LockError and BuildFileError. */
  open(files: BuildFiles): Promise<OpenedCheck>;
  /** Ends the couriers, in a second at most: BuildKit does not end a build while a container of its frontend runs. Never throws. */
  close(): Promise<void>;
}

/**
 * Sets up what builds are judged with. Throws PolicyError for a command that is none. `shipped` is the directory with our own
 * configuration and the courier. What judges is large, so it loads when the check is opened, while BuildKit is at work.
 */
export function setUp(
  start: Pick<BuildStart, "bridge" | "buildOptions" | "environment" | "own">,
  shipped: string,
): Setup {
  const commands = readCommands(buildArgs(start.buildOptions.options));
  let checking: Promise<Checking> | undefined;
  return {
    commands,
    async open(files) {
      const beside = {
        policy: files.beside(POLICY_FILE, MAX_POLICY_BYTES),
        lock: files.beside(LOCK_FILE, MAX_LOCK_BYTES),
        misnamed: files.present(MISNAMED_POLICIES),
      };
      // Whoever needs them hears of their failures; the policy may say that the lock file is elsewhere.
      for (const file of Object.values(beside)) file.catch(() => undefined);
      checking = import("./judging.ts").then(({ startChecking }) =>
        startChecking(start, { commands, shipped }),
      );
      return (await checking).open({ ...beside, all: files });
    },
    async close() {
      const started = await checking?.catch(() => undefined);
      await started?.close();
    },
  };
}
