// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { CheckError } from "../../src/check/signers.ts";
import type { Digest } from "../../src/image/digest.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { Action } from "../../src/policy/rule.ts";
import { trusting } from "../record/sample-log.ts";
import { digestOf } from "../llb/sample-llb.ts";
import { type Built, key, logOf, MOVED, OLD, other, start } from "./sample-build.ts";

const NAME = "docker.io/library/moved:1";
const THIRD = digestOf("33");

/** A check of a Dockerfile whose tag was recorded with OLD, in which this is approved. */
function approving(
  approved: string,
  { dockerfile = "FROM moved:1\nRUN x\n", action = "block" as Action } = {},
): Promise<Built> {
  return start({
    dockerfile,
    options: { requestid: "frontend.tlog", "build-arg:TLOG_APPROVE": approved },
    log: logOf({ "moved:1": OLD }),
    setting: {
      key,
      served: { [NAME]: other },
      policy: { trust: trusting(key.signer), rule: { action } },
      context: { approval: { image: parseReference(approved) } },
    },
  });
}

const named = (digest: Digest): string => `${NAME}@${digest}`;

test("the image that was reviewed is approved", async () => {
  const { done, around } = await approving(named(MOVED.digest));
  expect((await done).length).toBeGreaterThan(0);
  expect(around.asked).toContain("record");
});

test.for<{ row: string; approved: string; dockerfile?: string; action?: Action; says: string }>([
  {
    row: "a tag that names another digest by now",
    approved: named(THIRD),
    says: `approve "${NAME}": it names ${MOVED.digest} now, and ${THIRD} was reviewed; nothing was signed`,
  },
  {
    row: "a followed tag that names another digest by now",
    approved: named(THIRD),
    action: "follow",
    says: `it names ${MOVED.digest} now, and ${THIRD} was reviewed; nothing was signed`,
  },
  {
    row: "a pinned tag that names another digest by now",
    approved: named(THIRD),
    action: "pin",
    says: `it names ${MOVED.digest} now, and ${THIRD} was reviewed; nothing was signed`,
  },
  {
    row: "a tag that the build does not use",
    approved: `other:1@${THIRD}`,
    says: `approve "docker.io/library/other:1": the build does not use it; its images are ${NAME}`,
  },
])("$row ends the check, and nothing is signed", async ({ approved, says, ...what }) => {
  const { done, around } = await approving(approved, what);
  await expect(done).rejects.toThrow(CheckError);
  await expect(done).rejects.toThrow(says);
  expect(around.asked).not.toContain("record");
});

test("of a build that names two digests of the tag only the reviewed one is approved", async () => {
  const dockerfile = `FROM moved:1\nCOPY --from=moved:1@${OLD} a a\n`;
  const { done, around } = await approving(named(MOVED.digest), { dockerfile });
  expect((await done).length).toBeGreaterThan(0);
  expect(around.asked.filter((each) => each === "record")).toHaveLength(1);
});
