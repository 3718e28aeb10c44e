// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditResult, FindingKind } from "../../src/audit/finding.ts";
import type { Sha256 } from "../../src/image/digest.ts";
import { main } from "../../src/main.ts";
import type { CommandIo } from "../../src/program/command-line.ts";
import { openConfiguredRecorder } from "../../src/observer/opening.ts";
import type { Recorder } from "../../src/observer/recorder.ts";
import { type Sighting, sightingStatement } from "../../src/record/statement.ts";
import type { TrustedSigner } from "../../src/record/signer.ts";
import { type ConfigurationParts, type Observing, startObserving } from "../observer/observing.ts";
import { type RekorV2Log, rekorV2Log } from "../sigstore/rekor-v2.ts";
import { signingKeys } from "../sigstore/signing-keys.ts";

/** What an audit said. */
export interface Audited {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  /** What `--json` wrote; undefined where it wrote none. */
  readonly result: AuditResult;
  /** The kinds of its findings, in their order. */
  readonly kinds: readonly FindingKind[];
}

/** An observer with its registry and its logs, and what audits them. Close it in the end. */
export interface Auditing extends Observing {
  /** What the observer's configuration says of a Rekor v2 log. */
  readonly v2: ConfigurationParts;
  /** The configuration of an audit of the observer's ledger; `logs` and others take the place of its own. */
  auditText(parts?: AuditParts): string;
  /** Runs `main.ts audit --json` with more arguments. */
  audit(parts?: AuditParts, args?: readonly string[], io?: Partial<CommandIo>): Promise<Audited>;
  /** Signs and logs as the observer does, and puts nothing into the ledger. */
  recorder(parts?: ConfigurationParts): Promise<Recorder>;
  sign(sighting: Partial<Sighting>, parts?: ConfigurationParts): Promise<void>;
  /** The Rekor v2 log's own key over these bodies: what the log would be if it lied. */
  lyingLog(bodies: readonly Buffer[]): RekorV2Log;
  /** All bodies that the Rekor v2 log has now. */
  bodies(): Buffer[];
  /** Has all requests to the Rekor v2 log answered by another one. */
  replaceLog(log: RekorV2Log): void;
}

export interface AuditParts {
  readonly logs?: string;
  readonly signers?: string;
  readonly ledgers?: string;
  readonly more?: string;
}

export const SHIPPED = new URL("../../dist", import.meta.url).pathname;

/** Starts everything. */
export async function startAuditing(): Promise<Auditing> {
  const at = await startObserving();
  const { directory, sigstore, registry } = at;
  const v2 = {
    log: `{ url: ${sigstore.url}, api: 2 }`,
    signing: `{ key: observer.pem, timestamps: ["${sigstore.url}/api/v1/timestamp"] }`,
  };
  const auditText = ({
    logs = `[{ url: ${sigstore.url}, api: 2 }]`,
    signers = "[]",
    ledgers = `[{ repository: ${registry.host}/team/ledger, observer: { key: ${keyText(at.signer)} } }]`,
    more = "",
  }: AuditParts = {}) => `
logs: ${logs}
signers: ${signers}
ledgers: ${ledgers}
state: audit.sqlite
trusted-root: sigstore/trusted_root.json
registries: [{ host: "${registry.host}", plain-http: true }]
${more}
`;
  const recorder = async (parts: ConfigurationParts = v2) =>
    (
      await openConfiguredRecorder(at.configuration(parts), {
        shipped: SHIPPED,
        environment: {},
        now: () => new Date(),
        signal: new AbortController().signal,
        pause: async () => undefined,
      })
    ).recorder;
  return {
    ...at,
    v2,
    auditText,
    recorder,
    async audit(parts, args = [], io = {}) {
      writeFileSync(join(directory, "tlog-audit.yaml"), auditText(parts));
      let [out, err] = ["", ""];
      const status = await main(["audit", "--json", "--quiet", ...args], {
        stdout: { write: (text) => void (out += text) },
        stderr: { write: (text) => void (err += text) },
        environment: {},
        directory,
        shipped: SHIPPED,
        now: () => new Date(),
        clock: () => performance.now(),
        pause: async () => undefined,
        signal: new AbortController().signal,
        ...io,
      });
      const result = (out === "" ? { findings: [], logs: [] } : JSON.parse(out)) as AuditResult;
      return { status, out, err, result, kinds: result.findings.map(({ kind }) => kind) };
    },
    async sign(sighting, parts) {
      const whole = {
        reference: `${registry.host}/team/app:1.0`,
        digest: `sha256:${"e".repeat(64)}` as Sha256,
        platforms: [],
        observedAt: new Date(),
        ...sighting,
      };
      const signal = new AbortController().signal;
      await (await recorder(parts)).sighting(sightingStatement(whole), { signal });
    },
    lyingLog: (bodies) => logOf(directory, bodies),
    bodies: () => bodiesOf(sigstore.logV2),
    replaceLog(log) {
      sigstore.logV2.answer = (request) => log.answer(request);
    },
  };
}

/** A signer's key as YAML has it on one line. */
export function keyText(signer: TrustedSigner): string {
  if (signer.kind !== "key") throw new TypeError("it is no key");
  return JSON.stringify(signer.publicKey.export({ type: "spki", format: "pem" }).toString());
}

/** The body of an entry by a stranger, distinct by its number. */
export function stranger(n: number): Buffer {
  return Buffer.from(`{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"n":${n}}}}`);
}

export function strangers(count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) => stranger(n));
}

function logOf(directory: string, bodies: readonly Buffer[]): RekorV2Log {
  const { rekorV2: privateKey } = signingKeys(join(directory, "sigstore", "keys"));
  const lines = bodies.map((body) => ({ body: body.toString("base64") }));
  return rekorV2Log({ hostname: "127.0.0.1", privateKey, file: { lines, append: () => undefined } });
}

function bodiesOf(log: RekorV2Log): Buffer[] {
  const get = (path: string) =>
    log.answer({
      method: "GET",
      path: `/api/v2/${path}`,
      query: new URLSearchParams(),
      mediaType: "",
      headers: {},
      body: Buffer.of(),
    }).body;
  const size = Number(String(get("checkpoint")).split("\n")[1]);
  const bodies: Buffer[] = [];
  for (let tile = 0; tile * 256 < size; tile++) {
    const width = Math.min(256, size - tile * 256);
    const path = `tile/entries/${String(tile).padStart(3, "0")}${width < 256 ? `.p/${width}` : ""}`;
    let rest = Buffer.from(get(path));
    while (rest.length > 0) {
      const end = 2 + rest.readUInt16BE(0);
      bodies.push(rest.subarray(2, end));
      rest = rest.subarray(end);
    }
  }
  return bodies;
}
