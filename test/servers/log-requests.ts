// SPDX-License-Identifier: Apache-2.0
import { newSigningKey, proposeIntoto, statementAbout } from "../sigstore/signed-statement.ts";
import type { Row } from "./conformance-row.ts";
import { ask, type LogAnswer, type Target } from "./target.ts";

/** The API's paths that take bodies. */
export const ENTRIES = "/api/v1/log/entries";
export const RETRIEVE = "/api/v1/log/entries/retrieve";
export const INDEX = "/api/v1/index/retrieve";
const INDEXING_MS = 5_000;

let count = 0;
/** A name that nobody has used, also not in an earlier run. */
export const newName = () => `${process.pid}-${Date.now()}-${(count += 1)}`;
/** Who signs the entries whose signer does not matter. */
export const signer = newSigningKey();
/** A good entry about something new. */
export const newEntry = (key = signer) => proposeIntoto(statementAbout(newName()), key);

/** The members of an answer; none when it is no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** `422, code 605`, or `400` when the code is the status once more: what a program can tell of a refusal. */
export function refusal({ status, body }: LogAnswer): string {
  const { code } = fieldsOf(body);
  if (typeof code === "number" && code !== status) return `${status}, code ${code}`;
  return body === "" ? `${status}, empty` : `${status}`;
}

/** Asks the log to append this. */
export function post(target: Target, entry: unknown): Promise<LogAnswer> {
  return ask(target, "POST", ENTRIES, { body: entry });
}

/** Appends, and gives UUID and entry as the log answers them. */
export async function append(target: Target, entry: unknown): Promise<{ uuid: string; entry: unknown }> {
  const answer = await post(target, entry);
  const [found] = Object.entries(fieldsOf(answer.body));
  if (answer.status !== 201 || found === undefined)
    throw new Error(`not appended: ${JSON.stringify(answer.body)}`);
  return { uuid: found[0], entry: found[1] };
}

/** Looks until it is seen, or gives what is seen after some seconds: logs fill their index in the background. */
export async function soon<T>(look: () => Promise<T>, isSeen: (seen: T) => boolean): Promise<T> {
  const end = performance.now() + INDEXING_MS;
  for (;;) {
    const seen = await look();
    if (isSeen(seen) || performance.now() > end) return seen;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What a search by this query says about an entry that was just appended. */
export async function search(target: Target, query: object, uuid: string, wanted = true): Promise<string> {
  const answer = await soon(
    () => ask(target, "POST", INDEX, { body: query }),
    ({ body }) => !wanted || (Array.isArray(body) && body.includes(uuid)),
  );
  if (answer.status !== 200) return refusal(answer);
  if (!Array.isArray(answer.body)) return "no list";
  return answer.body.includes(uuid) ? "found" : "not found";
}

/** A request that is refused, or answered in a way that programs must know. */
export function request(
  says: string,
  expected: string,
  how: { readonly path: string; readonly body?: unknown; readonly type?: string },
): Row {
  const { path, ...rest } = how;
  const look = async (target: Target) =>
    refusal(await ask(target, "body" in how ? "POST" : "GET", path, rest));
  return { says, ours: { expected, look } };
}
