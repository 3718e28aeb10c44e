// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { startChild } from "../../src/conversion/child.ts";
import { ConversionError } from "../../src/conversion/conversion.ts";

test("a conversion that does not speak HTTP/2: what it does wrong", async () => {
  // It says what it hears.
  const conversion = startChild("/bin/cat", {});
  onTestFinished(() => conversion.end());
  conversion.serve(async (_, request) => request);
  expect(await conversion.ended).toEqual(
    new ConversionError(
      "the Dockerfile conversion ended without an answer: the connection does not begin as HTTP/2 does",
    ),
  );
});
