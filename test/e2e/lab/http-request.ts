// SPDX-License-Identifier: Apache-2.0
import { type RequestOptions, request } from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * One plain HTTP request over a connection of its own: no proxy settings and no kept connection can come between
 * the lab and servers that are stopped and started. Throws the connection's error, or a timeout's.
 */
export function httpRequest({
  body,
  timeoutMs,
  ...options
}: RequestOptions & { readonly body?: Uint8Array; readonly timeoutMs: number }): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...options,
        agent: false,
        headers: { ...options.headers, ...(body === undefined ? {} : { "content-length": body.length }) },
        signal: AbortSignal.timeout(timeoutMs),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (bytes: Buffer) => chunks.push(bytes));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
