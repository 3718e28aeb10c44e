// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { REGISTRY } from "../policy/address.ts";
import { choice, described, list, mapping, type Shape, text } from "../policy/key.ts";
import { SIGNER_NAME } from "../policy/trust.ts";

const LOG = {
  url: text("the log's address, as in the trusted root"),
  api: v.optional(
    described(
      v.picklist([1, 2], "1 or 2"),
      "the version of Rekor's API there; not given, 2 for a log that signs with Ed25519, and 1 for others",
    ),
  ),
  by: v.optional(
    choice(
      ["search", "indexes"],
      "how a log of API 1 is read: `search` asks its index for the signers, which is a hint; `indexes` reads every entry of its newest tree, ten in a request. `search` where the log and the signers allow it, when not given",
    ),
  ),
};

const SIGNER = {
  ...SIGNER_NAME,
  tags: v.optional(
    list(text("a pattern of tags' canonical names"), {
      description:
        "what it may sign for: `*` matches any characters but `/`, `**` any at all, as in `docker.io/library/*`; every tag when not given",
    }),
  ),
  hours: v.optional(text('when it may sign, UTC: `"06:00-20:00"`, over midnight as in `"22:00-04:00"`')),
};

const LEDGER = {
  repository: text("the repository, in any OCI registry, that the ledger is in; without a tag"),
  observer: mapping(SIGNER_NAME, "who signs its heads"),
};

const FILE = {
  logs: v.optional(
    list(mapping(LOG, "one log"), {
      description: "the logs that are read; all of the trusted root when not given, retired ones too",
    }),
  ),
  signers: v.optional(
    list(mapping(SIGNER, "one signer"), {
      min: 0,
      description: "whose entries are looked for, besides the observers of `ledgers`",
    }),
  ),
  ledgers: v.optional(
    list(mapping(LEDGER, "one ledger"), { min: 0, description: "what entries are compared with" }),
  ),
  "approvals-announced": v.optional(
    text(
      "a file of lines as `approve` writes them, or a directory of such files: every other approval is a finding",
    ),
  ),
  state: text("the file that the audit keeps between runs (SQLite); it must not be lost"),
  "trusted-root": v.optional(
    text("the file of a trusted root, when the logs are not those of Sigstore's public instance"),
  ),
  registries: v.optional(
    list(mapping(REGISTRY, "one registry"), { min: 0, description: "how registries are reached" }),
  ),
};

/** The shape of an audit's configuration, in the words of the file. Keys are added to it in time, never renamed. */
export const CONFIGURATION_SCHEMA = v.strictObject(FILE, "a mapping of keys to values");

export type ConfigurationShape = Shape<typeof FILE>;
export type SignerShape = Shape<typeof SIGNER>;

/** The keys of each mapping, by the mapping's path, with `*` for a place in a list. */
export const ALLOWED_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(FILE)],
  ["logs.*", Object.keys(LOG)],
  ["signers.*", Object.keys(SIGNER)],
  ["ledgers.*", Object.keys(LEDGER)],
  ["ledgers.*.observer", Object.keys(SIGNER_NAME)],
  ["registries.*", Object.keys(REGISTRY)],
]);
