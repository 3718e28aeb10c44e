// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey } from "node:crypto";
import {
  newSigningKey,
  proposeDsse,
  proposeHashedrekord,
  proposeIntoto,
  publicPem,
  sha256Of,
  statementAbout,
} from "../sigstore/signed-statement.ts";
import type { Row, Section } from "./conformance-row.ts";
import {
  ENTRIES,
  RETRIEVE,
  INDEX,
  newName,
  signer,
  newEntry,
  fieldsOf,
  refusal,
  append,
  soon,
  search,
  request,
} from "./log-requests.ts";
import { ask, type Target } from "./target.ts";
import { rekorCliJson } from "./tools.ts";

/** Appends an entry, waits until the index has it, and searches it. */
function searching(
  says: string,
  expected: string,
  query: (about: { readonly name: string; readonly payload: Buffer }) => object,
): Row {
  const look = async (target: Target) => {
    const name = newName();
    const payload = statementAbout(name);
    const { uuid } = await append(target, proposeIntoto(payload, signer));
    await search(target, { hash: sha256Of(name) }, uuid);
    return search(target, query({ name, payload }), uuid, expected === "found");
  };
  return { says, ours: { expected, look } };
}

/** What is found and read. */
export const searchingAndReading: Section = {
  title: "Searching and reading Rekor v1",
  rows: [
    {
      ...searching("An entry is found by the digest of its subject", "found", ({ name }) => ({
        hash: sha256Of(name),
      })),
      rekorCli: {
        expected: "found",
        async look(target) {
          const name = newName();
          const { uuid } = await append(target, proposeIntoto(statementAbout(name), signer));
          await search(target, { hash: sha256Of(name) }, uuid);
          const { UUIDs } = fieldsOf(await rekorCliJson(target, ["search", "--sha", sha256Of(name)]));
          return JSON.stringify(UUIDs) === JSON.stringify([uuid]) ? "found" : JSON.stringify(UUIDs);
        },
      },
    },
    searching("… with its algorithm, in upper case", "found", ({ name }) => ({
      hash: `sha256:${sha256Of(name).toUpperCase()}`,
    })),
    searching("… and by the digest of its payload", "found", ({ payload }) => ({ hash: sha256Of(payload) })),
    searching("… and by the digest of its signer's key in PEM", "found", () => ({
      hash: sha256Of(publicPem(signer)),
    })),
    searching("… but not by the key itself", "not found", () => ({
      publicKey: { format: "x509", content: Buffer.from(publicPem(signer)).toString("base64") },
    })),
    searching("… nor by one of two things that both must match", "not found", ({ name }) => ({
      hash: sha256Of(name),
      email: "nobody@example.test",
      operator: "and",
    })),
    searching("… nor with a certificate's subject that is not its own", "not found", ({ name }) => ({
      hash: sha256Of(name),
      subject: "https://example.test/nobody",
      operator: "and",
    })),
    searching("… by one of two things of which one must match", "found", ({ name }) => ({
      hash: sha256Of(name),
      email: "nobody@example.test",
      operator: "or",
    })),
    {
      says: "What nobody logged is found nowhere",
      ours: {
        expected: "an empty list",
        async look(target) {
          const { body } = await ask(target, "POST", INDEX, { body: { hash: sha256Of(newName()) } });
          return JSON.stringify(body) === "[]" ? "an empty list" : JSON.stringify(body);
        },
      },
    },
    request("A search by a hash that is none", "422, code 605", { path: INDEX, body: { hash: "abc" } }),
    request("… by an e-mail address that is none", "422, code 601", {
      path: INDEX,
      body: { email: "nobody" },
    }),
    request("… by a subject that is too long", "422, code 603", {
      path: INDEX,
      body: { subject: "x".repeat(513) },
    }),
    request("… with an unknown operator", "422, code 606", {
      path: INDEX,
      body: { hash: sha256Of(""), operator: "xor" },
    }),
    request("… by a key of an unknown format", "422, code 606", {
      path: INDEX,
      body: { publicKey: { format: "abc" } },
    }),
    request("… by nothing", "200", { path: INDEX, body: {} }),
    request("… in a body that is not JSON", "400", { path: INDEX, body: "{" }),
    ...["uuid", "leaf", "upper", "index"].map((by): Row => ({
      says:
        {
          uuid: "An entry is read by its UUID",
          leaf: "… and by the hash of its leaf",
          upper: "… and by its UUID in upper case",
          index: "… and by its index",
        }[by] ?? by,
      ours: {
        expected: "the entry, with its payload",
        async look(target) {
          const name = newName();
          const { uuid, entry } = await append(target, proposeIntoto(statementAbout(name), signer));
          const paths: Readonly<Record<string, string>> = {
            uuid: `${ENTRIES}/${uuid}`,
            leaf: `${ENTRIES}/${uuid.slice(16)}`,
            upper: `${ENTRIES}/${uuid.toUpperCase()}`,
            index: `${ENTRIES}?logIndex=${String(fieldsOf(entry)["logIndex"])}`,
          };
          const answer = await soon(
            () => ask(target, "GET", paths[by] ?? ""),
            ({ body }) => JSON.stringify(body).includes('"attestation"'),
          );
          const [[found, value] = ["", {}]] = Object.entries(fieldsOf(answer.body));
          if (found !== uuid) return `${refusal(answer)} ${found}`;
          const { data } = fieldsOf(fieldsOf(value)["attestation"]);
          const isPayload = data === statementAbout(name).toString("base64");
          return isPayload ? "the entry, with its payload" : "the entry, without its payload";
        },
      },
    })),
    request("A UUID nobody has", "404, empty", { path: `${ENTRIES}/${"ab".repeat(32)}` }),
    request("A UUID in a tree nobody has", "400", { path: `${ENTRIES}/${"ab".repeat(40)}` }),
    request("A UUID that is none", "422, code 605", { path: `${ENTRIES}/abc` }),
    request("An index that is not there yet", "404, empty", { path: `${ENTRIES}?logIndex=123456789` }),
    request("An index that is none", "422, code 601", { path: `${ENTRIES}?logIndex=abc` }),
    request("An index below zero", "422, code 609", { path: `${ENTRIES}?logIndex=-1` }),
    request("No index", "422, code 602", { path: ENTRIES }),
    request("Eleven entries at once", "422, code 611", {
      path: RETRIEVE,
      body: { entryUUIDs: Array.from({ length: 11 }, () => "ab".repeat(32)) },
    }),
    request("No entries at once", "422, code 612", { path: RETRIEVE, body: { entryUUIDs: [] } }),
    request("A UUID that is none among others", "422, code 605", {
      path: RETRIEVE,
      body: { entryUUIDs: ["abc"] },
    }),
    {
      says: "Of several UUIDs, what is not there is left out",
      ours: {
        expected: "200, known, known again, by its leaf",
        async look(target) {
          const { uuid } = await append(target, newEntry());
          const leaf = uuid.slice(16);
          const entryUUIDs = [uuid, "ab".repeat(32), uuid, leaf];
          const { status, body } = await ask(target, "POST", RETRIEVE, { body: { entryUUIDs } });
          const found = Array.isArray(body) ? body.flatMap((map: unknown) => Object.keys(fieldsOf(map))) : [];
          const [first, second, third, ...more] = found;
          if (more.length > 0 || first !== uuid || second !== uuid || third !== uuid)
            return JSON.stringify(body);
          return `${status}, known, known again, by its leaf`;
        },
      },
    },
    {
      says: "… even a leaf under another tree",
      ours: {
        expected: "200, nothing",
        async look(target) {
          const { uuid } = await append(target, newEntry());
          const entryUUIDs = [`0123456789abcdef${uuid.slice(16)}`];
          const { status, body } = await ask(target, "POST", RETRIEVE, { body: { entryUUIDs } });
          return Array.isArray(body) && body.length === 0
            ? `${status}, nothing`
            : `${status}, ${JSON.stringify(body)}`;
        },
      },
    },
    {
      says: "A `dsse` entry is found by its subject, without payload",
      ours: {
        expected: "found, no payload",
        async look(target) {
          const name = newName();
          const { uuid } = await append(target, proposeDsse(statementAbout(name), signer));
          const found = await search(target, { hash: sha256Of(name) }, uuid);
          const { body } = await ask(target, "GET", `${ENTRIES}/${uuid}`);
          return `${found}, ${JSON.stringify(body).includes('"attestation"') ? "payload" : "no payload"}`;
        },
      },
    },
    {
      says: "A `hashedrekord` entry is found by its signer's key",
      ours: {
        expected: "found",
        async look(target) {
          const key = newSigningKey();
          const { uuid } = await append(target, proposeHashedrekord(Buffer.from(newName()), key));
          const content = Buffer.from(publicPem(key)).toString("base64");
          return search(target, { publicKey: { format: "x509", content } }, uuid);
        },
      },
    },
    {
      says: "The log's identifier is the hash of its key",
      ours: {
        expected: "yes",
        async look(target) {
          const { entry } = await append(target, newEntry());
          const pem = String((await ask(target, "GET", "/api/v1/log/publicKey")).body);
          const der = createPublicKey(pem).export({ type: "spki", format: "der" });
          const id = createHash("sha256").update(der).digest("hex");
          return fieldsOf(entry)["logID"] === id ? "yes" : "no";
        },
      },
    },
    {
      says: "An entry's index counts the entries of earlier shards, the proof's does not",
      ours: {
        expected: "yes",
        async look(target) {
          const { logIndex, verification } = fieldsOf((await append(target, newEntry())).entry);
          const inTree = fieldsOf(fieldsOf(verification)["inclusionProof"])["logIndex"];
          return Number(logIndex) > Number(inTree) ? "yes" : "no";
        },
      },
    },
    {
      says: "The log tells its size and its signed tree head",
      ours: {
        expected: "inactiveShards, rootHash, signedTreeHead, treeID, treeSize",
        look: async (target) =>
          Object.keys(fieldsOf((await ask(target, "GET", "/api/v1/log")).body))
            .toSorted()
            .join(", "),
      },
      rekorCli: {
        expected: "inactiveShards, rootHash, signedTreeHead, treeID, treeSize",
        async look(target) {
          // Twice, because the second time it also checks that the log only grew.
          await rekorCliJson(target, ["loginfo"]);
          await append(target, newEntry());
          await rekorCliJson(target, ["loginfo"]);
          return "inactiveShards, rootHash, signedTreeHead, treeID, treeSize";
        },
      },
    },
    request("A consistency proof of a tree that is too large", "400", {
      path: "/api/v1/log/proof?lastSize=123456789",
    }),
    request("A consistency proof backwards", "400", {
      path: "/api/v1/log/proof?firstSize=2&lastSize=1",
    }),
    request("A consistency proof without a size", "422, code 602", { path: "/api/v1/log/proof" }),
    request("A path that is not there", "404", { path: "/api/v1/nothing" }),
    request("A path with another method", "405", { path: "/api/v1/log", body: {} }),
  ],
};
