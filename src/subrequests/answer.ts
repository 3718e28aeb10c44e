// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { moby } from "../../gen/gateway.js";
import { withMetadata } from "../gateway/result-additions.ts";
import { ResultError, type SolvedResult } from "../gateway/result.ts";
import { renderPolicy } from "../policy/policy-text.ts";
import type { EffectivePolicy } from "../policy/policy.ts";
import { aligned, reportText } from "../report/report-text.ts";
import type { PlacedJudgement } from "../report/place.ts";
import type { Report } from "../report/report.ts";
import type { ToldBuild } from "../report/ways-out.ts";
import { TEXT_REQUESTS, type TextRequest } from "./request.ts";

const { Result } = moby.buildkit.v1.frontend;

/** The version of the JSON of each answer. */
const VERSION = "1.0.0";

/** An answer to a text request. */
export interface TextAnswer {
  /** What the client prints, to the letter. */
  readonly text: string;
  /** What it prints with `format=json`. */
  readonly json: unknown;
  /** The exit status of the client. */
  readonly status: 0 | 1 | 3;
}

/** The encoded Result that answers a text request: no ref, and the answer in its metadata. */
export function textAnswer({ text, json, status }: TextAnswer): Uint8Array {
  return withMetadata(Result.encode({ ref: { id: "" } }).finish(), {
    "result.txt": text,
    "result.json": indented(json),
    "result.statuscode": String(status),
    version: VERSION,
  });
}

/** The verdicts alone, as the answer to the request for them; with status 1 when the build would be refused. */
export function showCheck(
  report: Report,
  judgements: readonly PlacedJudgement[],
  build: ToldBuild,
): Uint8Array {
  const status = report.outcome === "refuse" ? 1 : 0;
  return textAnswer({ text: reportText(report, judgements, build), json: report, status });
}

/** The policy in effect, as the answer to the request for it. */
export function showPolicy(policy: EffectivePolicy): Uint8Array {
  const text = renderPolicy(policy);
  return textAnswer({ text, json: { policy: text }, status: 0 });
}

/** A request as BuildKit lists it (frontend/subrequests). Only the columns of the list are read of others. */
const Described = v.array(v.looseObject({ name: v.string(), version: v.string(), description: v.string() }));

/** What a client may expect in an answer of ours. */
const ANSWER_METADATA = ["result.json", "result.txt", "result.statuscode"];

/** The standard conversion's list of text requests, with ours behind them. Throws ResultError for a list that is none. */
export function withOwnRequests({ bytes, metadata }: SolvedResult): Uint8Array {
  const requests = [...readRequests(metadata["result.json"]), ...Object.values(TEXT_REQUESTS).map(described)];
  return withMetadata(bytes, { "result.json": indented(requests), "result.txt": listed(requests) });
}

function readRequests(json: Uint8Array | undefined): v.InferOutput<typeof Described> {
  try {
    return v.parse(Described, JSON.parse(Buffer.from(json ?? []).toString()));
  } catch (cause) {
    throw new ResultError("the Dockerfile conversion's list of requests is not one", { cause });
  }
}

function described({ id, description, options }: TextRequest): v.InferOutput<typeof Described>[number] {
  const metadata = ANSWER_METADATA.map((name) => ({ name, description: "" }));
  return {
    name: id,
    version: VERSION,
    type: "rpc",
    description,
    opts: options,
    inputs: [],
    metadata,
    refs: [],
  };
}

/** The list for people: columns as wide as they have to be, as the standard conversion prints it. */
function listed(requests: v.InferOutput<typeof Described>): string {
  const rows = [
    ["NAME", "VERSION", "DESCRIPTION"],
    ...requests.map(({ name, version, description }) => [
      name.replace(/^frontend\./, ""),
      version,
      description,
    ]),
  ];
  return `${aligned(rows, " ").join("\n")}\n`;
}

function indented(json: unknown): string {
  return JSON.stringify(json, undefined, 2);
}
