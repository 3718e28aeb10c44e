// SPDX-License-Identifier: Apache-2.0
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Outcome } from "../check/judgement.ts";
import type { Verdict } from "../check/verdict.ts";
import type { Asked } from "./asked.ts";

/** What kind of request it was. */
export type RequestKind = Asked["kind"] | "other";

/** The proxy's figures, in the words of Prometheus. No name that a client chose is in them: there would be as many as it likes. */
export interface ProxyMetrics {
  /** A request was answered, or its connection ended; `seconds` is how long that took. */
  answered(kind: RequestKind, status: number, seconds: number): void;
  /** A tag was judged. */
  judged(verdict: Verdict["kind"], outcome: Outcome): void;
  /** A registry was asked; no status: it did not answer. */
  asked(status: number | undefined): void;
  /** A blob was cut off. */
  cutOff(): void;
  /** So many requests are under way. */
  underWay(count: number): void;
  /** The text of `/metrics`, and its type. */
  text(): Promise<{ readonly type: string; readonly body: string }>;
}

const SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** Opens the figures of one proxy. */
export function openMetrics(): ProxyMetrics {
  const register = new Registry();
  const registers = [register];
  const requests = new Counter({
    name: "tlog_proxy_requests_total",
    help: "Requests of clients, by what they are for and the answer's status",
    labelNames: ["kind", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "tlog_proxy_request_seconds",
    help: "How long requests of clients took, blobs with all their bytes",
    labelNames: ["kind"],
    buckets: SECONDS,
    registers,
  });
  const verdicts = new Counter({
    name: "tlog_proxy_judgements_total",
    help: "Tags that were judged, by verdict and outcome",
    labelNames: ["verdict", "outcome"],
    registers,
  });
  const upstream = new Counter({
    name: "tlog_proxy_registry_requests_total",
    help: "Requests to registries, by the answer's status",
    labelNames: ["status"],
    registers,
  });
  const cut = new Counter({
    name: "tlog_proxy_blobs_cut_off_total",
    help: "Blobs that were cut off: wrong, too slow, or not wanted any more",
    registers,
  });
  const open = new Gauge({
    name: "tlog_proxy_requests_under_way",
    help: "Requests of clients that are being answered",
    registers,
  });
  collectDefaultMetrics({ register });
  return {
    answered(kind, status, took) {
      requests.inc({ kind, status });
      seconds.observe({ kind }, took);
    },
    judged: (verdict, outcome) => verdicts.inc({ verdict, outcome }),
    asked: (status) => upstream.inc({ status: status ?? "none" }),
    cutOff: () => cut.inc(),
    underWay: (count) => open.set(count),
    text: async () => ({ type: register.contentType, body: await register.metrics() }),
  };
}
