// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { sha256Of } from "../sigstore/signed-statement.ts";
import { startForwarder } from "./cases/forwarder.ts";
import { openObserver } from "./cases/observer.ts";
import { type ProxySite, type ServedProxy, startProxySite } from "./cases/proxies.ts";
import { type Chroot, chroot } from "./lab/chroot.ts";
import { run } from "./lab/command.ts";
import type { PushedImage } from "./lab/images.ts";
import { type Lab, startLab } from "./lab/lab.ts";
import { type Registry, startRegistry } from "./lab/registry.ts";
import { newRun, removeRun, type RunDirectory } from "./lab/runs.ts";
import { secondRegistryProgram } from "./lab/second-registry.ts";

let lab: Lab;
let system: Chroot;
let directories: RunDirectory;
/** Where a ledger is, and nothing else. */
let ledgers: Registry;
let site: ProxySite;

beforeAll(async () => {
  lab = await startLab();
  system = await chroot();
  directories = await newRun(system.labDir);
  ledgers = await startRegistry(system, directories, lab.hostAddress);
  site = await startProxySite(lab.registry, { hosts: [lab.registry.address, ledgers.address] });
});
afterAll(async () => {
  await site?.stop();
  await ledgers?.stop();
  if (directories !== undefined) await removeRun(directories);
  await lab?.stop();
});

const push = (name: string, version: string): Promise<PushedImage> =>
  lab.push(name, { files: { version: `${version}\n` } });

/** Two images in a repository, whose tag `1.0` names the first. */
async function pushTwo(repository: string) {
  const first = await push(`${repository}:one`, "one");
  const second = await push(`${repository}:two`, "two");
  await retag(repository, "one");
  return { first, second };
}

/** Lets the tag `1.0` name what another tag names, in one request. */
async function retag(repository: string, tag: "one" | "two"): Promise<void> {
  const manifests = `http://${lab.registry.address}/v2/${repository}/manifests`;
  const accept = "application/vnd.oci.image.manifest.v1+json";
  const body = await (await fetch(`${manifests}/${tag}`, { headers: { accept } })).bytes();
  const put = await fetch(`${manifests}/1.0`, { method: "PUT", headers: { "content-type": accept }, body });
  expect(put.status).toBe(201);
}

/** What a client got; undefined where the connection ended before the end. */
type Pulled = { readonly status: number; readonly digest: string; readonly text: string } | undefined;

async function pull(host: string, path: string): Promise<Pulled> {
  try {
    const answer = await fetch(`http://${host}/v2/${path}`, { headers: { connection: "close" } });
    const body = Buffer.from(await answer.arrayBuffer());
    if (answer.ok) expect(answer.headers.get("docker-content-digest")).toBe(sha256(body));
    return { status: answer.status, digest: sha256(body), text: body.toString("utf8") };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** What a refusal says, as JSON has it. */
const mismatch = (name: string, got: PushedImage, want: PushedImage) =>
  expect.stringContaining(
    JSON.stringify(`tag "${name}" mismatch; got "${got.digest}", want "${want.digest}"`).slice(1, -1),
  ) as unknown;
const wanting = (digest: string) => expect.stringContaining(`want \\"${digest}\\"`) as unknown;

describe("two processes behind one address", () => {
  let proxies: readonly ServedProxy[];
  let both: Awaited<ReturnType<typeof startForwarder>>;
  beforeAll(async () => {
    proxies = [await site.proxy(), await site.proxy()];
    both = await startForwarder(
      { hostname: lab.hostAddress },
      proxies.map(({ host }) => host),
    );
  });
  afterAll(() => both?.close());

  const entriesOf = (name: string): number =>
    site.sigstore.log.search([`sha256:${sha256Of(`docker.io/${name}`)}`]).size;

  test("give 40 clients who see a tag first in the same moment one image", async () => {
    const crane = await secondRegistryProgram();
    const { digest } = await push("acme/agreed:1.0", "one");
    const pulls = Array.from({ length: 40 }, () =>
      run(crane, ["digest", "--insecure", `${both.address}/acme/agreed:1.0`], { timeoutMs: 60_000 }),
    );
    expect(new Set((await Promise.all(pulls)).map(({ stdout }) => stdout.trim()))).toEqual(new Set([digest]));
    for (const { log } of proxies)
      expect(log.map(({ event, image }) => `${event} ${String(image)}`)).toContain(
        "judged docker.io/acme/agreed:1.0",
      );
  });

  test("serve one image of a tag that moves while they look at it, and come to the same afterwards", async () => {
    onTestFinished(site.sigstore.misbehave({ fault: { kind: "delay", ms: 20 } }));
    for (let round = 0; round < 10; round++) {
      const name = `acme/raced-${round}`;
      const path = `${name}/manifests/1.0`;
      const { first, second } = await pushTwo(name);
      const early = [pull(both.address, path), pull(both.address, path), pull(both.address, path)];
      // In each round a bit later than in the one before.
      await sleep(round * 10);
      await retag(name, "two");
      const late = Array.from({ length: 8 }, () => pull(both.address, path));
      const answers = await Promise.all([...early, ...late]);
      const served = new Set(answers.flatMap((each) => (each?.status === 200 ? [each.digest] : [])));
      expect([...served]).toHaveLength(1);
      const [standing = ""] = served;
      for (const each of answers)
        if (each?.status !== 200) expect(each).toMatchObject({ status: 400, text: wanting(standing) });
      for (const { host } of proxies)
        expect(await pull(host, path)).toMatchObject(
          standing === second.digest
            ? { status: 200, digest: second.digest }
            : { status: 400, text: mismatch(`docker.io/${name}:1.0`, second, first) },
        );
    }
  });

  test("where each recorded another image, the earlier record stands and the other process refuses", async () => {
    const [one, other] = proxies;
    const name = "acme/crossed";
    const path = `${name}/manifests/1.0`;
    const { first, second } = await pushTwo(name);
    const search = "/api/v1/index/retrieve";
    onTestFinished(site.sigstore.misbehave({ path: search, times: 1, fault: { kind: "delay", ms: 1_500 } }));
    const asked = site.sigstore.requests.length;
    const slow = pull(one?.host ?? "", path);
    while (!site.sigstore.requests.slice(asked).some((each) => each.endsWith(search))) await sleep(5);
    await retag(name, "two");
    expect(await pull(other?.host ?? "", path)).toMatchObject({ status: 200, digest: second.digest });
    await retag(name, "one");
    const refused = { status: 400, text: mismatch(`docker.io/${name}:1.0`, first, second) };
    expect(await slow).toMatchObject(refused);
    expect(entriesOf(`${name}:1.0`)).toBe(2);
    for (const { host } of proxies) expect(await pull(host, path)).toMatchObject(refused);
    await retag(name, "two");
    for (const { host } of proxies)
      expect(await pull(host, path)).toMatchObject({ status: 200, digest: second.digest });
  });
});

describe("nothing wrong is served while something is down, and all is served again when it is back", () => {
  /** What clients ask for, and what they get when nothing is down. A tag that moved is never served. */
  interface Wanted {
    readonly path: string;
    readonly answer:
      | { readonly status: 200; readonly digest: string }
      | { readonly status: 400; readonly text: unknown };
  }
  type What = "watched" | "watchedMoved" | "logged" | "loggedMoved" | "manifest" | "layer";
  /** Of each, as many answers as were asked for. */
  type Answers = readonly (readonly [What, Pulled])[];
  let policy: string;
  let wanted: Readonly<Record<What, Wanted>>;

  beforeAll(async () => {
    const { address } = lab.registry;
    const observer = openObserver(lab, site.sigstore, {
      directory: join(site.directory, "observer"),
      ledger: "acme/ledger",
      ledgerHost: ledgers.address,
      watch: [{ repository: "watched/stays" }, { repository: "watched/moves" }],
    });
    const ledger = JSON.stringify([{ repository: observer.ledger, observer: { key: observer.publicKey } }]);
    policy = site.policy([`ledgers: ${ledger}`]);
    const { host } = await site.proxy({ policy });
    // The registry has another port than names behind a prefix can have.
    const path = (name: string, rest: string) => `${name}/${rest}?ns=${address}`;
    const served = (name: string, rest: string, digest: string): Wanted => ({
      path: path(name, rest),
      answer: { status: 200, digest },
    });
    const refused = async (name: string, want: PushedImage): Promise<Wanted> => {
      const got = await push(`${name}:1.0`, "another");
      const text = mismatch(`${address}/${name}:1.0`, got, want);
      return { path: path(name, "manifests/1.0"), answer: { status: 400, text } };
    };
    const watched = await push("watched/stays:1.0", "one");
    const watchedMoved = await push("watched/moves:1.0", "one");
    const seen = await observer.program("observe", "--once");
    expect(seen.code, seen.output).toBe(0);
    const logged = await push("logged/stays:1.0", "two");
    const loggedMoved = await push("logged/moves:1.0", "two");
    for (const name of ["logged/stays", "logged/moves"])
      expect(await pull(host, path(name, "manifests/1.0"))).toMatchObject({ status: 200 });
    const manifest = await pull(host, path("watched/stays", `manifests/${watched.digest}`));
    const { layers } = JSON.parse(manifest?.text ?? "") as { layers: [{ digest: string }] };
    const layer = layers[0].digest;
    wanted = {
      watched: served("watched/stays", "manifests/1.0", watched.digest),
      watchedMoved: await refused("watched/moves", watchedMoved),
      logged: served("logged/stays", "manifests/1.0", logged.digest),
      loggedMoved: await refused("logged/moves", loggedMoved),
      manifest: served("watched/stays", `manifests/${watched.digest}`, watched.digest),
      layer: served("watched/stays", `blobs/${layer}`, layer),
    };
  });

  /** Asks for everything so often, a few clients at a time. */
  async function ask({ host }: ServedProxy, times: number): Promise<Answers> {
    const all = Array.from({ length: times }, () => Object.keys(wanted) as What[]).flat();
    const answers: [What, Pulled][] = [];
    const client = async (): Promise<void> => {
      for (let what = all.pop(); what !== undefined; what = all.pop())
        answers.push([what, await pull(host, wanted[what].path)]);
    };
    await Promise.all(Array.from({ length: 30 }, client));
    return answers;
  }

  /** What nobody could say: that, and no image. */
  const NO_ANSWER = {
    status: expect.toSatisfy((status: number) => status === 502 || status === 503) as unknown,
    text: expect.stringMatching(/^\{"errors":\[\{"code":"(UNAVAILABLE|UNKNOWN)","message":"/) as unknown,
  };

  /** Asserts that all was answered as when nothing is down, but for these, which nobody could answer. */
  function expectAnswers(answers: Answers, without: readonly What[] = []): void {
    for (const [what, answer] of answers)
      expect(answer, what).toMatchObject(without.includes(what) ? NO_ANSWER : wanted[what].answer);
  }

  interface Part {
    readonly what: string;
    readonly stop: () => Promise<void>;
    readonly start: () => Promise<void>;
    /** What cannot be said while it is down. */
    readonly without: readonly What[];
  }
  test.for<Part>([
    {
      what: "the log",
      stop: () => site.stopLog(),
      start: () => site.startLog(),
      without: ["logged", "loggedMoved"],
    },
    {
      what: "the registry of the images",
      stop: () => lab.registry.stop(),
      start: () => lab.registry.start(),
      without: ["watched", "watchedMoved", "logged", "loggedMoved", "manifest", "layer"],
    },
    {
      what: "the registry of the ledger",
      stop: () => ledgers.stop(),
      start: () => ledgers.start(),
      // Nobody can say what the ledger would have said of a tag.
      without: ["watched", "watchedMoved", "logged", "loggedMoved"],
    },
  ])("$what", async ({ stop, start, without }) => {
    const proxy = await site.proxy({ policy });
    expectAnswers(await ask(proxy, 2));

    const under: Answers[] = [];
    for (let times = 0; times < 3; times++) {
      const going = ask(proxy, 5);
      await stop();
      const coming = ask(proxy, 5);
      await sleep(100);
      await start();
      under.push(await going, await coming);
    }
    for (const [what, answer] of under.flat()) {
      // A client knows that it has not all of a layer.
      if (answer === undefined) expect(what).toBe("layer");
      else if (answer.status >= 500) expect(answer, what).toMatchObject(NO_ANSWER);
      else expect(answer, what).toMatchObject(wanted[what].answer);
    }

    await stop();
    // Another one, which has kept nothing of the ledger and no manifest.
    const late = await site.proxy({ policy });
    const down = await ask(late, 2);
    await start();
    expectAnswers(await ask(late, 2));
    expectAnswers(await ask(proxy, 2));
    expectAnswers(down, without);
  });
});
