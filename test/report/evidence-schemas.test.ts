// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { EvidenceShape } from "../../src/attestation/predicate.ts";
import { HeadShape } from "../../src/ledger/head.ts";
import { ConfigurationShape } from "../../src/ledger/layout.ts";
import { StatementShape } from "../../src/record/statement.ts";
import { VerificationShape } from "../../src/report/verification.ts";
import { jsonSchema } from "./json-schema.ts";

test.for([
  { name: "evidence", shape: EvidenceShape },
  { name: "ledger-configuration", shape: ConfigurationShape },
  { name: "ledger-head", shape: HeadShape },
  { name: "sighting", shape: StatementShape },
  { name: "verification", shape: VerificationShape },
])("the published JSON Schema of the $name is that of the shape", async ({ name, shape }) => {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `https://raw.githubusercontent.com/tlog-dockerfile/tlog-dockerfile/main/docs/${name}.schema.json`,
    ...jsonSchema(shape),
  };
  await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot(
    `../../docs/${name}.schema.json`,
  );
});
