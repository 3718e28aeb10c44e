// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { moby } from "../gen/gateway.js";
import type { CheckContext } from "../src/check/context.ts";
import { parseReference } from "../src/image/reference.ts";
import { lockedRecords } from "../src/check/brought-records.ts";
import { PROFILES, type Profile } from "../src/policy/rule.ts";
import { TAG_CLASSES, tagClass } from "../src/policy/tag-classes.ts";
import type { EffectivePolicy } from "../src/policy/policy.ts";
import { parseLockFile } from "../src/lock/file.ts";
import { formatLockFile } from "./lock/lock-text.ts";
import { MESSAGE_NAMES } from "../src/report/message-names.ts";
import { textsOf } from "../src/report/message-table.ts";
import { messageUrl } from "../src/report/messages.ts";
import { refusalMessage } from "../src/report/messages.ts";
import { BuildRefused } from "../src/build/respond.ts";
import { fakeLedger } from "./check/fake-ledger.ts";
import { historyIn } from "./check/sample-history.ts";
import type { Setting } from "./check/sample-courier.ts";
import type { SampleImage } from "./build/sample-buildkit.ts";
import { FakeFailure } from "./gateway/fake-buildkit.ts";
import { policyOf, SERVICES } from "./policy/sample-policy.ts";
import { sampleLog, type SampleLog, sighting } from "./record/sample-log.ts";
import { progressOf, start } from "./build/sample-build.ts";
import { dayAt, IMAGES, type Logged, PEOPLE, type Situation, tagOf, TODAY, written } from "./situation.ts";
import { DOWN, SITUATIONS } from "./situations.ts";

/** What one build says of a situation, as it stands in a terminal. */
interface Said {
  readonly outcome: string;
  readonly message: string;
  readonly lines: string;
}

function logOf(situation: Situation): SampleLog {
  const log = sampleLog();
  for (const line of situation.log ?? []) record(log, situation, line);
  log.now = dayAt(TODAY);
  return log;
}

function record(log: SampleLog, situation: Situation, { day, by, saw, approving }: Logged): void {
  log.now = dayAt(day);
  const supersedes = approving && IMAGES[approving].digest;
  const { digest } = IMAGES[saw];
  // Both images of the situations are indexes of the same two platforms.
  const { manifests } = JSON.parse(Buffer.from(IMAGES[saw].bytes).toString()) as {
    manifests: { digest: typeof digest; platform: { os: string; architecture: string } }[];
  };
  const platforms = manifests.map((each) => ({
    platform: `${each.platform.os}/${each.platform.architecture}`,
    digest: each.digest,
  }));
  const reference = tagOf(situation);
  log.record(
    sighting({ reference, digest, platforms, observedAt: log.now, ...(supersedes && { supersedes }) }),
    PEOPLE[by].key,
  );
}

const LEDGERS = ["ghcr.io/acme/tlog-ledger", "registry.example/tlog-ledger"];

/** The policy as a file beside the Dockerfile says it. */
function policyText({ policy = "", trustsNobody, ledgers = [] }: Situation, profile: Profile): string {
  const trust = Object.values(PEOPLE)
    .filter(({ may }) => may.length > 0)
    .map(({ key, may }) => `  - { key: ${JSON.stringify(key.pem)}, may: [${may.join(", ")}] }\n`);
  const { pem } = PEOPLE.observer.key;
  const sources = ledgers.map(
    (_, index) => `  - { repository: "${LEDGERS[index]}", observer: { key: ${JSON.stringify(pem)} } }\n`,
  );
  const read = sources.length === 0 ? "" : `ledgers:\n${sources.join("")}`;
  return `version: 1\nprofile: ${profile}\n${trustsNobody ? "" : `trust:\n${trust.join("")}`}${read}${policy}`;
}

function settingOf(
  situation: Situation,
  { log, policy }: { log: SampleLog; policy: EffectivePolicy },
): Setting {
  const {
    names,
    registry = names,
    signs,
    locked,
    meanwhile,
    approval,
    shown,
    logIsDown,
    refusal,
    comparing,
    ledgers,
  } = situation;
  const [path = ""] = tagOf(situation).split("@");
  const shows = typeof registry === "string" ? IMAGES[registry] : registry;
  const served = Object.fromEntries([
    ...Object.values(IMAGES).map(
      (each) => [`${path.replace(/:[^:]*$/, "")}:${each.digest}`, comparing ?? each] as const,
    ),
    ...(shows === undefined ? [] : [[path, shows] as const]),
  ]);
  const context: Partial<CheckContext> = {
    policy,
    now: () => dayAt(TODAY),
    ...(ledgers && {
      ledgers: ledgers.map((each, index) => {
        const content = each === "seen" ? { log, entries: [0, 1, 2] } : each;
        return fakeLedger(LEDGERS[index] ?? "", content, [], "its registry gave no answer in 10 s");
      }),
    }),
    ...(approval !== undefined && {
      approval: {
        image: parseReference(`${situation.image}@${IMAGES[approval.of].digest}`),
        reason: approval.reason,
      },
    }),
  };
  if (locked !== undefined) {
    const { records } = historyIn(log, { reference: tagOf(situation), trust: policy.trust }).history;
    const lock = parseLockFile(Buffer.from(formatLockFile(records.slice(...locked))), "tlog.lock");
    const read = lockedRecords(lock, { policy, trustedRoot: async () => log.trustedRoot });
    const recheck = policy.recheck === "always";
    Object.assign(context, { locked: read, recheck } satisfies Partial<CheckContext>);
  }
  return {
    key: signs && PEOPLE[signs].key,
    served,
    context,
    ...(shown && { changeFound: shown }),
    courier: {
      ...(logIsDown && { find: () => Promise.reject(DOWN) }),
      ...(refusal && { record: () => Promise.reject(refusal) }),
    },
    ...(meanwhile && { beforeRecord: () => record(log, situation, meanwhile) }),
  };
}

/** Builds `FROM` the image under a profile, from the Dockerfile to what the terminal shows. */
async function say(situation: Situation, profile: Profile): Promise<Said> {
  const { names, logs = [{ url: "https://rekor.example.org", api: 1 }], isGone } = situation;
  const log = logOf(situation);
  const services = { ...SERVICES, logs };
  const policy = await policyOf({ repository: policyText(situation, profile), services });
  const image: SampleImage =
    names === undefined
      ? { digest: IMAGES.A.digest, layers: true, undigested: true }
      : { digest: IMAGES[names].digest, layers: true };
  const { done, heard } = await start({
    dockerfile: `FROM ${written(situation)}\nRUN x\n`,
    images: { [situation.digest?.only ? written(situation) : situation.image]: image },
    log,
    setting: settingOf(situation, { log, policy }),
    behaviour: ({ resolve }) => ({
      // An engine whose image store knows no digests, and an image that no registry has.
      ...(names === undefined && {
        resolve(request) {
          if (request.ResolveMode === "pull") throw new FakeFailure(`${request.Ref}: not found`);
          return resolve(request);
        },
      }),
      ...(isGone && {
        resolve(request) {
          if (request.Ref.endsWith(IMAGES.A.digest)) throw new FakeFailure(`${request.Ref}: not found`);
          return resolve(request);
        },
      }),
    }),
  });
  const result = await done.catch((error: unknown) => {
    if (error instanceof BuildRefused) return error;
    throw error;
  });
  if (result instanceof BuildRefused) {
    const [judgement] = result.judgements;
    if (judgement === undefined) throw new Error("nothing was refused");
    const [first = ""] = refusalMessage([judgement], result.told).split("\n");
    return { outcome: "refuse", message: textsOf(judgement).name, lines: `ERROR: ${first}` };
  }
  const { metadata } = moby.buildkit.v1.frontend.Result.decode(result);
  const report = JSON.parse(Buffer.from(metadata?.["frontend.tlog"] ?? []).toString()) as {
    images: [{ outcome: string; message: string }];
  };
  const [{ outcome, message }] = report.images;
  const warnings = heard.warnings.map(({ short }) => `WARN: ${Buffer.from(short ?? []).toString()}`);
  return { outcome, message, lines: (warnings.length > 0 ? warnings : progressOf(heard)).join("\n") };
}

/** As in the documentation, where a whole digest would hide the rest. */
const shortened = (text: string): string => text.replaceAll(/(sha256:[0-9a-f]{8})[0-9a-f]{56}/g, "$1…");
const ORDER: readonly Profile[] = ["default", "strict", "observe"];

function cell({ outcome, message }: Said): string {
  return `${outcome}, [${message}](messages.md${new URL(messageUrl(message as "TagMoved")).hash})`;
}

/** Each text once, with the profiles that it is said under. */
function texts(said: readonly Said[]): string {
  const lines = Map.groupBy(said.entries(), ([, each]) => each.lines);
  return [...lines]
    .map(([line, profiles]) => `# ${profiles.map(([index]) => ORDER[index]).join(", ")}\n${shortened(line)}`)
    .join("\n");
}

const INTRODUCTION = `# What happens to a tag, and what the build says

Situations as they are met in practice, each under the three profiles of the [policy](policy.md), with real tags of
every class. This page is made by a test that runs the builds: from a Dockerfile with that image to the line that stands
in the terminal.

Unless it is said otherwise, the policy trusts a key that records, one that also approves and one that vouches; the tag
was recorded forty days ago; the build has nothing to sign with; and it is for \`linux/amd64\`.

Of a build that goes on, the line of its progress is shown; with a warning, the warning's line; of one that stops, the
first line of the error. Digests are shortened on this page. In a terminal they are whole.
[messages.md](messages.md) says what each message means and what to do.
`;

test("every situation is told as the documentation says", async () => {
  const rows: string[] = [];
  const sections: string[] = [];
  const messages = new Set<string>();
  for (const [index, situation] of SITUATIONS.entries()) {
    const said: Said[] = [];
    for (const profile of ORDER) said.push(await say(situation, profile));
    for (const { message } of said) messages.add(message);
    const number = index + 1;
    const image = `\`${shortened(written(situation))}\``;
    const { name } = tagClass(parseReference(situation.image));
    rows.push(
      `| [${number}](#${number}) | ${image} | ${name} | ${situation.happened} | ${said.map(cell).join(" | ")} |`,
    );
    sections.push(`### ${number}\n\n${image}: ${situation.happened}.\n\n\`\`\`\n${texts(said)}\n\`\`\`\n`);
    expect(said.at(-1)?.outcome, `observe never stops a build: ${number}`).not.toBe("refuse");
  }
  const head = `| | image | class of its tag | what happened | ${ORDER.map((each) => `\`${each}\``).join(" | ")} |\n|---|---|---|---|---|---|---|\n`;
  const page = `${INTRODUCTION}\n## The verdicts\n\n${head}${rows.join("\n")}\n\n## The texts\n\n${sections.join("\n")}`;
  await expect(page).toMatchFileSnapshot("../docs/situations.md");
  // No build verifies an image.
  const met = MESSAGE_NAMES.filter((name) => name !== "NotInEvidence");
  expect([...messages].toSorted(), "every message is met").toEqual(met.toSorted());
}, 120_000);

test("there are tags of every class, and situations enough", () => {
  const classes = new Set(SITUATIONS.map(({ image }) => tagClass(parseReference(image)).name));
  expect(classes).toEqual(new Set(Object.values(TAG_CLASSES).map(({ name }) => name)));
  expect(SITUATIONS.length).toBeGreaterThanOrEqual(40);
  expect(ORDER.toSorted()).toEqual(PROFILES.toSorted());
});
