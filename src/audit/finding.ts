// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";
import { excerpt } from "../log/excerpt.ts";
import { described } from "../policy/key.ts";

const LEVELS = ["error", "warning", "note"] as const;

/** What an audit can find, and how bad it is. A table: schema, SARIF and documentation follow from it. */
export const KINDS = {
  "log-not-signed": { level: "error", says: "a log answers with a checkpoint that it has not signed" },
  "log-shrunk": { level: "error", says: "a log signed a smaller tree than before" },
  "log-forked": { level: "error", says: "a log signed two trees of one size that differ" },
  "log-inconsistent": {
    level: "error",
    says: "the entries that a log gives do not make the tree that it signed: it changed, left out or added something",
  },
  "hidden-entry": {
    level: "error",
    says: "an audited signer's entry is in the log, and no ledger shows it",
  },
  "repeated-sighting": {
    level: "note",
    says: "an observer signed one sighting more than once, and its ledger shows one that says the same: nothing is hidden",
  },
  "head-missing": { level: "error", says: "a ledger's heads have numbers that are not in the log" },
  "head-forked": {
    level: "error",
    says: "a ledger has two heads of one number, or a head that names another one before it",
  },
  "head-backwards": { level: "error", says: "a ledger shows an older head than before" },
  "ledger-broken": {
    level: "error",
    says: "a ledger does not hold: its head, its content, or a tag's numbers",
  },
  "line-not-proven": { level: "error", says: "a line of a ledger proves nothing" },
  "line-not-in-log": {
    level: "error",
    says: "a line or head of a ledger is not in the log as the audit sees it: the log showed two trees",
  },
  "line-gone": { level: "error", says: "a ledger no longer has a line that it had, and says nothing of it" },
  "observers-differ": { level: "warning", says: "two ledgers' observers saw different images under one tag" },
  "unannounced-approval": {
    level: "warning",
    says: "an approval was signed that is not among the announced ones",
  },
  "outside-hours": { level: "warning", says: "a signer signed outside its hours" },
  "outside-tags": { level: "warning", says: "a signer signed for a tag that is not one of its tags" },
} as const satisfies Readonly<
  Record<string, { readonly level: (typeof LEVELS)[number]; readonly says: string }>
>;

/** The name of what was found. */
export type FindingKind = keyof typeof KINDS;

const kinds = Object.keys(KINDS) as FindingKind[];
const optionalText = (description: string) => v.optional(described(v.string(), description));

/** One finding, as `--json` has it. */
export const FINDING_SCHEMA = v.strictObject({
  kind: described(v.picklist(kinds), "what was found; names are added in time, and none changes its meaning"),
  level: described(
    v.picklist(LEVELS),
    "`warning`: it may have an innocent reason; `note`: it has one, and does not count for the exit status",
  ),
  message: described(v.string(), "for people, one line"),
  log: optionalText("the log's address"),
  ledger: optionalText("the ledger's repository"),
  signer: optionalText("the signer, as messages name it"),
  reference: optionalText("the tag's canonical name"),
  indexes: v.optional(
    described(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), "the entries in the log, at most 100"),
  ),
  evidence: v.optional(
    described(v.array(v.string()), "signed checkpoints that contradict one another, byte for byte"),
  ),
});

/** One finding. */
export type Finding = Readonly<v.InferOutput<typeof FINDING_SCHEMA>>;

const count = (description: string) => described(v.pipe(v.number(), v.integer(), v.minValue(0)), description);

/** What `--json` writes. */
export const AUDIT_SCHEMA = v.strictObject({
  version: v.literal(1),
  logs: v.array(
    v.strictObject({
      url: v.string(),
      id: described(v.string(), "hex of the log's ID in the trusted root"),
      api: v.picklist([1, 2]),
      way: described(
        v.picklist(["tiles", "indexes", "search"]),
        "how it was read. `tiles` and `indexes`: every entry, proven by the signed root. `search`: what the log's index named, which may leave something out",
      ),
      size: count("how many entries are proven; of a searched log, those in its signed tree"),
      read: count("how many entries this run read"),
      bytes: count("how many bytes this run was answered"),
      unreadable: count(
        "entries, since the beginning, that are not JSON of a kind or by nobody that can be read",
      ),
      impostors: count(
        "entries, since the beginning, whose certificate names an audited signer without an authority's word",
      ),
    }),
  ),
  ledgers: v.array(
    v.strictObject({
      repository: v.string(),
      sequence: count("the number of its head; 0: there is no ledger yet"),
      lines: count("how many lines it has"),
    }),
  ),
  entries: count("entries by audited signers in all logs"),
  pending: count("of them, those after the newest head: the next audit compares them"),
  findings: v.array(FINDING_SCHEMA),
  notRead: described(v.array(v.string()), "what could not be read, for people; empty when all was"),
});

/** What an audit says in the end. */
export type AuditResult = v.InferOutput<typeof AUDIT_SCHEMA>;

const MAX_INDEXES = 100;

/** A finding with its level. */
export function finding(kind: FindingKind, parts: Omit<Finding, "kind" | "level">): Finding {
  const { indexes, ...rest } = parts;
  return {
    kind,
    level: KINDS[kind].level,
    ...rest,
    ...(indexes !== undefined && { indexes: indexes.slice(0, MAX_INDEXES) }),
  };
}

/** For people: a line for each finding and each thing that was not read, then what was looked at. */
export function auditText({ logs, ledgers, entries, pending, findings, notRead }: AuditResult): string {
  const lines = [
    ...findings.map(({ level, kind, message }) => `${level} ${kind}: ${message}`),
    ...notRead.map((why) => `not read: ${why}`),
    ...logs.map((log) => {
      const how = {
        tiles: `${log.size} entries, all read and proven by the signed root`,
        indexes: `${log.size} entries of its newest tree, all read and proven by the signed root`,
        search: "searched by its index, which is a hint: it may leave entries out",
      }[log.way];
      const odd = [
        ...(log.unreadable > 0 ? [`${log.unreadable} unreadable`] : []),
        ...(log.impostors > 0 ? [`${log.impostors} with a signer's name and no authority's word`] : []),
      ];
      return `log ${log.url}: ${how}; ${log.read} read in this run${odd.map((each) => `; ${each}`).join("")}`;
    }),
    ...ledgers.map(({ repository, sequence, lines: kept }) =>
      sequence === 0
        ? `ledger ${repository}: not there yet`
        : `ledger ${repository}: head ${sequence}, ${kept} lines`,
    ),
    `${entries} entries by audited signers, ${pending} of them after the newest head; ${findings.length} findings`,
  ];
  return `${lines.map((line) => excerpt(line, 2_000)).join("\n")}\n`;
}

/** As SARIF 2.1.0, for what shows findings of other tools. `version` is ours; `config` is the file the findings are shown at. */
export function auditSarif(
  { findings, notRead }: AuditResult,
  { version, config }: { readonly version: string; readonly config: string },
): string {
  const rules = kinds.map((id) => ({
    id,
    shortDescription: { text: KINDS[id].says },
    defaultConfiguration: { level: KINDS[id].level },
  }));
  const results = findings.map(({ kind, level, message, ...properties }) => ({
    ruleId: kind,
    ruleIndex: kinds.indexOf(kind),
    level,
    message: { text: message },
    locations: [{ physicalLocation: { artifactLocation: { uri: encodeURI(config) } } }],
    properties,
  }));
  const notifications = notRead.map((text) => ({ level: "error", message: { text } }));
  const document = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "tlog-dockerfile audit", version, rules } },
        invocations: [
          {
            executionSuccessful: notRead.length === 0,
            ...(notifications.length > 0 && { toolExecutionNotifications: notifications }),
          },
        ],
        results,
      },
    ],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
