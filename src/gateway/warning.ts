// SPDX-License-Identifier: Apache-2.0
import { type moby } from "../../gen/gateway.js";
import type { SourceSnippet } from "./status.ts";

/** A warning for BuildKit's own channel, which clients show apart from the progress. */
export interface Warning {
  /** The digest of the progress step that it is about. */
  readonly step: string;
  /** All that most people see: one line, complete in itself. */
  readonly short: string;
  /** Lines for those who ask for more. */
  readonly detail: readonly string[];
  /** Where to read on. */
  readonly url: string;
  /** Whose lines are shown with it. */
  readonly source?: SourceSnippet | undefined;
}

/** Clients show level 1 always; higher ones only when they are asked to. */
const ALWAYS_SHOWN = 1;

/** What `Warn` is asked (BuildKit, frontend/gateway/pb). */
export function encodeWarning(warning: Warning): moby.buildkit.v1.frontend.WarnRequest.$Properties {
  const { step, short, detail, url, source } = warning;
  return {
    digest: step,
    level: ALWAYS_SHOWN,
    short: Buffer.from(short),
    detail: detail.map((line) => Buffer.from(line)),
    url,
    ...(source && {
      info: { filename: source.filename, data: source.data, language: source.language },
      ranges: source.ranges.map(({ start, end }) => ({ start: { line: start }, end: { line: end } })),
    }),
  };
}
