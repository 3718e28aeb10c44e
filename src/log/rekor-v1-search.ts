// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { askJson, badAnswer, LogError, postRequest, type AskLog, type LogCall } from "./json-api.ts";
import { Uuid } from "./rekor-v1.ts";

/** What to look for in a log's index. */
export interface Search extends LogCall {
  /** `sha256:` and 64 hex digits. */
  readonly hash: string;
  /** The subject of certificates whose entries are wanted. */
  readonly identity?: string | undefined;
  /** The most UUIDs that are taken. */
  readonly max: number;
}

const MAX_INDEX_BYTES = 4 * 1024 * 1024;
/** The longest subject that a log's index can look up. */
const MAX_SUBJECT_LENGTH = 512;
const Index = v.array(Uuid);

/**
 * The UUIDs of all entries that the log's index has under the hash, each once, in the log's (arbitrary) order. With
 * an identity, those of others are left out where the log can do that (Rekor 1.5.4): older ones do not know the
 * property and give all, and one that refuses it is asked without. Throws LogError, also when there are more than
 * `max`, and what `ask` throws.
 */
export async function findUuids(ask: AskLog, { identity, ...search }: Search): Promise<readonly string[]> {
  const { hash } = search;
  if (identity !== undefined && identity !== "" && identity.length <= MAX_SUBJECT_LENGTH) {
    try {
      return await askIndex(ask, search, { hash, subject: identity, operator: "and" });
    } catch (error) {
      const isUnknown = error instanceof LogError && (error.status === 400 || error.status === 422);
      if (!isUnknown) throw error;
    }
  }
  return askIndex(ask, search, { hash });
}

async function askIndex(
  ask: AskLog,
  { max, ...call }: Omit<Search, "identity">,
  query: object,
): Promise<readonly string[]> {
  const request = postRequest(call, "api/v1/index/retrieve", { body: query, maxBytes: MAX_INDEX_BYTES });
  const { value, answer } = await askJson(ask, { ...request, attempts: 4 });
  const index = v.safeParse(Index, value);
  if (!index.success) throw badAnswer(request, answer, "is not a list of entry UUIDs");
  const uuids = [...new Set(index.output)];
  if (uuids.length > max) {
    throw badAnswer(
      request,
      answer,
      `lists ${uuids.length} entries for one tag, more than ${max} are not read`,
    );
  }
  return uuids;
}
