// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { readConfiguration } from "../../src/observer/configuration.ts";
import { readObserveCommand } from "../../src/observer/command.ts";
import { documentedFiles } from "../policy/documented-files.ts";

const FILES = [...documentedFiles("recipes.md"), ...documentedFiles("observer.md")];
const SYSTEMD_ANALYZE = "/usr/bin/systemd-analyze";

interface Job {
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly observe?: Readonly<Record<string, unknown>>;
}

interface Mount {
  readonly name: string;
  readonly mountPath: string;
}

interface CronJob {
  readonly schedule: string;
  readonly concurrencyPolicy: string;
  readonly jobTemplate: {
    readonly spec: {
      readonly template: {
        readonly spec: {
          readonly containers: readonly {
            readonly args: readonly string[];
            readonly env: readonly { readonly name: string; readonly value: string }[];
            readonly volumeMounts: readonly Mount[];
          }[];
          readonly volumes: readonly (Readonly<Record<string, unknown>> & { readonly name: string })[];
        };
      };
    };
  };
}

interface KubernetesList {
  readonly items: readonly {
    readonly kind: string;
    readonly data?: Readonly<Record<string, string>>;
    readonly spec?: unknown;
  }[];
}

function textOf(name: string, having = ""): string {
  const found = FILES.filter((file) => file.name === name && file.text.includes(having));
  const [only, ...more] = found;
  if (only === undefined || more.length > 0) throw new Error(`${found.length} files are called "${name}"`);
  return only.text;
}

const KUBERNETES = (parse(textOf("observer.yaml")) as KubernetesList).items;
const configured = (text: string) =>
  readConfiguration(text, { path: "/srv/tlog-observer.yaml", name: "tlog-observer.yaml" });
const inCluster = configured(
  KUBERNETES.find(({ kind }) => kind === "ConfigMap")?.data?.["tlog-observer.yaml"] ?? "",
);
const cronJob = KUBERNETES.find(({ kind }) => kind === "CronJob")?.spec as CronJob;
const [container] = cronJob.jobTemplate.spec.template.spec.containers;

describe("the configurations are taken as they stand", () => {
  const configurations = FILES.filter(({ name }) => name === "tlog-observer.yaml");
  test.for(configurations)("$place", ({ text }) => {
    expect(configured(text).watch.length).toBeGreaterThan(0);
  });

  test("there is one for each way to run it, and that of the reference", () => {
    expect(configurations.map(({ text }) => configured(text).signing.kind)).toEqual([
      "github",
      "token",
      "key",
      "key",
    ]);
  });
});

describe("the command lines are taken as they stand", () => {
  const commands = FILES.flatMap(({ text, place }) =>
    [...text.replaceAll(/\\\n\s*/g, "").matchAll(/(?:tlog-dockerfile|main\.js|--) observe( .*)?$/gm)].map(
      ([line, args = ""]) => ({ line, place, args: args.split(" ").filter((arg) => arg !== "") }),
    ),
  );
  test.for(commands)("$place: $line", ({ args }) => {
    expect(readObserveCommand(args)).toMatchObject({ config: expect.stringMatching(/yaml$/) as unknown });
  });

  test("there is one for each way to run it", () => {
    expect(commands.length).toBe(5);
    const [name, ...args] = container?.args ?? [];
    expect(name).toBe("observe");
    expect(readObserveCommand(args)).toMatchObject({ config: "/etc/tlog-observer/tlog-observer.yaml" });
  });
});

describe("what a job signs and pushes with is where the configuration looks for it, and one job writes at a time", () => {
  test("GitHub Actions", () => {
    const text = textOf(".github/workflows/observe.yml");
    const { permissions, concurrency } = parse(text) as Job;
    expect(permissions).toEqual({ contents: "read", "id-token": "write", packages: "write" });
    expect(concurrency).toEqual({ group: "tlog-ledger", "cancel-in-progress": false });
    for (const name of ["ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"])
      expect(text).toContain(`-e ${name}`);
    const { state } = configured(textOf("tlog-observer.yaml", "github: true"));
    expect(state).toBe("/srv/.observer");
    expect(text.match(/path: \.observer$/gm)).toHaveLength(2);
  });

  test("GitLab CI", () => {
    const { observe = {} } = parse(textOf(".gitlab-ci.yml", "observe")) as Job;
    expect(observe).toMatchObject({
      id_tokens: { SIGSTORE_ID_TOKEN: { aud: "sigstore" } },
      resource_group: "tlog-ledger",
      cache: { paths: [".observer"] },
    });
    const { signing } = configured(textOf("tlog-observer.yaml", "registry.gitlab.com"));
    if (signing.kind !== "token") throw new Error("there is no token");
    expect(observe["script"]).toContainEqual(`printf '%s' "$SIGSTORE_ID_TOKEN" > ${signing.file}`);
  });

  test("Kubernetes", () => {
    expect(cronJob.concurrencyPolicy).toBe("Forbid");
    const { volumes } = cronJob.jobTemplate.spec.template.spec;
    const mountedAt = (path: string) => {
      const mount = container?.volumeMounts.find(({ mountPath }) => mountPath === path);
      return volumes.find(({ name }) => name === mount?.name);
    };
    const { signing, state } = inCluster;
    if (signing.kind !== "token") throw new Error("there is no token");
    const token = { path: basename(signing.file), audience: "sigstore", expirationSeconds: 3_600 };
    expect(mountedAt(dirname(signing.file))).toMatchObject({
      projected: { sources: [{ serviceAccountToken: token }] },
    });
    expect(mountedAt(state)).toHaveProperty("persistentVolumeClaim");
    expect(mountedAt("/etc/tlog-observer")).toHaveProperty("configMap");
    const configuration = container?.env.find(({ name }) => name === "DOCKER_CONFIG")?.value ?? "";
    expect(mountedAt(configuration)).toMatchObject({ secret: { items: [{ path: "config.json" }] } });
  });

  test("systemd", () => {
    const { service, timer } = units();
    const { signing, state } = configured(textOf("tlog-observer.yaml", "/run/credentials"));
    if (signing.kind !== "key") throw new Error("there is no key");
    expect(dirname(signing.file)).toBe("/run/credentials/tlog-observer.service");
    const credentials = service.get("Service")?.get("LoadCredential") ?? [];
    expect(credentials.map((each) => each.split(":")[0])).toEqual([basename(signing.file), "config.json"]);
    expect(service.get("Service")?.get("Environment")).toEqual(["DOCKER_CONFIG=%d"]);
    expect(service.get("Service")?.get("DynamicUser")).toEqual(["yes"]);
    expect(state).toBe(`/var/lib/${service.get("Service")?.get("StateDirectory")?.join("")}`);
    expect(timer.get("Timer")?.get("OnCalendar")).toEqual(["hourly"]);
    expect(timer.get("Install")?.get("WantedBy")).toEqual(["timers.target"]);
  });

  test.runIf(existsSync(SYSTEMD_ANALYZE))("systemd takes the units", () => {
    const directory = mkdtempSync(join(tmpdir(), "units-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const paths = ["service", "timer"].map((kind) => join(directory, `tlog-observer.${kind}`));
    for (const path of paths)
      // The program is not on this machine.
      writeFileSync(path, unitText(basename(path)).replace("/usr/bin/node", "/bin/true"));
    const { stderr } = spawnSync(SYSTEMD_ANALYZE, ["verify", ...paths], { encoding: "utf8" });
    expect(stderr).not.toContain("tlog-observer");
  });
});

type Unit = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

function unitText(name: string): string {
  return textOf(`/etc/systemd/system/${name}`);
}

function units(): { service: Unit; timer: Unit } {
  return {
    service: readUnit(unitText("tlog-observer.service")),
    timer: readUnit(unitText("tlog-observer.timer")),
  };
}

/** A unit file's sections, each with the values of its keys. */
function readUnit(text: string): Unit {
  const sections = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (name !== undefined) {
      section = new Map();
      sections.set(name, section);
      continue;
    }
    const [, key = "", value = ""] = /^([A-Z]\w+)=(.*)$/.exec(line) ?? [];
    if (section === undefined || key === "") throw new Error(`not a line of a unit file: "${line}"`);
    section.set(key, [...(section.get(key) ?? []), value]);
  }
  return sections;
}
