// SPDX-License-Identifier: Apache-2.0
import type { AskLog, LogRequest } from "../../src/log/json-api.ts";

/** What a log answers: status 200 and JSON, when it is not said otherwise. */
export interface Said {
  readonly status?: number;
  readonly type?: string;
  readonly body: string | Uint8Array;
}

/** A log that answers with what `answer` says, and remembers what it was asked. */
export function logThat(answer: (request: LogRequest) => Said): { ask: AskLog; asked: LogRequest[] } {
  const asked: LogRequest[] = [];
  const ask: AskLog = async (request) => {
    asked.push(request);
    const { status = 200, type = "application/json", body } = answer(request);
    const bytes = Buffer.from(body);
    if (bytes.length > request.maxBytes) throw Object.assign(new Error("too large"), { reason: "too-large" });
    return { status, headers: { "content-type": type }, bytes };
  };
  return { ask, asked };
}

/** JSON as an answer. */
export function json(value: unknown, status = 200): Said {
  return { status, body: JSON.stringify(value) };
}
