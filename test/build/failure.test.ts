// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { moby } from "../../gen/gateway.js";
import type { Judgement } from "../../src/check/judgement.ts";
import { CheckError } from "../../src/check/signers.ts";
import { BuildRefused } from "../../src/build/respond.ts";
import { sampleRule } from "../check/sample-courier.ts";
import { ConversionError } from "../../src/conversion/conversion.ts";
import { CourierError } from "../../src/courier/client/channel.ts";
import { failureStatus } from "../../src/build/failure.ts";
import { GateError } from "../../src/gate/gate-error.ts";
import { ContainerError } from "../../src/gateway/container.ts";
import { ResultError } from "../../src/gateway/result.ts";
import { ImageReferenceError, parseReference } from "../../src/image/reference.ts";
import { DefinitionError } from "../../src/llb/definition.ts";
import type { ImageSource, SourceLocation } from "../../src/llb/image-sources.ts";
import { PolicyError } from "../../src/policy/policy-error.ts";
import { TrustError } from "../../src/trust/error.ts";
import { TOLD } from "../report/sample-judgements.ts";

const { Status } = moby.buildkit.v1.frontend;

/** The text that the person at the terminal gets, and what the engine's log gets. */
function told(error: unknown): { message: string; logged: readonly unknown[]; code: number } {
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  onTestFinished(() => log.mockRestore());
  const { message, code } = Status.decode(failureStatus(error));
  return { message: message ?? "", code: code ?? 0, logged: log.mock.calls.flat() };
}

describe("an error of ours is one message, as it was made", () => {
  test.for<{ row: string; error: Error }>([
    { row: "the check", error: new CheckError("signing-key-unfit: the secret is an RSA key") },
    { row: "a container", error: new ContainerError("BuildKit does not start it") },
    {
      row: "the courier",
      error: new CourierError("unreachable", "the courier did not answer in time (start)"),
    },
    { row: "LLB", error: new DefinitionError("the LLB does not decode") },
    { row: "the conversion", error: new ConversionError("it ended without an answer") },
    { row: "the gate", error: new GateError("the conversion asks for another frontend") },
    {
      row: "an image reference",
      error: new ImageReferenceError("empty", "read image reference: it is empty"),
    },
    {
      row: "the policy",
      error: new PolicyError({ code: "version", place: "policy.yaml:1", text: "made for a newer version" }),
    },
    { row: "a result", error: new ResultError("the result does not decode") },
    { row: "whom to trust", error: new TrustError("bad-root", 'read trusted root "x": it is not JSON') },
  ])("$row", ({ error }) => {
    const { message, code, logged } = told(error);
    expect(message).toBe(`tlog-dockerfile: ${error.message}`);
    expect(code).toBe(2);
    expect(logged).toEqual([]);
  });
});

describe("anything else is called a defect, in one line without a stack trace", () => {
  test.for<{ row: string; error: unknown; says: string }>([
    {
      row: "an error of JavaScript",
      error: new TypeError("x is undefined"),
      says: "TypeError: x is undefined",
    },
    {
      row: "an error of Node",
      error: Object.assign(new Error("open"), { code: "EACCES" }),
      says: "Error: open",
    },
    { row: "no error", error: "text", says: "text" },
    { row: "nothing", error: undefined, says: "undefined" },
    {
      row: "a stranger's text",
      error: new Error(`\u001B[31mred\n${"x".repeat(10_000)}`),
      says: "Error: ?[31mred xxx",
    },
  ])("$row", ({ error, says }) => {
    const { message, code, logged } = told(error);
    expect(message).toContain("tlog-dockerfile failed, and so the build is refused (this is a defect of it");
    expect(message).toContain(says);
    expect(message).not.toMatch(/\n| at /);
    expect(message.length).toBeLessThan(700);
    expect(code).toBe(2);
    expect(logged, "the engine's log has it in full").toEqual([error]);
  });
});

describe("refused images point at the lines that ask for them", () => {
  const at = (start: number): SourceLocation => ({
    filename: "Dockerfile",
    data: Buffer.from("FROM a\nFROM b\nFROM c\n"),
    language: "Dockerfile",
    start,
    end: start,
  });
  const image = (name: string, ...lines: readonly number[]): ImageSource => ({
    reference: parseReference(name),
    platforms: [],
    locations: lines.map(at),
  });
  const refused = (name: string): Judgement => ({
    reference: parseReference(name),
    verdict: { kind: "unpinned", detail: "" },
    rule: sampleRule(),
    outcome: "refuse",
    records: [],
    rejected: new Map(),
    foreign: [],
  });
  const rangesOf = (error: BuildRefused) =>
    Status.decode(failureStatus(error)).details?.map(
      ({ value }) =>
        (JSON.parse(Buffer.from(value ?? []).toString()) as { ranges: { start: { line: number } }[] })
          .ranges[0]?.start.line,
    );

  test.for([
    { row: "one image", refuse: ["a"], images: [image("a", 1), image("b", 2)], lines: [1] },
    { row: "an image without a line", refuse: ["a"], images: [image("a")], lines: [] },
    {
      row: "an image on two lines, the first printed first",
      refuse: ["b"],
      images: [image("b", 2, 3)],
      lines: [3, 2],
    },
    {
      row: "several images, the first one's printed first",
      refuse: ["a", "c"],
      images: [image("a", 1), image("b", 2), image("c", 3)],
      lines: [3, 1],
    },
  ])("$row", ({ refuse, images, lines }) => {
    expect(rangesOf(new BuildRefused({ judgements: refuse.map(refused), images }, TOLD))).toEqual(lines);
  });
});
