// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseReference } from "../../src/image/reference.ts";
import type { LedgerAnswer } from "../../src/ledger/answer.ts";
import { LedgerError } from "../../src/ledger/error.ts";
import { headIn, parseConfiguration } from "../../src/ledger/layout.ts";
import { openLedger } from "../../src/ledger/reading.ts";
import { type ObserverConfiguration, readConfiguration } from "../../src/observer/configuration.ts";
import type { ObserverEvent, RunSummary } from "../../src/observer/event.ts";
import { observer } from "../../src/observer/observe.ts";
import type { RunIo } from "../../src/observer/run.ts";
import type { ObserverHost } from "../../src/observer/opening.ts";
import { standing } from "../../src/record/history.ts";
import type { TagRecord } from "../../src/record/record.ts";
import { parsePublicKey, type Trust, type TrustedSigner } from "../../src/record/signer.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";
import { type Sigstore, startSigstore } from "../sigstore/sigstore.ts";
import { type MemoryRegistry, startMemoryRegistry } from "./memory-registry.ts";

/** Where a tag's records are, and what they come to. */
export interface ReadTag {
  readonly kind: LedgerAnswer["kind"];
  /** Why the ledger says nothing. */
  readonly detail?: string;
  readonly records: readonly TagRecord[];
  /** The digest that stands. */
  readonly stands?: string;
}

/** What a run did. */
export interface Observed {
  readonly summary: RunSummary;
  readonly events: readonly ObserverEvent[];
  /** `METHOD path` of the requests to the registry. */
  readonly requests: readonly string[];
}

/** What a configuration is made of; the rest is as for a key, Rekor v1 and all tags of `team/app`. */
export interface ConfigurationParts {
  readonly state?: string;
  readonly log?: string;
  readonly signing?: string;
  readonly watch?: string;
  /** More lines. */
  readonly more?: string;
}

/** The development Sigstore, a registry in memory, and an observer's directory with its key. Close it in the end. */
export interface Observing {
  readonly directory: string;
  readonly registry: MemoryRegistry;
  readonly sigstore: Sigstore;
  readonly signer: TrustedSigner;
  /** Makes a key file; gives its signer. */
  newKey(name: string): TrustedSigner;
  configuration(parts?: ConfigurationParts): ObserverConfiguration;
  /** Its text, as a file has it. */
  configurationText(parts?: ConfigurationParts): string;
  /** Runs the engine once, and waits for nothing in it. */
  run(
    parts?: ConfigurationParts,
    options?: Partial<RunIo> & { readonly host?: Partial<ObserverHost> },
  ): Promise<Observed>;
  /** What a build reads of `team/app:TAG`. */
  read(
    tag: string,
    options?: { readonly observer?: TrustedSigner; readonly approvers?: readonly TrustedSigner[] },
  ): Promise<ReadTag>;
  /** What the ledger's head says; undefined when there is none. */
  head():
    | {
        readonly sequence: number;
        readonly tags: number;
        readonly lines: number;
        readonly shards: number;
        readonly text: string;
      }
    | undefined;
  close(): Promise<void>;
}

const SHIPPED = new URL("../../dist", import.meta.url).pathname;

/** Starts them. */
export async function startObserving(): Promise<Observing> {
  const directory = mkdtempSync(join(tmpdir(), "observing-"));
  const sigstore = await startSigstore({ out: join(directory, "sigstore") });
  const registry = await startMemoryRegistry();
  const newKey = (name: string) => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(join(directory, name), pemOf(privateKey, "pkcs8"));
    return parsePublicKey(pemOf(publicKey, "spki"));
  };
  const signer = newKey("observer.pem");
  const ledger = `${registry.host}/team/ledger`;
  const text = ({
    state = "state",
    log = sigstore.url,
    signing = "{ key: observer.pem }",
    watch = `[{ repository: ${registry.host}/team/app, private: true }]`,
    more = "",
  }: ConfigurationParts = {}) => `
ledger: ${ledger}
log: ${log}
signing: ${signing}
trusted-root: sigstore/trusted_root.json
state: ${state}
watch: ${watch}
registries: [{ host: "${registry.host}", plain-http: true }]
${more}
`;
  const configuration = (parts?: ConfigurationParts) =>
    readConfiguration(text(parts), {
      path: join(directory, "tlog-observer.yaml"),
      name: "tlog-observer.yaml",
    });
  const configurationOf = async (reference: string): Promise<Uint8Array> => {
    const place = reference.slice(ledger.length + 1);
    const named = reference.startsWith(`${ledger}:`) ? registry.tags.get("team/ledger")?.get(place) : place;
    const index = registry.manifests.get(named ?? "");
    const fail = (why: string) => new LedgerError("ledger-broken", why);
    if (index === undefined) throw new LedgerError("ledger-not-there", `the registry has no "${reference}"`);
    const head = reference.startsWith(`${ledger}:`) ? headIn(index.bytes, fail) : place;
    const manifest = registry.manifests.get(head);
    if (manifest === undefined) throw new LedgerError("ledger-broken", "its head is gone");
    const { config } = JSON.parse(manifest.bytes.toString("utf8")) as { config: { digest: string } };
    const bytes = registry.blobs.get(config.digest);
    if (bytes === undefined) throw new LedgerError("ledger-broken", "a configuration is gone");
    return bytes;
  };
  return {
    directory,
    registry,
    sigstore,
    signer,
    newKey,
    configuration,
    configurationText: text,
    async run(parts, { host, ...io } = {}) {
      const events: ObserverEvent[] = [];
      registry.requests.length = 0;
      const run = observer({ shipped: SHIPPED, environment: {}, pause: async () => undefined, ...host });
      const summary = await run(configuration(parts), {
        signal: new AbortController().signal,
        now: () => new Date(),
        onEvent: (event) => events.push(event),
        onProgress: () => undefined,
        dryRun: false,
        ...io,
      });
      return { summary, events, requests: [...registry.requests] };
    },
    async read(tag, { observer: who = signer, approvers = [] } = {}) {
      const opened = openLedger(
        { repository: ledger, observer: who, approvers, maxAgeMs: 3_600_000 },
        {
          logs: undefined,
          configuration: configurationOf,
          trustedRoot: async () =>
            parseTrustedRoot(JSON.stringify(sigstore.trustedRoot), "trusted_root.json"),
          now: () => new Date(),
        },
      );
      const trust: Trust[] = [
        { signer: who, may: new Set(["record"]) },
        ...approvers.map((each): Trust => ({ signer: each, may: new Set(["approve"]) })),
      ];
      const answer = await opened.read(parseReference(`${registry.host}/team/app:${tag}`), trust);
      if (answer.kind !== "watched")
        return {
          kind: answer.kind,
          records: [],
          ...(answer.kind === "failed" && { detail: `${answer.reason}: ${answer.detail}` }),
        };
      const { records } = answer.history;
      const stands = standing(answer.history)?.record.digest;
      return { kind: answer.kind, records, ...(stands !== undefined && { stands }) };
    },
    head() {
      const index = registry.manifests.get(registry.tags.get("team/ledger")?.get("v1") ?? "");
      if (index === undefined) return undefined;
      const fail = (why: string) => new Error(why);
      const manifest = registry.manifests.get(headIn(index.bytes, fail))?.bytes.toString("utf8") ?? "";
      const { config } = JSON.parse(manifest) as { config: { digest: string } };
      const part = parseConfiguration(registry.blobs.get(config.digest) ?? Buffer.of(), fail);
      const { dsseEnvelope } = part.head as { dsseEnvelope: { payload: string } };
      const { predicate } = JSON.parse(Buffer.from(dsseEnvelope.payload, "base64").toString("utf8")) as {
        predicate: { sequence: number; tags: number; lines: number };
      };
      const shards = Number(/^# tlog\.ledger 1 shards (\d+)/.exec(part.text)?.[1] ?? 0);
      return { ...predicate, shards, text: part.text };
    },
    async close() {
      await registry.close();
      await sigstore.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function pemOf(key: KeyObject, type: "pkcs8" | "spki"): string {
  return key.export({ type, format: "pem" } as never).toString();
}
