// SPDX-License-Identifier: Apache-2.0
import { newSigningKey, proposeIntoto, sha256Of } from "../sigstore/signed-statement.ts";
import type { Row, Section } from "./conformance-row.ts";
import {
  ENTRIES,
  newName,
  signer,
  newEntry,
  fieldsOf,
  refusal,
  post,
  append,
  soon,
  request,
} from "./log-requests.ts";
import { ask, type LogAnswer, type Target } from "./target.ts";

/** An entry that is refused: a good one in which one thing was changed. */
function refused(says: string, expected: string, change: (entry: string) => unknown): Row {
  const look = async (target: Target) => refusal(await post(target, change(JSON.stringify(newEntry()))));
  return { says, ours: { expected, look } };
}

const changed = (part: RegExp, by: string) => (entry: string) => {
  if (!part.test(entry)) throw new Error(`nothing in the entry matches ${part}`);
  return entry.replace(part, by);
};

/** What comes of appending. */
export const writing: Section = {
  title: "Writing to Rekor v1",
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
