// SPDX-License-Identifier: Apache-2.0
import { json } from "@sigstore/core";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { headStatement, type LedgerHead, parseHead } from "../../src/ledger/head.ts";
import { LedgerError } from "../../src/ledger/error.ts";
import { proveHead } from "../../src/ledger/proven-head.ts";
import { intotoBundle } from "../record/sample-bundle.ts";
import { sampleKey, sampleLog, signEnvelope } from "../record/sample-log.ts";
import { MADE, REPOSITORY } from "./sample-ledger.ts";

const head: LedgerHead = {
  ledger: REPOSITORY,
  sequence: 2,
  previous: sha256("the head before"),
  content: sha256("the content"),
  tags: 3,
  lines: 7,
  madeAt: MADE,
};

const fail = (why: string) => new RangeError(why);

interface Statement {
  subject: unknown[];
  predicate: Record<string, unknown>;
  [field: string]: unknown;
}

/** The statement's bytes after a change, canonical as before. */
function changed(change: (statement: Statement) => void): Uint8Array {
  const statement = JSON.parse(new TextDecoder().decode(headStatement(head))) as Statement;
  change(statement);
  return Buffer.from(json.canonicalize(statement));
}

test("a head is read as it was written", () => {
  expect(parseHead(headStatement(head), fail)).toEqual(head);
});

test("the first subject is what anybody can search a log for", () => {
  const { subject } = JSON.parse(new TextDecoder().decode(headStatement(head))) as Statement;
  const hex = (text: string) => sha256(text).slice("sha256:".length);
  expect(subject).toEqual([
    { name: `${REPOSITORY}:v1`, digest: { sha256: hex(`${REPOSITORY}:v1`) } },
    { name: REPOSITORY, digest: { sha256: hex("the content") } },
  ]);
});

test("what a later version adds to the predicate is let through", () => {
  expect(
    parseHead(
      changed(({ predicate }) => (predicate["more"] = { than: "now" })),
      fail,
    ),
  ).toMatchObject(head);
});

describe("what is no head", () => {
  const good = new TextDecoder().decode(headStatement(head));
  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

  test.for<{ what: string; payload: Uint8Array | string; why: RegExp }>([
    {
      what: "one over the limit",
      payload: changed(({ predicate }) => (predicate["more"] = "x".repeat(9000))),
      why: /longer than 8192 bytes/,
    },
    {
      what: "one that is too deep",
      payload: changed(({ predicate }) => (predicate["more"] = deep(9))),
      why: /nested deeper than 8 levels/,
    },
    { what: "one that is spelt another way", payload: good.replace("{", "{ "), why: /not canonical JSON/ },
    {
      what: "one that says a field twice",
      payload: good.replace('"lines":7', '"lines":6,"lines":7'),
      why: /not canonical JSON/,
    },
    { what: "one with a byte order mark", payload: `\uFEFF${good}`, why: /not canonical JSON/ },
    {
      what: "what is not UTF-8",
      payload: Buffer.concat([Buffer.from(good), Buffer.of(0xff)]),
      why: /not JSON in UTF-8/,
    },
    {
      what: "a sighting",
      payload: changed(
        (all) => (all["predicateType"] = "https://github.com/tlog-dockerfile/tlog-dockerfile/sighting/v1"),
      ),
      why: /predicateType/,
    },
    { what: "another field beside the four", payload: changed((all) => (all["more"] = 1)), why: /more/ },
    { what: "a third subject", payload: changed(({ subject }) => subject.push(subject[0])), why: /subject/ },
    {
      what: "subjects of another ledger",
      payload: changed(({ predicate }) => (predicate["ledger"] = "ghcr.io/acme/other")),
      why: /its subjects are not the ledger and the content/,
    },
    {
      what: "subjects of another content",
      payload: changed(({ predicate }) => (predicate["content"] = sha256("other"))),
      why: /its subjects are not the ledger and the content/,
    },
    {
      what: "subjects the other way round",
      payload: changed((all) => (all.subject = all.subject.toReversed())),
      why: /its subjects are not the ledger and the content/,
    },
    {
      what: "the number 0",
      payload: changed(({ predicate }) => (predicate["sequence"] = 0)),
      why: /sequence/,
    },
    {
      what: "a number that is none",
      payload: changed(({ predicate }) => (predicate["sequence"] = 1.5)),
      why: /sequence/,
    },
    {
      what: "a first head that names one before it",
      payload: changed(({ predicate }) => (predicate["sequence"] = 1)),
      why: /both or neither/,
    },
    {
      what: "a second head that names none before it",
      payload: changed(({ predicate }) => delete predicate["previous"]),
      why: /both or neither/,
    },
    {
      what: "fewer lines than none",
      payload: changed(({ predicate }) => (predicate["lines"] = -1)),
      why: /lines/,
    },
    {
      what: "a content that is no digest",
      payload: changed(({ predicate }) => (predicate["content"] = "sha256:12")),
      why: /content/,
    },
    {
      what: "a day that does not exist",
      payload: changed(({ predicate }) => (predicate["madeAt"] = "2022-02-30T00:00:00Z")),
      why: /a time that does not exist/,
    },
    {
      what: "a month that does not exist",
      payload: changed(({ predicate }) => (predicate["madeAt"] = "2022-13-01T00:00:00Z")),
      why: /a time that does not exist/,
    },
  ])("$what", ({ payload, why }) => {
    const read = () => parseHead(Buffer.from(payload), fail);
    expect(read).toThrow(RangeError);
    expect(read).toThrow(why);
  });

  test("a statement that was signed as something else", () => {
    const log = sampleLog();
    const key = sampleKey();
    log.now = new Date(MADE.getTime() + 2000);
    const bundle = intotoBundle(log, signEnvelope(headStatement(head), key, "text/plain"));
    const prove = () =>
      proveHead(bundle, { repository: REPOSITORY, observer: key.signer, trustedRoot: log.trustedRoot });
    expect(prove).toThrow(LedgerError);
    expect(prove).toThrow("its head is no in-toto statement");
  });
});
