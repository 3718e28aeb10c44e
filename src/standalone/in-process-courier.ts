// SPDX-License-Identifier: Apache-2.0
import { CourierChannel } from "../courier/client/channel.ts";
import { serve } from "../courier/server/service.ts";
import type { SigningSecret } from "../courier/server/signing-secret.ts";

/**
 * A courier in this process, for programs that have the network themselves: the same two ends and the same protocol as between a
 * build and its container, so that no bound and no rule is another one here. It serves one check, as a courier does one build;
 * close it in the end. Without a secret it signs nothing.
 */
export function openCourier({
  secret,
  deadlineMs,
}: {
  readonly secret: SigningSecret | undefined;
  /** How long it may work on one request, in milliseconds. */
  readonly deadlineMs: number;
}): CourierChannel {
  const requests = openLines();
  const answers = openLines();
  const serving = serve({
    lines: requests,
    say: (line) => answers.put(line),
    secret: Promise.resolve(secret ?? {}),
    deadlineMs,
  });
  // The channel says that the courier ended, and fails what it was asked.
  void serving.catch(() => undefined).finally(() => answers.end());
  return new CourierChannel({
    write: (line) => requests.put(line),
    close: () => requests.end(),
    lines: answers,
  });
}

/** Lines from one side to the other, in their order. What they hold is bounded by what a courier may bring. */
interface Lines extends AsyncIterable<string> {
  /** A line with its LF, which the other side does not see. */
  put(line: string): void;
  end(): void;
}

function openLines(): Lines {
  const waiting: string[] = [];
  let isOver = false;
  let wake: () => void = () => undefined;
  return {
    put(line) {
      if (isOver) return;
      waiting.push(line.endsWith("\n") ? line.slice(0, -1) : line);
      wake();
    },
    end() {
      isOver = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) yield line;
        if (isOver) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
