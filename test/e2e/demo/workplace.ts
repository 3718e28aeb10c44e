// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LabObserver, openObserver } from "../cases/observer.ts";
import { layersOf } from "../cases/registry-content.ts";
import { atExit } from "../lab/at-exit.ts";
import { type Outcome, run } from "../lab/command.ts";
import type { PushedImage } from "../lab/images.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { LabError, lastLines } from "../lab/lab-error.ts";
import { rekorCli } from "../lab/rekor-cli.ts";
import { type Sigstore, startSigstore } from "../../sigstore/sigstore.ts";
import { configurationFiles } from "./configuration.ts";

/** Engine, registry, log and a developer's directory, which is the working directory while the demonstration runs. */
export interface Workplace {
  readonly lab: Lab;
  readonly sigstore: Sigstore;
  /** The frontend image for the syntax line. */
  readonly frontend: string;
  /** The Docker Engine's version. */
  readonly engine: string;
  /** Where the daemons' logs are. */
  readonly logFiles: readonly string[];
  /** Pushes a base image whose greeting is this text. */
  pushBase(name: string, greeting: string): Promise<PushedImage>;
  /** The digests of an image's layers, as the registry tells them. */
  layersOf(name: string, image: PushedImage): Promise<readonly string[]>;
  /** An observer of all tags of this repository in the registry. */
  observer(repository: string): LabObserver;
  writeFile(name: string, text: string): void;
  docker(...args: readonly string[]): Promise<Outcome>;
  rekorCli(...args: readonly string[]): Promise<Outcome>;
  shell(command: string): Promise<Outcome>;
  close(): Promise<void>;
}

/** The file of the developer's signing key. */
export const KEY_FILE = "signing-key.pem";

/** Makes it. `context` is a built copy of the repository. Throws LabError, and what the development log throws. */
export async function openWorkplace(context: string | undefined): Promise<Workplace> {
  const lab = await startLab();
  const directory = mkdtempSync(join(tmpdir(), "tlog-demo-"));
  const before = process.cwd();
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const forget = atExit(remove);
  let sigstore: Sigstore | undefined;
  const close = async () => {
    process.chdir(before);
    await lab.stop();
    await sigstore?.close();
    remove();
    forget();
  };
  try {
    sigstore = await startSigstore({ listen: `${lab.hostAddress}:0` });
    const app = join(directory, "app");
    mkdirSync(app);
    // So that commands can be shown as they would be typed, with names of files and no paths.
    process.chdir(app);
    return await furnish({ lab, sigstore, directory, context, close });
  } catch (error) {
    await close();
    throw error;
  }
}

async function furnish({
  lab,
  sigstore,
  directory,
  context,
  close,
}: {
  readonly lab: Lab;
  readonly sigstore: Sigstore;
  readonly directory: string;
  readonly context: string | undefined;
  readonly close: () => Promise<void>;
}): Promise<Workplace> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(KEY_FILE, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  writeFileSync(".dockerignore", `${KEY_FILE}\n`);
  const files = configurationFiles({
    logUrl: sigstore.url,
    registry: lab.registry.address,
    trustedRoot: sigstore.trustedRoot,
    publicKey: publicKey.export({ format: "pem", type: "spki" }).toString(),
  });
  const base = await lab.buildFrontend(context === undefined ? {} : { context });
  const frontend = await deriveFrontend(lab, { directory: join(directory, "frontend"), base, files });
  const cli = await rekorCli();
  const system = await lab.busybox();
  const { stdout } = await lab.docker(["version", "--format", "{{.Server.Version}}"]);
  return {
    lab,
    sigstore,
    frontend,
    engine: stdout.trim(),
    logFiles: [lab.engine.logFile, lab.registry.logFile].filter((file) => file !== undefined),
    pushBase: (name, greeting) => lab.push(name, { files: { ...system, "etc/greeting": `${greeting}\n` } }),
    layersOf: (name, image) => layers(lab, name, image),
    observer: (repository) =>
      openObserver(lab, sigstore, {
        directory: join(directory, "observer"),
        ledger: "acme/tlog-ledger",
        watch: [{ repository }],
      }),
    writeFile: (name, text) => writeFileSync(name, text),
    docker: (...args) => lab.docker(args),
    rekorCli: (...args) => run(cli, args, { env: { HOME: directory }, timeoutMs: 60_000 }),
    shell: (command) => run("sh", ["-c", command], { timeoutMs: 10_000 }),
    close,
  };
}

/** What an organisation does that has a log of its own: our image, and its policy and trusted root in it. */
async function deriveFrontend(
  lab: Lab,
  {
    directory,
    base,
    files,
  }: {
    readonly directory: string;
    readonly base: string;
    readonly files: Readonly<Record<string, string>>;
  },
): Promise<string> {
  mkdirSync(directory);
  const names = Object.keys(files);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  writeFileSync(
    join(directory, "Dockerfile"),
    `FROM ${base}\nCOPY ${names.join(" ")} /etc/tlog-dockerfile/\n`,
  );
  const frontend = `${lab.registry.address}/acme/tlog-dockerfile:1`;
  const { code, output } = await lab.docker(["buildx", "build", "--push", "-t", frontend, directory]);
  if (code === 0) return frontend;
  throw new LabError(
    "COMMAND_FAILED",
    `the frontend image cannot be built: exit code ${code}; the output ends with:\n${lastLines(output)}`,
  );
}

async function layers(lab: Lab, name: string, image: PushedImage): Promise<readonly string[]> {
  const [repository = ""] = name.split(":");
  return (await layersOf(lab.registry, repository, image.digest)).map(({ digest }) => digest);
}
