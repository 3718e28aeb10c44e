// SPDX-License-Identifier: Apache-2.0
import { HttpError, sendHttp } from "../courier/server/http.ts";
import { eventJson, type ObserverEvent } from "./event.ts";

/** Events on their way to a webhook. Its failure fails nothing. */
export interface Webhook {
  /** Sends an event after those before it. One is sent at least once: after a lost answer, a second time. */
  send(event: ObserverEvent): void;
  /** Resolves when all are sent or given up, in `FLUSH_MS` at most, with what to say of those that were not; never rejects. */
  flush(): Promise<string | undefined>;
}

const DEADLINE_MS = 10_000;
const ATTEMPTS = 3;
const FLUSH_MS = 30_000;
/** Of a webhook that is slower than the run; the others are counted. */
const MAX_WAITING = 1_000;
/** After so many in a row it is not asked again in this run. */
const MAX_FAILURES = 3;
const MAX_ANSWER_BYTES = 64 * 1024;

/** Opens the way to a webhook for one run. Of the URL nothing but the host is shown: the rest may be a secret. */
export function openWebhook(url: URL): Webhook {
  const over = new AbortController();
  let sending = Promise.resolve();
  let waiting = 0;
  let lost = 0;
  let inARow = 0;
  let reason: string | undefined;
  const lose = (why: string) => {
    lost++;
    reason ??= why;
  };
  return {
    send(event) {
      if (waiting >= MAX_WAITING) return lose(`more than ${MAX_WAITING} events were waiting`);
      waiting++;
      sending = sending.then(async () => {
        const why =
          inARow >= MAX_FAILURES ? "it failed several times" : await failureOfPost(url, event, over.signal);
        waiting--;
        inARow = why === undefined ? 0 : inARow + 1;
        if (why !== undefined) lose(why);
      });
    },
    async flush() {
      const timer = setTimeout(() => over.abort(), FLUSH_MS);
      await sending;
      clearTimeout(timer);
      if (lost === 0) return undefined;
      return `webhook "${url.host}": ${lost} ${lost === 1 ? "event was" : "events were"} not taken: ${reason ?? ""}`;
    },
  };
}

/** Why an event was not taken; undefined when it was. */
async function failureOfPost(url: URL, event: ObserverEvent, over: AbortSignal): Promise<string | undefined> {
  try {
    const { status } = await sendHttp({
      method: "POST",
      url,
      headers: { "content-type": "application/json" },
      body: eventJson(event),
      maxBytes: MAX_ANSWER_BYTES,
      signal: AbortSignal.any([over, AbortSignal.timeout(DEADLINE_MS)]),
      attempts: ATTEMPTS,
    });
    return status >= 200 && status < 300 ? undefined : `status ${status}`;
  } catch (error) {
    // Its message has the path of the URL.
    return error instanceof HttpError ? FAILURES[error.reason] : "the request could not be made";
  }
}

const FAILURES = {
  "no-connection": "no connection",
  timeout: `no answer in ${DEADLINE_MS / 1_000} s`,
  "too-large": `an answer of more than ${MAX_ANSWER_BYTES} bytes`,
  truncated: "the connection ended before the answer did",
} as const satisfies Readonly<Record<HttpError["reason"], string>>;
