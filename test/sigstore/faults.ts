// SPDX-License-Identifier: Apache-2.0
import type { ApiRequest, ApiResponse } from "./api-exchange.ts";

/** One way for a server to go wrong. */
export type Fault =
  /** Answers correctly, but so many milliseconds late. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Answers this instead; the log never sees the request. */
  | { readonly kind: "answer"; readonly status: number; readonly body: string; readonly contentType?: string }
  /** Closes the connection without an answer; the log never sees the request. */
  | { readonly kind: "drop" }
  /** Does what it was asked, then closes the connection without an answer. */
  | { readonly kind: "lose" }
  /** Announces the whole body, sends so many bytes of it, and closes the connection. */
  | { readonly kind: "truncate"; readonly bytes: number }
  /** Sends the body padded with spaces to at least so many bytes, without announcing a length. */
  | { readonly kind: "oversize"; readonly bytes: number }
  /** Sends what this makes of the correct answer. */
  | { readonly kind: "rewrite"; readonly change: (response: ApiResponse) => ApiResponse };

/** A fault and the requests it befalls; what is left out matches everything. */
export interface FaultRule {
  readonly method?: string;
  /** A whole path, or a pattern. */
  readonly path?: string | RegExp;
  /** How many matching requests it befalls; all of them when left out. */
  readonly times?: number;
  readonly fault: Fault;
}

/** The rules of one server, asked for every request. */
export interface Faults {
  /** Adds a rule behind those already there and returns how to lift it. */
  add(rule: FaultRule): () => void;
  /** The fault of the first rule that matches and is not used up. */
  next(request: ApiRequest): Fault | undefined;
}

/** A server's faults, none at first. */
export function faults(): Faults {
  let rules: { readonly rule: FaultRule; left: number }[] = [];
  return {
    add(rule) {
      const entry = { rule, left: rule.times ?? Number.POSITIVE_INFINITY };
      rules.push(entry);
      return () => {
        rules = rules.filter((other) => other !== entry);
      };
    },
    next(request) {
      const entry = rules.find(({ rule, left }) => left > 0 && matches(rule, request));
      if (entry === undefined) return undefined;
      entry.left -= 1;
      return entry.rule.fault;
    },
  };
}

function matches({ method, path }: FaultRule, request: ApiRequest): boolean {
  if (method !== undefined && method !== request.method) return false;
  if (path === undefined) return true;
  return typeof path === "string" ? path === request.path : path.test(request.path);
}
