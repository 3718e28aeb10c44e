// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { pb } from "../../gen/gateway.js";
import { refuseOwnSecrets } from "../../src/gate/definition-gate.ts";
import { readDefinition } from "../../src/llb/definition.ts";
import { definitionOf } from "../gateway/fake-buildkit.ts";

describe("who has the signing secrets signs in the build's name, so no step gets them", () => {
  const step = (exec: Uint8Array) => readDefinition(definitionOf([{ exec }]));
  const taking = (exec: pb.ExecOp.$Properties) => step(pb.ExecOp.encode(exec).finish());
  const mount = (ID: string) => ({ mounts: [{ dest: "/run/secrets/x", mountType: 1, secretOpt: { ID } }] });

  test.for([
    { row: "as a file", exec: mount("tlog-signing-key"), id: "tlog-signing-key" },
    { row: "as a variable", exec: { secretenv: [{ ID: "tlog-signing-key" }] }, id: "tlog-signing-key" },
    { row: "the password", exec: mount("tlog-signing-password"), id: "tlog-signing-password" },
    {
      row: "that fetches tokens",
      exec: mount("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
      id: "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    },
    {
      row: "after others",
      exec: { ...mount("npm"), secretenv: [{ ID: "aws" }, { ID: "tlog-identity-token" }] },
      id: "tlog-identity-token",
    },
  ])("$row", ({ exec, id }) => {
    expect(() => refuseOwnSecrets(taking(exec))).toThrow(
      `a step of the build, or an ONBUILD of one of its images, asks for the secret "${id}", with which tlog-dockerfile signs`,
    );
  });

  test.for([
    { row: "as a file", exec: mount("npm") },
    { row: "as a variable", exec: { secretenv: [{ ID: "my-tlog-signing-key" }] } },
    { row: "with a name like ours", exec: mount("tlog-npm-token") },
    { row: "with a name like one of GitHub's", exec: mount("ACTIONS_ID_TOKEN_REQUEST_OTHER") },
  ])("other secrets are the build's own affair, $row", ({ exec }) => {
    expect(() => refuseOwnSecrets(taking(exec))).not.toThrow();
  });

  test("a step that does not decode is refused", () => {
    expect(() => refuseOwnSecrets(step(Uint8Array.of(0xff)))).toThrow("the LLB does not decode");
  });
});
