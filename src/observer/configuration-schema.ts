// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { REGISTRY } from "../policy/address.ts";
import { described, flag, list, mapping, number, type Shape, text } from "../policy/key.ts";
import { SIGNER } from "../policy/trust.ts";

const MAX_WATCHED = 1_000;
const MAX_TAGS = 1_000;
const MAX_NEWEST = 10_000;
const MAX_KEEP = 256;
const MAX_CONCURRENCY = 64;

const PATTERNS = { max: MAX_TAGS };

/** An entry of `watch`. */
export const WATCH = {
  repository: text("a repository as in `docker.io/library/alpine`, without a tag"),
  tags: v.optional(
    list(text("a tag, or a pattern"), {
      ...PATTERNS,
      description:
        "tags, and patterns in which `*` is any run of characters and `?` one; every tag when not given. Tags that are written out are always watched, and no list of the repository's tags is asked for when there is nothing else",
    }),
  ),
  "newer-than": v.optional(
    text("only versions that are newer than this one, of the tags that patterns match"),
  ),
  newest: v.optional(
    number(1, {
      to: MAX_NEWEST,
      description: "only so many of the newest versions, of the tags that patterns match",
    }),
  ),
  except: v.optional(
    list(text("a tag, or a pattern"), {
      ...PATTERNS,
      description: "tags that are not watched, though a pattern of `tags` matches them",
    }),
  ),
  private: v.optional(
    flag(
      "the registry is asked with the credentials of `docker login`, and the log is told the names, although not everybody can see the images or the registry",
    ),
  ),
};

const LOG = {
  url: text("the log's address"),
  api: v.optional(
    described(
      v.picklist([1, 2], "1 or 2"),
      "the version of Rekor's API there; not given, it is what the signing configuration says of this log, or 1",
    ),
  ),
};

const SIGNING = {
  key: v.optional(text("the file of a private key in PEM")),
  "password-file": v.optional(text("the file of the key's password")),
  token: v.optional(
    text("the file of an OpenID Connect identity token for the audience `sigstore`, read anew for each run"),
  ),
  github: v.optional(
    flag(
      "whether tokens come from GitHub Actions, by the job's `ACTIONS_ID_TOKEN_REQUEST_TOKEN` and `ACTIONS_ID_TOKEN_REQUEST_URL`",
    ),
  ),
  fulcio: v.optional(
    text("the certificate authority (Fulcio) for tokens; that of the signing configuration when not given"),
  ),
  timestamps: v.optional(
    list(text("the whole address to which requests for timestamps are posted (RFC 3161)"), {
      description:
        "the timestamp authorities for a log of API 2; those of the signing configuration when not given",
    }),
  ),
};

const { may: _, tlogistry: __, ...APPROVER } = SIGNER;

const APPROVALS = {
  from: list(text("a file, or a directory whose files are read"), {
    description: "where the lines are that `approve` wrote",
  }),
  signers: list(mapping(APPROVER, "one signer"), { description: "whose approvals are kept" }),
};

const OBSERVED_REGISTRY = {
  ...REGISTRY,
  concurrency: v.optional(
    number(1, { to: MAX_CONCURRENCY, description: "how many requests it gets at once; `8` when not given" }),
  ),
};

const FILE = {
  ledger: text("the repository, in any OCI registry, that the ledger is in; without a tag"),
  log: v.optional(
    described(
      v.union(
        [text("the log's address"), mapping(LOG, "the log")],
        'an address, or a mapping with "url" and "api"',
      ),
      "the log that sightings are written to; the first of the signing configuration when not given",
    ),
  ),
  signing: mapping(SIGNING, "what signs sightings: exactly one of `key`, `token` and `github`"),
  "trusted-root": v.optional(
    text("the file of a trusted root, when the log is not one of Sigstore's public instance"),
  ),
  state: v.optional(
    text(
      "the directory of what is not pushed yet; it must outlive runs. `tlog-observer-state` beside this file when not given",
    ),
  ),
  keep: v.optional(
    number(1, {
      to: MAX_KEEP,
      description:
        "how many of the newest sightings of each tag are kept, besides the first one and approvals; `64` when not given",
    }),
  ),
  watch: list(mapping(WATCH, "one repository"), { max: MAX_WATCHED, description: "what is watched" }),
  registries: v.optional(
    list(mapping(OBSERVED_REGISTRY, "one registry"), { min: 0, description: "how registries are reached" }),
  ),
  approvals: v.optional(mapping(APPROVALS, "approvals that go into the ledger")),
  webhook: v.optional(text("an address that gets each event as JSON, by POST; only its host is ever shown")),
};

/** The shape of an observer's configuration, in the words of the file. Keys are added to it in time, never renamed. */
export const CONFIGURATION_SCHEMA = v.strictObject(FILE, "a mapping of keys to values");

export type ConfigurationShape = Shape<typeof FILE>;

/** The same of who approves and does not watch: the observer's own file fits, and one with less. */
export const APPROVER_SCHEMA = v.strictObject(
  {
    ...FILE,
    watch: v.optional(FILE.watch),
    approvals: v.optional(
      mapping({ ...APPROVALS, from: v.optional(APPROVALS.from) }, "approvals that go into the ledger"),
    ),
  },
  "a mapping of keys to values",
);

/** The keys of each mapping, by the mapping's path, with `*` for a place in a list. */
export const ALLOWED_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(FILE)],
  ["log", Object.keys(LOG)],
  ["signing", Object.keys(SIGNING)],
  ["watch.*", Object.keys(WATCH)],
  ["registries.*", Object.keys(OBSERVED_REGISTRY)],
  ["approvals", Object.keys(APPROVALS)],
  ["approvals.signers.*", Object.keys(APPROVER)],
]);
