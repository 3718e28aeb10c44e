// SPDX-License-Identifier: Apache-2.0
import { sampleKey } from "../record/sample-log.ts";
import type { Check, Row, Section } from "./conformance-row.ts";
import {
  bundleOf,
  cosignVerdict,
  recorded,
  recordedWithEd25519,
  verdict,
  verify,
} from "./recorded-sample.ts";
import { cosign, rekorCli, rekorCliJson } from "./tools.ts";

const proving: Row[] = [
  {
    says: "A sighting recorded with a P-256 key",
    ours: {
      expected: "verified",
      async look(target) {
        const made = await recorded(target);
        return verdict(() => verify(target, made, made.entry));
      },
    },
    cosign: {
      expected: "verified",
      async look(target) {
        const { sample, uuid, entry } = await recorded(target);
        return cosignVerdict(await cosign({ target, sample, bundle: bundleOf(uuid, entry) }));
      },
    },
    rekorCli: {
      expected: "verified",
      async look(target) {
        const { uuid } = await recorded(target);
        const { code, output } = await rekorCli(target, ["verify", "--uuid", uuid]);
        return code === 0 ? "verified" : output;
      },
    },
  },
  {
    says: "… with an Ed25519 key",
    ours: {
      expected: "verified",
      async look(target) {
        const made = await recordedWithEd25519(target);
        return verdict(() => verify(target, made, made.entry));
      },
    },
    cosign: {
      expected: "verified",
      async look(target) {
        const { sample, uuid, entry } = await recordedWithEd25519(target);
        return cosignVerdict(await cosign({ target, sample, bundle: bundleOf(uuid, entry) }));
      },
    },
    rekorCli: {
      expected: "verified",
      async look(target) {
        const { uuid } = await recordedWithEd25519(target);
        const { code, output } = await rekorCli(target, ["verify", "--uuid", uuid]);
        return code === 0 ? "verified" : output;
      },
    },
  },
  {
    says: "The first, by the digest of the tag's name",
    cosign: cosignAbout("verified", ({ subject: [tag] }) => tag.digest.sha256),
  },
  {
    says: "… by the image's digest",
    cosign: cosignAbout("verified", ({ subject: [, image] }) => image.digest.sha256),
  },
  {
    says: "… by another digest",
    cosign: cosignAbout("refused", () => "00".repeat(32)),
  },
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
  {
    says: "… by a key that is not trusted",
    ours: {
      expected: "refused: untrusted-signer",
      async look(target) {
        const made = await recorded(target);
        const sample = { ...made.sample, key: sampleKey() };
        return verdict(() => verify(target, { ...made, sample }, made.entry));
      },
    },
    cosign: {
      expected: "refused",
      async look(target) {
        const { sample, uuid, entry } = await recorded(target);
        const other = { ...sample, key: sampleKey() };
        return cosignVerdict(await cosign({ target, sample: other, bundle: bundleOf(uuid, entry) }));
      },
    },
  },
];

interface StatementText {
  readonly subject: readonly [
    { readonly digest: { readonly sha256: string } },
    { readonly digest: { readonly sha256: string } },
  ];
}

function cosignAbout(expected: string, digestOf: (statement: StatementText) => string): Check {
  return {
    expected,
    async look(target) {
      const { sample, uuid, entry } = await recorded(target);
      const statement = JSON.parse(Buffer.from(sample.statement).toString()) as StatementText;
      const question = { target, sample, bundle: bundleOf(uuid, entry), digest: digestOf(statement) };
      return cosignVerdict(await cosign(question));
    },
  };
}

/** Whether what was recorded can be proven. */
export const provingRecords: Section = { title: "Proving a record", rows: proving };
