// SPDX-License-Identifier: Apache-2.0
import type { CheckContext, ConsumedImage } from "../../src/check/context.ts";
import type { Courier } from "../../src/check/courier.ts";
import type { RawEntry } from "../../src/log/rekor-v1.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { sha256, type Sha256 } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { EffectivePolicy } from "../../src/policy/policy.ts";
import type { Rule } from "../../src/policy/rule.ts";
import { NOT_SET } from "../../src/policy/rule.ts";
import { certify, rootWith, type SampleAuthority, signCertified } from "../record/sample-identity.ts";
import { type SampleKey, type SampleLog, sampleLog, signEnvelope } from "../record/sample-log.ts";

/** A manifest as a registry serves it. */
export interface Served {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** A manifest whose bytes, and so whose digest, no other name has. */
export function servedManifest(name: string): Served & { readonly digest: Sha256 } {
  const digest = sha256(name);
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config: { digest }, layers: [], name }));
  return { bytes, mediaType: "application/vnd.oci.image.manifest.v1+json", digest: sha256(bytes) };
}

type Named = { readonly issuer: string; readonly identity: string };

export interface Setting {
  /** The build's signing key. */
  readonly key?: SampleKey | undefined;
  /** The build's identity token: whom it claims, and whom the authority names for it, the same when left out. */
  readonly token?: { readonly authority: SampleAuthority; readonly claims: Named; readonly names?: Named };
  readonly signerProblem?: string;
  /** The authority in the trusted root. */
  readonly authorityTrusted?: SampleAuthority;
  /** What registries serve, by `registry/repository:tag`. Everything else is not found. */
  readonly served?: Readonly<Record<string, Served | Error>>;
  readonly policy?: SamplePolicy;
  readonly now?: () => Date;
  readonly courier?: Partial<Courier>;
  /** What becomes of the entries that were found. */
  readonly changeFound?: (entries: readonly RawEntry[]) => readonly RawEntry[];
  /** What the check has besides: an approval, a lock file's records, a newer trusted root. */
  readonly context?: Partial<CheckContext>;
  /** Somebody else's doing, just before the build's own entry is written. */
  readonly beforeRecord?: () => void;
  /** The same just after it was written. */
  readonly afterRecord?: () => void;
}

/** A check's surroundings, and what was done in them. */
export interface Surroundings {
  readonly context: CheckContext;
  readonly log: SampleLog;
  /** The couriers that were started: whether each had the secrets. */
  readonly started: boolean[];
  /** The questions: `ready`, `find`, `find again`, `manifest https docker.io/…`, `record`. */
  readonly asked: string[];
}

const HASH_LENGTH = "sha256:".length + 64;

/** A log, registries and couriers in memory. */
export function surroundings(setting: Setting = {}, log: SampleLog = sampleLog()): Surroundings {
  const started: boolean[] = [];
  const asked: string[] = [];
  const couriers = new Map<boolean, Courier>();

  const append = async (signing: boolean, statement: Uint8Array): Promise<{ uuid: string }> => {
    const { key, token } = setting;
    if (signing && token !== undefined) {
      const certified = await certify(token.authority.issuing, token.names ?? token.claims);
      setting.beforeRecord?.();
      return { uuid: log.append(signCertified(statement, certified)).uuid };
    }
    if (!signing || key === undefined) throw new CourierError("no-signer", "there is nothing to sign with");
    setting.beforeRecord?.();
    return { uuid: log.append(signEnvelope(statement, key)).uuid };
  };

  const courierWith = (signing: boolean): Courier => ({
    async ready() {
      asked.push("ready");
      if (!signing) return {};
      const { key, token, signerProblem } = setting;
      return { publicKey: key?.pem, identity: token?.claims, signerProblem };
    },
    async find({ hash, including }) {
      if (hash.length !== HASH_LENGTH) throw new Error(`not a hash: ${hash}`);
      asked.push(`find${including === undefined ? "" : " again"}`);
      const uuids = new Set(log.log.search([hash]));
      if (including !== undefined) uuids.add(including);
      const entries = [...uuids].map((uuid) => {
        const entry = log.log.byUuid(uuid);
        return entry ? log.found(entry) : { uuid, entry: null };
      });
      return { entries: setting.changeFound?.(entries) ?? entries, dropped: new Map() };
    },
    async manifest({ registry, repository, tag, plainHttp }) {
      asked.push(`manifest ${plainHttp ? "http" : "https"} ${registry}/${repository}:${tag}`);
      const served = setting.served?.[`${registry}/${repository}:${tag}`];
      if (served instanceof Error) throw served;
      if (served === undefined)
        throw new CourierError("not-found", "GET …: status 404: the registry has no such tag");
      return served;
    },
    async blob({ registry, repository, digest }) {
      asked.push(`blob ${registry}/${repository}@${digest}`);
      const served = setting.served?.[`${registry}/${repository}@${digest}`];
      if (served instanceof Error) throw served;
      if (served === undefined)
        throw new CourierError("not-found", "GET …: status 404: the registry has no such blob");
      return served.bytes;
    },
    async record({ fulcio, statement }) {
      asked.push(setting.token === undefined ? "record" : `record ${fulcio}`);
      const written = await append(signing, statement);
      setting.afterRecord?.();
      return written;
    },
    ...setting.courier,
  });

  return {
    log,
    started,
    asked,
    context: {
      policy: samplePolicy(setting.policy),
      trustedRoot: async () =>
        setting.authorityTrusted === undefined ? log.trustedRoot : rootWith(setting.authorityTrusted, log),
      now: setting.now ?? (() => log.now),
      deadline: () => new AbortController().signal,
      keepsRecords: false,
      recheck: false,
      async courier({ signing }) {
        const courier = couriers.get(signing) ?? courierWith(signing);
        if (!couriers.has(signing)) started.push(signing);
        couriers.set(signing, courier);
        return courier;
      },
      ...setting.context,
    },
  };
}

/** Parts of a policy, and what it says of every image. */
export type SamplePolicy = Partial<EffectivePolicy> & { readonly rule?: Partial<Rule> };

/** A policy for tests; without a rule of its own every tag is written once. */
export function samplePolicy({ rule = {}, ...change }: SamplePolicy = {}): EffectivePolicy {
  const { unseen = "record", unknown = "block" } = { ...change.default, ...rule };
  const said = <T>(value: T) => ({ value, source: "policy.yaml:1" });
  const parts = {
    action: said(rule.action ?? "block"),
    unseen: said(unseen),
    unknown: said(unknown),
    ...(rule.minAge && { minAge: said(rule.minAge) }),
    private: said(rule.private ?? false),
  };
  const sources = {
    profile: NOT_SET,
    logs: NOT_SET,
    fulcio: NOT_SET,
    timestamps: NOT_SET,
    trust: "policy.yaml:2",
  };
  return {
    profile: "default",
    logs: [{ url: "https://rekor.example.org", api: 1 }],
    signing: { fulcio: "https://fulcio.example.org", timestamps: [] },
    trust: [],
    ledgers: [],
    isBaked: true,
    rules: [{ rules: [], default: parts, mayLoosen: new Set() }],
    registries: [],
    timeoutMs: 1000,
    recheck: "never",
    attest: true,
    syntax: "allow",
    ...change,
    default: { unseen, unknown },
    logSources: new Map(),
    sources: {
      ...sources,
      ledgers: NOT_SET,
      registries: NOT_SET,
      lock: NOT_SET,
      recheck: NOT_SET,
      attest: NOT_SET,
      conversion: NOT_SET,
      syntax: NOT_SET,
      cacheFrom: NOT_SET,
      tuf: NOT_SET,
      timeoutMs: NOT_SET,
    },
  };
}

export function sampleRule(change: Partial<Rule> = {}): Rule {
  return {
    action: "block",
    unseen: "record",
    unknown: "block",
    private: false,
    byDigest: "allow",
    source: "policy.yaml:1",
    why: "the policy says so",
    ...change,
  };
}

/** Images as a check takes them: for one platform, and with the digest that the registry gave. */
export function consumed(...images: readonly string[]): ConsumedImage[] {
  return images.map((image) => ({
    reference: parseReference(image),
    platforms: ["linux/amd64"],
    claimed: false,
  }));
}
