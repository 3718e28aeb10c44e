// SPDX-License-Identifier: Apache-2.0
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

/** The floors, bottom to top, and the wings beside them. A file may import its own and those listed. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  image: [],
  log: ["image"],
  trust: ["image", "log"],
  record: ["image", "log", "trust"],
  lock: ["image", "log", "trust", "record"],
  ledger: ["image", "log", "trust", "record", "lock"],
  attestation: ["image", "log", "trust", "record"],
  policy: ["image", "log", "trust", "record", "ledger"],
  check: ["image", "log", "trust", "record", "lock", "ledger", "attestation", "policy"],
  courier: [],
  "courier/client": ["log", "check", "courier", "gateway"],
  "courier/server": ["image", "log", "courier"],
  registry: ["image", "log", "courier", "courier/server"],
  "ledger/registry": ["image", "log", "trust", "record", "lock", "ledger", "registry"],
  program: ["log", "policy"],
  report: ["image", "log", "trust", "record", "lock", "ledger", "attestation", "policy", "check"],
  history: ["image", "log", "trust", "record", "lock", "ledger", "policy", "check", "report"],
  gateway: [],
  llb: ["image"],
  conversion: ["image", "gateway"],
  gate: ["image", "policy", "record", "check", "courier", "gateway", "llb", "conversion"],
  subrequests: [
    "image",
    "log",
    "record",
    "lock",
    "ledger",
    "attestation",
    "policy",
    "check",
    "report",
    "history",
    "gateway",
    "llb",
  ],
  build: [
    "image",
    "log",
    "trust",
    "record",
    "lock",
    "ledger",
    "attestation",
    "policy",
    "check",
    "report",
    "courier",
    "courier/client",
    "gateway",
    "llb",
    "conversion",
    "gate",
    "subrequests",
  ],
  standalone: [
    "image",
    "log",
    "trust",
    "record",
    "ledger",
    "policy",
    "check",
    "courier",
    "courier/client",
    "courier/server",
    "registry",
    "build",
    "ledger/registry",
  ],
  observer: [
    "image",
    "log",
    "trust",
    "record",
    "lock",
    "ledger",
    "policy",
    "check",
    "courier",
    "courier/server",
    "registry",
    "ledger/registry",
    "program",
  ],
  "history/command": [
    "image",
    "log",
    "trust",
    "record",
    "lock",
    "ledger",
    "policy",
    "check",
    "courier",
    "courier/client",
    "courier/server",
    "registry",
    "history",
    "standalone",
    "build",
    "observer",
    "ledger/registry",
    "program",
  ],
  site: [
    "image",
    "log",
    "trust",
    "record",
    "lock",
    "ledger",
    "policy",
    "check",
    "courier",
    "courier/server",
    "registry",
    "observer",
    "ledger/registry",
    "program",
  ],
  audit: [
    "image",
    "log",
    "trust",
    "record",
    "lock",
    "ledger",
    "attestation",
    "policy",
    "courier/server",
    "registry",
    "observer",
    "ledger/registry",
    "program",
  ],
  proxy: [
    "image",
    "log",
    "trust",
    "record",
    "ledger",
    "policy",
    "check",
    "report",
    "courier",
    "courier/server",
    "registry",
    "standalone",
    "observer",
    "program",
  ],
};

/** Floors whose files run where there is no network, and must not be able to use one. */
const WITHOUT_NETWORK = [
  "image",
  "log",
  "trust",
  "record",
  "lock",
  "ledger",
  "attestation",
  "policy",
  "check",
  "courier",
  "courier/client",
  "report",
  "history",
  "llb",
  "conversion",
  "gate",
  "subrequests",
  "build",
];

/** The one file of them that starts a process. */
const STARTS_A_PROCESS = "src/conversion/child.ts";

const files = globSync("src/*/**/*.ts").toSorted();

test("no file lies loose but the entry that BuildKit starts, and the one that a person starts", () => {
  expect(globSync("src/*.ts").toSorted()).toEqual(["src/frontend.ts", "src/main.ts"]);
});

test("there are files on every floor", () => {
  expect([...new Set(files.map(floorOf))].toSorted()).toEqual(Object.keys(MAY_IMPORT).toSorted());
});

test.for(files)("%s imports only the floors below it", (file) => {
  const floor = floorOf(file);
  const others = importsOf(file)
    .filter((path) => path.startsWith(".") && !path.includes("gen/"))
    .map((path) => floorOf(join(dirname(file), path)))
    .filter((other) => other !== floor);
  expect(MAY_IMPORT[floor]).toEqual(expect.arrayContaining(others));
});

test("no files import one another in a circle, also when one of them loads the other later", () => {
  const imports = new Map(files.map((file) => [file, valuesImportedBy(file)]));
  const done = new Set<string>();
  const circleFrom = (file: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of imports.get(file) ?? []) {
      const circle = circleFrom(next, [...way, file]);
      if (circle !== undefined) return circle;
    }
    done.add(file);
    return undefined;
  };
  expect(files.flatMap((file) => [circleFrom(file, [])].filter((circle) => circle !== undefined))).toEqual(
    [],
  );
});

test.for(files.filter((file) => WITHOUT_NETWORK.includes(floorOf(file))))(
  "%s has no way to a network",
  (file) => {
    expect(importsOf(file)).not.toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          file === STARTS_A_PROCESS
            ? /^(node:)?(https?2?|net|tls|dns|dgram)\b/
            : /^(node:)?(https?2?|net|tls|dns|dgram|child_process)\b/,
        ),
      ]),
    );
    expect(readFileSync(file, "utf8")).not.toMatch(/\bfetch\(/);
  },
);

test.for(files.filter((file) => ["gateway", ...WITHOUT_NETWORK].includes(floorOf(file))))(
  "%s draws no UUID, which would be the same in all processes of one snapshot",
  (file) => {
    expect(readFileSync(file, "utf8")).not.toMatch(/\brandomUUID\b/);
  },
);

function floorOf(file: string): string {
  const [floor = "", room = ""] = relative("src", file).split("/");
  return `${floor}/${room}` in MAY_IMPORT ? `${floor}/${room}` : floor;
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(
    ([, path]) => path ?? "",
  );
}

/** The files of ours that it imports more than types from. */
function valuesImportedBy(file: string): string[] {
  const statements = readFileSync(file, "utf8").matchAll(
    /^(?:import|export) (?!type\b)[^;]*?from "(\.[^"]+)"|import\("(\.[^"]+)"\)/gm,
  );
  return [...statements]
    .map(([, statically, later]) => join(dirname(file), statically ?? later ?? ""))
    .filter((path) => !path.includes("gen/"));
}
