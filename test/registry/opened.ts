// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { onTestFinished } from "vitest";
import { openRegistry, type Registry, type RegistryOptions } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credentials.ts";
import type { CountedRequest } from "../../src/registry/host.ts";

/** A client for the running test, whose clock goes on only when it pauses. */
export interface Opened {
  readonly registry: Registry;
  /** How long it paused each time, in milliseconds. */
  readonly paused: readonly number[];
  readonly counted: readonly CountedRequest[];
  /** Lets time pass. */
  pass(ms: number): void;
}

export function opened({
  credential,
  ...options
}: Partial<RegistryOptions> & { readonly credential?: Credential } = {}): Opened {
  const paused: number[] = [];
  const counted: CountedRequest[] = [];
  let now = Date.UTC(2026, 0, 1);
  const registry = openRegistry({
    credentials: { of: async () => credential },
    plainHttp: () => true,
    clock: () => now,
    pause: async (ms) => {
      paused.push(ms);
      now += ms;
    },
    onRequest: (each) => counted.push(each),
    ...options,
  });
  onTestFinished(() => registry.close());
  return { registry, paused, counted, pass: (ms) => void (now += ms) };
}

/** Answers with this status, and closes over nothing. */
export const answer =
  (status: number, headers: Record<string, string> = {}, body: string | Uint8Array = ""): RequestListener =>
  (_, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
