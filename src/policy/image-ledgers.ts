// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import type { LedgerSource } from "../ledger/source.ts";
import { excerpt } from "../log/excerpt.ts";
import { LEDGER, LEDGERS, readLedgers } from "./ledgers.ts";
import { MAX_POLICY_BYTES } from "./name.ts";
import {
  type KeyPath,
  PolicyError,
  type PolicyErrorCode,
  type PolicyProblem,
  quotedPath,
  throwProblems,
  whyRefused,
} from "./policy-error.ts";
import { isUnknownKey, reportIssue } from "./shape-issue.ts";
import { SIGNER_NAME } from "./trust.ts";

const PLACE = "TLOG_LEDGERS of the frontend image";
const FILE = v.object({ ledgers: LEDGERS });
/** More problems than are ever shown. */
const ENOUGH = 100;

/**
 * The ledgers that a frontend image is built with: the text of its variable `TLOG_LEDGERS`, which is the value of the policy's
 * key `ledgers` as JSON. Throws PolicyError.
 */
export function readImageLedgers(text: string): readonly LedgerSource[] {
  const problems: PolicyProblem[] = [];
  const report = (why: string, code: PolicyErrorCode = "wrong-value") => {
    if (problems.length < ENOUGH) problems.push({ code, place: PLACE, text: why });
  };
  const value = parse(text);
  // The list has the name of the policy's key in messages.
  const shape = v.safeParse(FILE, { ledgers: value }, { abortPipeEarly: true });
  for (const issue of shape.issues ?? []) {
    if (isUnknownKey(issue)) report(unknownKey(issue), "unknown-key");
    else reportIssue(issue, [], { report: (_, why) => report(why), maySecretBeAt: () => true });
  }
  throwProblems(problems);
  if (!shape.success) throw new PolicyError({ code: "wrong-value", place: PLACE, text: "it is no list" });
  const ledgers = readLedgers(shape.output.ledgers, {
    at: ["ledgers"],
    attempt(path, read) {
      try {
        return read();
      } catch (error) {
        report(`${quotedPath(path)}: ${whyRefused(error)}`);
        return undefined;
      }
    },
  });
  throwProblems(problems);
  return ledgers;
}

function parse(text: string): unknown {
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES) {
    const why = `it is larger than ${MAX_POLICY_BYTES / 1024} KiB`;
    throw new PolicyError({ code: "too-large", place: PLACE, text: why });
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message repeats the text, in which there may be a key.
    const why =
      'it is not JSON; write the list of the policy\'s key "ledgers" as JSON (docs/policy.md, "ledgers")';
    throw new PolicyError({ code: "syntax", place: PLACE, text: why });
  }
}

function unknownKey({ path }: v.BaseIssue<unknown>): string {
  const keys: KeyPath = (path ?? []).flatMap(({ key }) =>
    typeof key === "string" || typeof key === "number" ? key : [],
  );
  const allowed = Object.keys(keys.length === 3 ? LEDGER : SIGNER_NAME).join(", ");
  return `the key "${excerpt(String(keys.at(-1)))}" is not known in ${quotedPath(keys.slice(0, -1))}; allowed there: ${allowed}`;
}
