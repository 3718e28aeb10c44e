// SPDX-License-Identifier: Apache-2.0
// Shows on a real Docker Engine how a tag is recorded, accepted again, and refused after it moved, and the same from an
// observer's ledger: npm run demo
import { parseArgs } from "node:util";
import type { Outcome } from "../lab/command.ts";
import { type Proof, type Story, accepted, fetchedOf, recorded, refused } from "./proof.ts";
import { type Terminal, terminal } from "./terminal.ts";
import { KEY_FILE, type Workplace, openWorkplace } from "./workplace.ts";

const REPOSITORY = "acme/base";
const TAG = "1.0.0";
/** What an observer watches. */
const WATCHED = "acme/tool";
const BUILD = ["buildx", "build", "--progress=plain"] as const;
const SECRET = ["--secret", `id=tlog-signing-key,src=${KEY_FILE}`] as const;

/** What has to happen, in this order. */
const PARTS = ["recorded", "accepted", "refused", "watched"] as const;
type Part = (typeof PARTS)[number];

/** How a part went: its digest and one word on it, or why not. */
type Finding = { readonly digest: string; readonly note: string } | { readonly failure: string };
type Findings = Partial<Record<Part, Finding>>;

/** Plays all parts, and stops after the first that is not as it should be. */
async function play(place: Workplace, out: Terminal): Promise<Findings> {
  const name = `${REPOSITORY}:${TAG}`;
  const base = await place.pushBase(name, "hello from the image that everybody knows");
  const story: Story = { image: base.reference, digest: base.digest };
  place.writeFile(
    "Dockerfile",
    `# syntax=${place.frontend}\nFROM ${base.reference}\nRUN cat /etc/greeting\n`,
  );
  const build = () => dockerBuild(place, out, SECRET);

  out.heading("1. A tag is seen for the first time, and recorded");
  out.say(
    "The first line of this Dockerfile names the frontend; the rest is as ever. The build gives it a key, so it may sign what it sees and append that to the log.",
  );
  await shell(place, out, "cat Dockerfile");
  const first = recorded(await build(), story);
  if ("failure" in first) return { recorded: first };
  // The same question decides later whether the refused image was touched; here the answer has to be yes.
  const fetched = fetchedOf(await place.layersOf(name, base), place.lab.registry.requests());
  if (fetched.length === 0)
    return { recorded: { failure: "the registry was not asked for the image's layer" } };
  const { logIndex } = first;
  const asFirst = { digest: base.digest, note: `log index ${logIndex}` };

  out.heading("2. The same build again: nothing has changed");
  out.say("The tag still names the digest in the record, so the build goes on as if nobody had looked.");
  const second = withDigest(accepted(await build(), { ...story, logIndex }), base.digest, "unchanged");
  if ("failure" in second) return { recorded: asFirst, accepted: second };

  out.heading("3. Somebody pushes another image under the same tag");
  out.say(
    `Now the registry's "${name}" is another image. Docker alone would take it without a word. Nothing else changes: same Dockerfile, same command.`,
  );
  const other = await place.pushBase(name, "hello from somebody else");
  out.lines(`  (pushed: ${name} is ${other.digest})`, "");
  const asked = place.lab.registry.requests().length;
  const third = refused(await build(), {
    ...story,
    logIndex,
    moved: other.digest,
    layers: await place.layersOf(name, other),
    requests: place.lab.registry.requests().slice(asked),
  });
  if ("failure" in third) return { recorded: asFirst, accepted: second, refused: third };
  out.say("No step was begun, and the registry was never asked for a layer of the new image.");

  const watched = await watch(place, out);
  if (!("failure" in watched)) await lookUp(place, out, { image: base.reference, logIndex });
  return {
    recorded: asFirst,
    accepted: second,
    refused: { digest: other.digest, note: "mismatch" },
    watched,
  };
}

/** The same for somebody who has nothing but a frontend image that names a ledger. */
async function watch(place: Workplace, out: Terminal): Promise<Finding> {
  const name = `${WATCHED}:${TAG}`;
  const one = await place.pushBase(name, "hello from a tool that everybody uses");
  out.heading("4. The same with no key, no policy and no log: an observer saw the tag before");
  out.say(
    "An observer watches tags for everybody. It is the frontend image's other program, here run from the image's files; it signs and logs what it sees, and keeps it in a ledger, which is a repository in a registry.",
  );
  const observer = place.observer(WATCHED);
  out.command("node dist/frontend.cjs observe --once");
  const { code, output } = await observer.program("observe", "--once");
  out.quote(output);
  if (code !== 0) return { failure: `the observer ended with exit code ${code}` };
  out.say(
    "This frontend image has the ledger's name baked in. The build gives it no key and no policy, and asks no log.",
  );
  const frontend = await observer.frontend();
  place.writeFile("Dockerfile", `# syntax=${frontend}\nFROM ${one.reference}\nRUN cat /etc/greeting\n`);
  const story: Story = { image: one.reference, digest: one.digest };
  const first = accepted(await dockerBuild(place, out), story);
  if ("failure" in first) return first;
  out.say("Then the tag moves.");
  const other = await place.pushBase(name, "hello from somebody else");
  out.lines(`  (pushed: ${name} is ${other.digest})`, "");
  const asked = place.lab.registry.requests().length;
  const second = refused(await dockerBuild(place, out), {
    ...story,
    logIndex: first.logIndex,
    moved: other.digest,
    layers: await place.layersOf(name, other),
    requests: place.lab.registry.requests().slice(asked),
  });
  return "failure" in second ? second : { digest: other.digest, note: "mismatch, by the ledger" };
}

async function dockerBuild(
  place: Workplace,
  out: Terminal,
  secret: readonly string[] = [],
): Promise<Outcome> {
  out.command(["docker", ...BUILD].join(" "), [...secret, "."].join(" "));
  const outcome = await place.docker(...BUILD, ...secret, ".");
  out.quote(outcome.output);
  out.lines(`  exit code ${outcome.code} after ${(outcome.durationMs / 1000).toFixed(1)} s`, "");
  return outcome;
}

/** Not one of the parts that count: the same record seen with the log's own client, which knows nothing of us. */
async function lookUp(
  place: Workplace,
  out: Terminal,
  { image, logIndex }: { readonly image: string; readonly logIndex: string },
): Promise<void> {
  out.heading("5. Anybody can look the record up, without our code");
  out.say(
    "rekor-cli is Sigstore's own client. It finds records by the sha256 of the image's name, and shows the statement that was signed (the entry's body, which it prints too, is left out here).",
  );
  const hash = await shell(place, out, `printf %s ${image} | sha256sum`);
  const server = ["--rekor_server", place.sigstore.url];
  for (const args of [
    ["search", "--sha", hash.slice(0, 64)],
    ["get", "--log-index", logIndex],
  ]) {
    out.command(`rekor-cli ${args.join(" ")}`, server.join(" "));
    const { code, output } = await place.rekorCli(...args, ...server);
    out.quote(output.replace(/^Body: [\s\S]*/m, ""));
    if (code !== 0) out.say(`It ended with exit code ${code}; the parts above do not depend on it.`);
  }
}

/** Runs a small command that is shown. Returns what it printed. */
async function shell(place: Workplace, out: Terminal, command: string): Promise<string> {
  out.command(command);
  const { output } = await place.shell(command);
  out.quote(output);
  return output;
}

function withDigest(proof: Proof, digest: string, note: string): Finding {
  return "failure" in proof ? proof : { digest, note };
}

/** The lines at the end, one for each part. Returns whether all of them happened. */
function summary(out: Terminal, findings: Findings): boolean {
  out.heading("What happened");
  for (const part of PARTS) {
    const finding = findings[part] ?? { failure: "not tried, because the part before it failed" };
    if ("failure" in finding) out.lines(`✗ ${part.padEnd(8)} ${finding.failure}`);
    else out.lines(`✓ ${part.padEnd(8)} ${finding.digest} ${finding.note}`);
  }
  const all = PARTS.every((part) => {
    const finding = findings[part];
    return finding !== undefined && !("failure" in finding);
  });
  if (all) {
    out.lines("", "Of the refused image nothing ran: no step was begun, and no layer of it was fetched.");
  }
  return all;
}

async function demonstrate(context: string | undefined): Promise<boolean> {
  const out = terminal((text) => void process.stdout.write(text));
  const start = performance.now();
  out.lines("tlog-dockerfile: a tag that moved stops the build", "");
  out.say(
    "Setting up a registry, a transparency log and, unless this machine has one that fits, a Docker Engine. All of it is on this machine, and is stopped at the end. The first time, Debian's packages for it are fetched into .lab, which takes about half a minute; npm run lab:remove removes them.",
  );
  const place = await openWorkplace(context);
  try {
    out.lines(
      `  Docker Engine   ${place.engine}`,
      `  registry        ${place.lab.registry.address}, with which image names begin here`,
      `  log             ${place.sigstore.url}, a Rekor for development`,
      `  frontend        ${place.frontend}, our image with a policy`,
      `                  that names this log and the key whose records count`,
      "",
    );
    out.say(
      `Ready after ${Math.round((performance.now() - start) / 1000)} s. What stands behind a bar is printed by the commands themselves, unchanged.`,
    );
    const all = summary(out, await play(place, out));
    if (!all) showLogs(out, place);
    return all;
  } catch (error) {
    showLogs(out, place);
    throw error;
  } finally {
    await place.close();
  }
}

function showLogs(out: Terminal, { logFiles }: Workplace): void {
  if (logFiles.length > 0) out.lines("", "The logs:", ...logFiles.map((file) => `  ${file}`), "");
}

const USAGE = `usage: npm run demo

Builds on a real Docker Engine: records a base image's tag, accepts it again, and
refuses it after another image was pushed under it; then the same with no key, by
what an observer saw. Exits with 0 if all of it happened.

  --context DIR   a built copy of the repository whose frontend is shown`;

try {
  const { values } = parseArgs({ options: { context: { type: "string" }, help: { type: "boolean" } } });
  if (values.help === true) process.stdout.write(`${USAGE}\n`);
  else if (!(await demonstrate(values.context))) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
