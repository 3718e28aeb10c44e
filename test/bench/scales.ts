// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { MAX_IMAGES } from "../../src/gate/bounds.ts";
import { sha256, type Digest } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory } from "../../src/record/history.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { formatLockFile } from "../lock/lock-text.ts";
import {
  foundEntries,
  proposedEntry,
  sampleKey,
  sampleLog,
  type SampleKey,
  sighting,
  signEnvelope,
  trusting,
} from "../record/sample-log.ts";
import { startSigstore } from "../sigstore/sigstore.ts";
import type { ScaledBuild } from "./scaled-build.ts";

/** One thing of which the frontend is given more and more. */
export interface Scale {
  /** On the command line, in JSON. */
  readonly name: string;
  readonly title: string;
  /** What is counted. */
  readonly unit: string;
  readonly sizes: readonly number[];
  /** Makes a build of this size; what it gives is to be closed. */
  open(size: number): Promise<OpenedScale>;
}

export interface OpenedScale {
  readonly build: ScaledBuild;
  /** How many images the build has. */
  readonly images: number;
  close(): Promise<void>;
}

const IMAGE = "registry.example/base:1.0";
const STEPS_OF_A_STAGE = 100;
const LOG_HOST = "rekor.example.org";

/** A row for each scale, in the order of the tables. */
export const SCALES: readonly Scale[] = [
  {
    name: "images",
    title: "Images in one build",
    unit: "images",
    sizes: [1, 10, 50, 100, 200, 500, MAX_IMAGES],
    open: async (size) => {
      const names = Array.from({ length: size }, (_, index) => `registry.example/base-${index + 1}:1.0`);
      const [first, ...others] = names;
      const copies = others.map((name, index) => `COPY --from=${name} /number /numbers/${index}\n`);
      return locked(`FROM ${first}\n${copies.join("")}RUN x\n`, names);
    },
  },
  {
    name: "history",
    title: "Records of one tag in the log",
    unit: "records",
    sizes: [1, 10, 100, 1_000],
    open: (size) => logged({ approvals: size - 1, strangers: 0 }),
  },
  {
    name: "strangers",
    title: "Entries by strangers about one tag in the log",
    unit: "entries",
    sizes: [0, 100, 1_000, 10_000],
    open: (size) => logged({ approvals: 0, strangers: size }),
  },
  {
    name: "stages",
    title: "Stages, each upon the one before",
    unit: "stages",
    sizes: [1, 16, 64],
    open: async (size) => {
      const stage = (index: number) =>
        `FROM ${index === 0 ? IMAGE : `s${index - 1}`} AS s${index}\nRUN ${index}\n`;
      return locked(Array.from({ length: size }, (_, index) => stage(index)).join(""), [IMAGE]);
    },
  },
  {
    name: "operations",
    title: "Operations in the definition",
    unit: "operations",
    sizes: [1_000, 5_000, 10_000, 30_000, 50_000],
    open: async (size) => {
      // BuildKit's conversion takes quadratic time for the steps of one stage, so that there are many.
      const stages = Array.from({ length: size / STEPS_OF_A_STAGE }, (_, stage) => {
        const steps = Array.from(
          { length: STEPS_OF_A_STAGE - 1 },
          (_step, index) => `RUN ${stage} ${index}\n`,
        );
        return `FROM ${IMAGE} AS s${stage}\n${steps.join("")}`;
      });
      const copies = stages.map((_, stage) => `COPY --from=s${stage} /file /${stage}\n`);
      return locked(`${stages.join("")}FROM ${IMAGE}\n${copies.join("")}`, [IMAGE]);
    },
  },
];

function digestOf(name: string): Digest {
  return sha256(Buffer.from(name));
}

/** A build whose images are all in its lock file. */
function locked(dockerfile: string, names: readonly string[]): OpenedScale {
  const [log, key] = [sampleLog(LOG_HOST), sampleKey()];
  const records = names.flatMap((reference) => {
    const entry = log.record(sighting({ reference, digest: digestOf(reference) }), key);
    const { trustedRoot } = log;
    const subject = parseReference(reference);
    return readHistory(foundEntries(log, [entry]), { subject, trust: trusting(key.signer), trustedRoot })
      .records;
  });
  return {
    build: {
      dockerfile,
      images: new Map(names.map((name) => [name, digestOf(name)])),
      configuration: configuration({ url: `https://${LOG_HOST}`, root: log.root, key }),
      lock: formatLockFile(records),
    },
    images: names.length,
    close: async () => undefined,
  };
}

/** A build of one image whose records are in a log: the first, and approvals of other digests after it; and what strangers say of it. */
async function logged({
  approvals,
  strangers,
}: {
  readonly approvals: number;
  readonly strangers: number;
}): Promise<OpenedScale> {
  const [sigstore, key, stranger] = [await startSigstore(), sampleKey(), sampleKey()];
  const add = (change: Parameters<typeof sighting>[0], by: SampleKey) => {
    const statement = sightingStatement(sighting({ reference: IMAGE, observedAt: new Date(), ...change }));
    sigstore.log.append(proposedEntry(signEnvelope(statement, by)));
  };
  const nth = (number: number) => digestOf(`${IMAGE} ${number}`);
  for (let number = 0; number < strangers; number += 1)
    add({ digest: digestOf(`stranger ${number}`) }, stranger);
  add({ digest: nth(0) }, key);
  for (let number = 1; number <= approvals; number += 1)
    add({ digest: nth(number), supersedes: nth(number - 1) }, key);
  let requests = 0;
  // The list of requests forgets the oldest.
  sigstore.misbehave({ fault: { kind: "rewrite", change: (answer) => ((requests += 1), answer) } });
  return {
    build: {
      dockerfile: `FROM ${IMAGE}\nRUN x\n`,
      images: new Map([[IMAGE, nth(approvals)]]),
      configuration: configuration({ url: sigstore.url, root: sigstore.trustedRoot, key }),
      requests: () => requests,
    },
    images: 1,
    close: () => sigstore.close(),
  };
}

/** The files of /etc/tlog-dockerfile: one log, and one key whose records count. */
function configuration({
  url,
  root,
  key,
}: {
  readonly url: string;
  readonly root: object;
  readonly key: { readonly pem: string; readonly privateKey: KeyObject };
}): Readonly<Record<string, string>> {
  const { host, protocol } = new URL(url);
  const policy = [
    "version: 1",
    `logs: [{ url: "${url}", api: 1, private: true }]`,
    `trust: [{ key: ${JSON.stringify(key.pem)} }]`,
    // The fakes are slow in large settings.
    "timeout: 600",
    ...(protocol === "http:" ? [`registries: [{ host: "${host}", plain-http: true }]`] : []),
    "",
  ];
  return { "policy.yaml": policy.join("\n"), "trusted_root.json": JSON.stringify(root) };
}
