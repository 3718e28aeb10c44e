// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey } from "node:crypto";
import { ask, type LogAnswer, type Target } from "./target.ts";
import type { Row, Section } from "./conformance-row.ts";
import {
  newSigningKey,
  proposeDsse,
  proposeHashedrekord,
  proposeIntoto,
  publicPem,
  sha256Of,
  statementAbout,
} from "../sigstore/signed-statement.ts";
import { rekorCliJson } from "./tools.ts";

const ENTRIES = "/api/v1/log/entries";
const RETRIEVE = "/api/v1/log/entries/retrieve";
const INDEX = "/api/v1/index/retrieve";
const INTERNAL_WAIT_MS = 5_000;

let count = 0;
const newName = () => `${process.pid}-${Date.now()}-${(count += 1)}`;
const signer = newSigningKey();
const newEntry = (key = signer) => proposeIntoto(statementAbout(newName()), key);

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** `422, code 605`, or `400` when the code is the status once more: what a program can tell of a refusal. */
function refusal({ status, body }: LogAnswer): string {
  const { code } = fieldsOf(body);
  if (typeof code === "number" && code !== status) return `${status}, code ${code}`;
  return body === "" ? `${status}, empty` : `${status}`;
}

function post(target: Target, entry: unknown): Promise<LogAnswer> {
  return ask(target, "POST", ENTRIES, { body: entry });
}

/** Appends, and gives UUID and entry as the log answers them. */
async function append(target: Target, entry: unknown): Promise<{ uuid: string; entry: unknown }> {
  const answer = await post(target, entry);
  const [found] = Object.entries(fieldsOf(answer.body));
  if (answer.status !== 201 || found === undefined)
    throw new Error(`not appended: ${JSON.stringify(answer.body)}`);
  return { uuid: found[0], entry: found[1] };
}

/** Looks until it is seen, or gives what is seen after some seconds: logs fill their index in the background. */
async function soon<T>(look: () => Promise<T>, isSeen: (seen: T) => boolean): Promise<T> {
  const end = performance.now() + INTERNAL_WAIT_MS;
  for (;;) {
    const seen = await look();
    if (isSeen(seen) || performance.now() > end) return seen;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What a search by this query says about an entry that was just appended. */
async function search(target: Target, query: object, uuid: string, wanted = true): Promise<string> {
  const answer = await soon(
    () => ask(target, "POST", INDEX, { body: query }),
    ({ body }) => !wanted || (Array.isArray(body) && body.includes(uuid)),
  );
  if (answer.status !== 200) return refusal(answer);
  if (!Array.isArray(answer.body)) return "no list";
  return answer.body.includes(uuid) ? "found" : "not found";
}

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

/** A request that is refused, or answered in a way that programs must know. */
function request(
  says: string,
  expected: string,
  how: { readonly path: string; readonly body?: unknown; readonly type?: string },
): Row {
  const { path, ...rest } = how;
  const look = async (target: Target) =>
    refusal(await ask(target, "body" in how ? "POST" : "GET", path, rest));
  return { says, ours: { expected, look } };
}

/** An entry that is refused: a good one in which one thing was changed. */
function refused(says: string, expected: string, change: (entry: string) => unknown): Row {
  const look = async (target: Target) => refusal(await post(target, change(JSON.stringify(newEntry()))));
  return { says, ours: { expected, look } };
}

const changed = (part: RegExp, by: string) => (entry: string) => {
  if (!part.test(entry)) throw new Error(`nothing in the entry matches ${part}`);
  return entry.replace(part, by);
};

export const writing: Section = {
  title: "Writing",
  rows: [
    {
      says: "A new entry is answered with its name",
      ours: {
        expected: "201, Location and ETag are its UUID, 80 hex digits, no attestation",
        async look(target) {
          const { status, headers, body } = await post(target, newEntry());
          const [[uuid, entry] = ["", {}]] = Object.entries(fieldsOf(body));
          const location = headers.get("location") === `${ENTRIES}/${uuid}` ? "Location" : "no Location";
          const etag = headers.get("etag")?.replaceAll('"', "") === uuid ? "ETag" : "no ETag";
          const form = /^[0-9a-f]{80}$/.test(uuid) ? "80 hex digits" : "something else";
          const stored = "attestation" in fieldsOf(entry) ? "an attestation" : "no attestation";
          return `${status}, ${location} and ${etag} are its UUID, ${form}, ${stored}`;
        },
      },
    },
    {
      says: "The same entry again is a conflict",
      ours: {
        expected: "409, message and Location name the entry there is",
        async look(target) {
          const entry = newEntry();
          const { uuid } = await append(target, entry);
          const answer = await post(target, entry);
          const message = String(fieldsOf(answer.body)["message"]);
          const named = message.includes(uuid) && answer.headers.get("location")?.endsWith(uuid) === true;
          return `${refusal(answer)}, message and Location name ${named ? "the entry there is" : "nothing"}`;
        },
      },
    },
    {
      says: "The same envelope with another content hash is another entry",
      ours: {
        expected: "201, another UUID",
        async look(target) {
          const entry = newEntry();
          const first = await append(target, entry);
          const hash = { algorithm: "sha256", value: sha256Of("replayed") };
          const copy = { ...entry, spec: { content: { ...entry.spec.content, hash } } };
          const second = await append(target, copy);
          return `201, ${second.uuid === first.uuid ? "the same" : "another"} UUID`;
        },
      },
    },
    ...[
      { bytes: 102_399, expected: "logged and stored" },
      { bytes: 102_400, expected: "logged, not stored" },
    ].map(({ bytes, expected }): Row => ({
      says: `A payload of ${bytes} bytes`,
      ours: {
        expected,
        async look(target) {
          const payload = Buffer.alloc(bytes, `${newName()} `);
          const proposed = proposeIntoto(payload, signer, { payloadType: "text/plain" });
          const { uuid } = await append(target, proposed);
          // What comes after it in the background is there: so this one's turn is over.
          const next = await append(target, newEntry());
          const read = (id: string) => ask(target, "GET", `${ENTRIES}/${id}`);
          const hasData = ({ body }: LogAnswer) => JSON.stringify(body).includes('"attestation"');
          await soon(() => read(next.uuid), hasData);
          return hasData(await read(uuid)) ? "logged and stored" : "logged, not stored";
        },
      },
    })),
    refused("A signature by another key", "400", (entry) => {
      const other = newEntry(newSigningKey());
      const [signature] = other.spec.content.envelope.signatures;
      return changed(/"sig":"[^"]+"/, `"sig":"${signature?.sig ?? ""}"`)(entry);
    }),
    refused("A signature that is not base64", "400", changed(/"sig":"[^"]+"/, '"sig":"***"')),
    refused("No signature", "400", changed(/"signatures":\[.*?\]/, '"signatures":[]')),
    refused("No payload", "400", changed(/"payload":"[^"]+",?/, "")),
    refused("An unknown hash algorithm", "400", changed(/"algorithm":"sha256"/, '"algorithm":"md5"')),
    refused("No content", "400", changed(/"content":/, '"discontent":')),
    refused("A key that is none", "400", changed(/"publicKey":"[^"]+"/, '"publicKey":"bm9uZQ=="')),
    refused("An unknown kind", "422", changed(/"kind":"intoto"/, '"kind":"outoto"')),
    refused("An unknown version", "400", changed(/"apiVersion":"0.0.2"/, '"apiVersion":"9.9.9"')),
    refused("No kind", "422, code 602", changed(/"kind":"intoto",/, "")),
    request("A body that is not JSON", "500", { path: ENTRIES, body: "{" }),
    request("A body that is null", "422, code 602", { path: ENTRIES, body: "null" }),
    request("A body that is a list", "500", { path: ENTRIES, body: "[]" }),
    request("Another content type", "415", { path: ENTRIES, body: "{}", type: "text/plain" }),
  ],
};

export const searchingAndReading: Section = {
  title: "Searching and reading",
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
