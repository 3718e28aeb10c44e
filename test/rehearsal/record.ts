// SPDX-License-Identifier: Apache-2.0
// Records the build that the frontend's snapshot is made from, into rehearsal/: npm run rehearsal:record
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pb } from "../../gen/gateway.js";
import { answerBuild } from "../../src/build/answer.ts";
import { REHEARSAL_FILE, type RecordedBuild } from "../../src/build/rehearsal.ts";
import { startChild } from "../../src/conversion/child.ts";
import type { Conversion } from "../../src/conversion/conversion.ts";
import { conversionEnvironment } from "../../src/conversion/environment.ts";
import type { Bridge } from "../../src/gateway/bridge.ts";
import { readBuildOptions } from "../../src/gateway/options.ts";
import { CallError } from "../../src/gateway/status.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readHistory } from "../../src/record/history.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";
import { sightingStatement } from "../../src/record/statement.ts";
import { runnableProgram } from "../build/runnable-program.ts";
import { sampleBuildkit } from "../build/sample-buildkit.ts";
import { encodeResult, type FakeBehaviour, startFakeBuildkit } from "../gateway/fake-buildkit.ts";
import { formatLockFile } from "../lock/lock-text.ts";
import { certify, rootOf, sampleAuthority, signCertified } from "../record/sample-identity.ts";
import {
  foundEntries,
  jointRootText,
  sampleKey,
  sampleLog,
  sighting,
  trusting,
} from "../record/sample-log.ts";

const DIRECTORY = join(import.meta.dirname, "../../rehearsal");
const OWN = join(DIRECTORY, "configuration");
const LOG = "rekor.rehearsal.example";
/** One image whose record a key signed, and one whose record an identity did. */
const BY_KEY = "registry.example/by-key:1.0";
const BY_IDENTITY = "registry.example/by-identity:1.0";
const WHO = { issuer: "https://issuer.example", identity: "ci@rehearsal.example" };
const DOCKERFILE = `FROM ${BY_KEY} AS tools\nFROM ${BY_IDENTITY}\nCOPY --from=tools /bin/tool /bin/tool\nCOPY . /app\nRUN /bin/tool /app\n`;

/** The policy, the trusted root and the lock file of the build. */
async function evidence(): Promise<{ policy: string; root: string; lock: string }> {
  const [log, authority, key] = [sampleLog(LOG), await sampleAuthority(), sampleKey()];
  log.now = authority.time;
  const certified = await certify(authority.issuing, WHO);
  const sightingOf = (reference: string) => sighting({ reference, observedAt: authority.time });
  const entries = [
    log.record(sightingOf(BY_KEY), key),
    log.append(signCertified(sightingStatement(sightingOf(BY_IDENTITY)), certified)),
  ];
  const root = jointRootText(log, { root: rootOf(authority) });
  const trustedRoot = parseTrustedRoot(root, "trusted_root.json");
  const trust = trusting(key.signer, { kind: "identity", ...WHO } as never);
  const records = [BY_KEY, BY_IDENTITY].flatMap((reference) => {
    const subject = parseReference(reference);
    return readHistory(foundEntries(log, entries), { subject, trust, trustedRoot }).records;
  });
  if (records.length !== 2) throw new Error(`there are ${records.length} records`);
  const pem = key.pem.trimEnd().replaceAll("\n", "\n      ");
  const policy = [
    "version: 1",
    `logs: [{ url: "https://${LOG}", api: 1 }]`,
    "trust:",
    `  - key: |\n      ${pem}`,
    `  - { issuer: "${WHO.issuer}", identity: "${WHO.identity}" }`,
    "rules:",
    '  - { match: "registry.example/**", action: block }',
    "",
  ].join("\n");
  return {
    policy,
    root: `${root}\n`,
    lock: formatLockFile(records),
  };
}

/** A BuildKit that has the Dockerfile, the lock file and the two images. */
function behaviourWith(lock: string): FakeBehaviour {
  const { digest } = sighting();
  const usual = sampleBuildkit({
    dockerfile: DOCKERFILE,
    images: { [BY_KEY]: { digest, layers: true }, [BY_IDENTITY]: { digest, layers: true } },
  });
  return {
    ...usual,
    solve(request) {
      const { def } = pb.Definition.decode(request.Definition ?? new Uint8Array());
      const followed = (def ?? []).map((op) => pb.Op.decode(op).source?.attrs?.["local.followpaths"]);
      if (!followed.some((paths) => paths?.includes("tlog.lock"))) return usual.solve(request);
      return encodeResult({ ref: { id: "steering", def: request.Definition ?? new Uint8Array() } });
    },
    files: (ref) => (ref === "steering" ? { "tlog.lock": lock } : usual.files(ref)),
  };
}

/** The Bridge, and what is said over it is written down. */
function recording(bridge: Bridge, { answered, failed }: RecordedBuild): void {
  const forward = bridge.forward.bind(bridge);
  bridge.forward = async (method, request) => {
    try {
      const answer = await forward(method, request);
      answered.push([method, base64(request), base64(answer)]);
      return answer;
    } catch (error) {
      if (error instanceof CallError) failed.push([method, base64(request), base64(error.status)]);
      throw error;
    }
  };
}

function listening(conversion: Conversion, asked: RecordedBuild["asked"]): Conversion {
  return {
    ...conversion,
    serve: (answer) =>
      conversion.serve((method, request) => {
        asked.push([method, base64(request)]);
        return answer(method, request);
      }),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

const { policy, root, lock } = await evidence();
writeFileSync(join(OWN, "policy.yaml"), policy);
writeFileSync(join(OWN, "trusted_root.json"), root);

const environment = {
  BUILDKIT_SESSION_ID: "session",
  BUILDKIT_WORKERS: JSON.stringify([
    { id: "worker", labels: {}, platforms: [{ os: "linux", architecture: "amd64" }] },
  ]),
  BUILDKIT_FRONTEND_OPT_0: "cmdline=registry.example/tlog-dockerfile:1",
  BUILDKIT_FRONTEND_OPT_1: "source=registry.example/tlog-dockerfile:1",
  BUILDKIT_FRONTEND_OPT_2: "attest:provenance=mode=min,inline-only=true",
};
const fake = await startFakeBuildkit(behaviourWith(lock));
const record: RecordedBuild = { environment, asked: [], answered: [], failed: [] };
recording(fake.bridge, record);
const buildOptions = readBuildOptions(environment);
const program = await runnableProgram();
const started = listening(
  startChild(program, conversionEnvironment(environment, buildOptions.options)),
  record.asked,
);
const start = { bridge: fake.bridge, buildOptions, environment, program, own: OWN, started };
const answer = await answerBuild(start, join(import.meta.dirname, "../../dist"));
if ("error" in answer) throw new Error(Buffer.from(answer.error).toString("latin1"));
writeFileSync(join(DIRECTORY, REHEARSAL_FILE), `${JSON.stringify(record, undefined, 1)}\n`);
process.stdout.write(`recorded ${record.asked.length} calls and ${record.answered.length} answers\n`);
process.exit(0);
