// SPDX-License-Identifier: Apache-2.0
import { sampleKey } from "../record/sample-log.ts";
import type { Check, Row, Section } from "./conformance-row.ts";
import {
  bundled,
  bundleOf,
  cosignVerdict,
  libraryVerdict,
  recorded,
  recordedAs,
  recordedWithEd25519,
  verdict,
  verify,
  verifyBundled,
} from "./recorded-sample.ts";
import { keylessSample, newSample, recordV2, type Sample } from "./sample-sighting.ts";
import type { LogApi, Target } from "./target.ts";
import { cosign, cosignAttest, rekorCli, rekorCliJson } from "./tools.ts";

type MakeSample = (target: Target) => Promise<Sample>;
const withKey: MakeSample = async () => newSample();
const withToken: MakeSample = keylessSample;
const VERIFIED = "verified";

/** A record by the courier, proven by us and by the tools. */
function provenRow(says: string, make: MakeSample): Row {
  const byCosign = (api: LogApi): Check => ({
    expected: VERIFIED,
    async look(target) {
      const sample = await make(target);
      const bundle = await bundled(target, sample, api);
      return cosignVerdict(await cosign({ target, sample, bundle, timed: api === "v2" }));
    },
  });
  return {
    says,
    ours: {
      expected: VERIFIED,
      async look(target) {
        const made = await recordedAs(target, await make(target));
        return verdict(() => verify(target, made, made.entry));
      },
    },
    cosign: byCosign("v1"),
    rekorCli: {
      expected: VERIFIED,
      look: async (target) => rekorCliVerdict(target, (await recordedAs(target, await make(target))).uuid),
    },
    v2: {
      ours: {
        expected: VERIFIED,
        async look(target) {
          const sample = await make(target);
          const bundle = await recordV2(target, sample);
          return verdict(() => verifyBundled(target, sample, bundle));
        },
      },
      cosign: byCosign("v2"),
    },
  };
}

/** What was recorded with the sample's signer is judged as if another one were trusted. */
function strangerRow(
  says: string,
  make: MakeSample,
  other: (by: Sample["by"]) => Sample["by"],
  refusal = "refused: untrusted-signer",
): Row {
  const bundleFor = async (target: Target, api: LogApi) => {
    const sample = await make(target);
    const bundle = await bundled(target, sample, api);
    return { target, bundle, sample: { ...sample, by: other(sample.by) } };
  };
  const ours = (api: LogApi): Check => ({
    expected: refusal,
    async look(target) {
      const { sample, bundle } = await bundleFor(target, api);
      return verdict(() => verifyBundled(target, sample, bundle));
    },
  });
  const byCosign = (api: LogApi): Check => ({
    expected: "refused",
    look: async (target) => cosignVerdict(await cosign(await bundleFor(target, api))),
  });
  return { says, ours: ours("v1"), cosign: byCosign("v1"), v2: { ours: ours("v2"), cosign: byCosign("v2") } };
}

function libraryRow(says: string, make: MakeSample): Row {
  const check = (api: LogApi): Check => ({
    expected: VERIFIED,
    async look(target) {
      const sample = await make(target);
      return libraryVerdict(target, sample.by, await bundled(target, sample, api));
    },
  });
  return { says, ours: check("v1"), v2: { ours: check("v2") } };
}

/** What cosign signed and recorded, proven by us. */
function attestedRow(says: string, make: MakeSample): Row {
  const check = (api: LogApi): Check => ({
    expected: VERIFIED,
    async look(target) {
      const sample = await make(target);
      const bundle = await cosignAttest(target, { sample, api });
      return verdict(() => verifyBundled(target, sample, bundle));
    },
  });
  return { says, ours: check("v1"), v2: { ours: check("v2") } };
}

interface StatementText {
  readonly subject: readonly [
    { readonly digest: { readonly sha256: string } },
    { readonly digest: { readonly sha256: string } },
  ];
}

/** cosign's word on a record, asked by the digest of something. */
function digestRow(says: string, expected: string, digestOf: (statement: StatementText) => string): Row {
  const check = (api: LogApi): Check => ({
    expected,
    async look(target) {
      const sample = newSample();
      const statement = JSON.parse(Buffer.from(sample.statement).toString()) as StatementText;
      const bundle = await bundled(target, sample, api);
      return cosignVerdict(await cosign({ target, sample, bundle, digest: digestOf(statement) }));
    },
  });
  return { says, cosign: check("v1"), v2: { cosign: check("v2") } };
}

async function rekorCliVerdict(target: Target, uuid: string): Promise<string> {
  const { code, output } = await rekorCli(target, ["verify", "--uuid", uuid]);
  return code === 0 ? VERIFIED : output;
}

const proving: Row[] = [
  provenRow("A sighting recorded with a P-256 key", withKey),
  {
    says: "… with an Ed25519 key",
    ours: {
      expected: VERIFIED,
      async look(target) {
        const made = await recordedWithEd25519(target);
        return verdict(() => verify(target, made, made.entry));
      },
    },
    cosign: {
      expected: VERIFIED,
      async look(target) {
        const { sample, uuid, entry } = await recordedWithEd25519(target);
        return cosignVerdict(await cosign({ target, sample, bundle: bundleOf(uuid, entry) }));
      },
    },
    rekorCli: {
      expected: VERIFIED,
      look: async (target) => rekorCliVerdict(target, (await recordedWithEd25519(target)).uuid),
    },
  },
  provenRow("… with an identity token", withToken),
  digestRow(
    "The first, by the digest of the tag's name",
    VERIFIED,
    ({ subject: [tag] }) => tag.digest.sha256,
  ),
  digestRow("… by the image's digest", VERIFIED, ({ subject: [, image] }) => image.digest.sha256),
  digestRow("… by another digest", "refused", () => "00".repeat(32)),
  {
    says: "… read back",
    ours: {
      expected: "the statement, byte for byte",
      async look(target) {
        const { sample, entry } = await recorded(target);
        const same = entry.attestation?.data === Buffer.from(sample.statement).toString("base64");
        return same ? "the statement, byte for byte" : "something else";
      },
    },
    rekorCli: {
      expected: "the statement, byte for byte",
      async look(target) {
        const { sample, uuid } = await recorded(target);
        const got = await rekorCliJson(target, ["get", "--uuid", uuid]);
        const text = typeof got === "object" && got !== null && "Attestation" in got ? got.Attestation : "";
        const same = text === Buffer.from(sample.statement).toString();
        return same ? "the statement, byte for byte" : "something else";
      },
    },
  },
  strangerRow("… by a key that is not trusted", withKey, () => sampleKey().signer),
  strangerRow("… by an identity that is not trusted", withToken, (by) => ({
    ...issuerOf(by),
    identity: "somebody@acme.example",
  })),
  strangerRow("… by the identity that is trusted, vouched for by another issuer", withToken, (by) => ({
    ...issuerOf(by),
    issuer: "https://issuer.example.test",
  })),
  libraryRow("A record with a key, as Sigstore's library for npm sees it", withKey),
  libraryRow("… with an identity token", withToken),
  attestedRow("A sighting that cosign signed with a key and recorded", withKey),
  attestedRow("… with an identity token", withToken),
];

function issuerOf(by: Sample["by"]) {
  if (by.kind !== "identity") throw new Error("a sample with an identity is needed");
  return by;
}

/** Whether what was recorded can be proven. */
export const provingRecords: Section = { title: "Proving a record", rows: proving };
