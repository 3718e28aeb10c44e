// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/image/digest.ts";
import { manifestOf, partConfiguration, shardOf, shardsText } from "../../src/ledger/layout.ts";
import { type Gap, partText } from "../../src/ledger/lines.ts";
import { tagDirectory } from "../../src/site/addresses.ts";
import type { SiteSource } from "../../src/site/site.ts";
import {
  chainOf,
  keyWriter,
  lineOf,
  MADE,
  REPOSITORY,
  sampleLedger,
  shardReference,
  signedHead,
  TAGGED,
  tamper,
} from "../ledger/sample-ledger.ts";
import { ALPINE, DIGEST, OBSERVED, OTHER_DIGEST, sampleLog } from "../record/sample-log.ts";
import { filesOf, makeIn, siteSource } from "./sample-site.ts";
import { siteDirectory } from "./site-directory.ts";
import { elements, everyElement, parseXml } from "./xml.ts";

const BUSYBOX = "docker.io/library/busybox:1.36";
const REASON = `CVE-2026-1 fixed </script><script>alert("x")</script> & 'more' \`x\``;
const log = sampleLog();
const place = { log, root: log.trustedRoot };
const [observer, approver, stranger] = [keyWriter(), keyWriter(), keyWriter()];
const minute = (n: number) => new Date(OBSERVED.getTime() + n * 60_000);

const alpine = chainOf([{ digest: DIGEST }, { digest: OTHER_DIGEST }], observer, place);
const busybox = chainOf(
  [{ reference: BUSYBOX }, { reference: BUSYBOX, digest: OTHER_DIGEST }],
  observer,
  place,
);
const approval = lineOf(
  { reference: BUSYBOX, digest: OTHER_DIGEST, supersedes: DIGEST, reason: REASON, observedAt: minute(9) },
  approver,
  place,
);
const foreign = lineOf({ digest: `sha256:${"77".repeat(32)}`, observedAt: minute(10) }, stranger, place);
const ALL = [...alpine, foreign, ...busybox, approval];

interface Made {
  readonly lines?: readonly string[];
  readonly sequence?: number;
  readonly baseUrl?: string;
  readonly shards?: number;
  readonly gaps?: Readonly<Record<string, Gap>>;
}

function ledgerOf({ lines = ALL, sequence = 1, shards = 4, gaps = {} }: Made = {}) {
  return sampleLedger(
    { lines, shards, gaps, sequence, ...(sequence > 1 && { previous: `sha256:${"00".repeat(32)}` }) },
    observer,
    place,
  );
}

function sourceOf(ledger: ReturnType<typeof ledgerOf>, baseUrl?: string): SiteSource {
  return siteSource(ledger, {
    observer: observer.signer,
    root: place.root,
    approvers: [approver.signer],
    ...(baseUrl !== undefined && { baseUrl }),
  });
}

async function made(options: Made = {}) {
  const directory = siteDirectory();
  const summary = await makeIn(directory, sourceOf(ledgerOf(options), options.baseUrl));
  return { directory, summary, files: filesOf(directory) };
}

const pageOf = (files: ReadonlyMap<string, string>, tag: string) =>
  parseXml(files.get(`${tagDirectory(tag)}/index.html`) ?? "", { isHtml: true });

describe("a site of a ledger", () => {
  test("says what there is, what moved, and which head vouches for it", async () => {
    const { files, summary } = await made();
    expect(summary).toMatchObject({ tags: 2, records: 5, sequence: 1, unchanged: 0, removed: 0 });
    const { text } = parseXml(files.get("index.html") ?? "", { isHtml: true });
    expect(text).toContain("2 tags5 records2 moves");
    expect(text).toMatch(new RegExp(`moved ${ALPINE} 2022-06-28T13:31:02Z\\s+${DIGEST} to${OTHER_DIGEST}`));
    expect(text).toContain("approved docker.io/library/busybox:1.36");
    expect(text).toContain(`Made${MADE.toISOString().slice(0, 19)}Z`);
    expect(text).toContain(`Ledgerghcr.io/acme/tlog-ledger`);
  });

  test("shows of a tag what stands and why, and that it has moved since", async () => {
    const { files } = await made();
    const { text } = pageOf(files, ALPINE);
    expect(text).toContain(`Stands: ${DIGEST}`);
    expect(text).toContain("It is the first record of");
    expect(text).toContain(`The tag has moved: seen last, 2022-06-28T13:31:02Z, was ${OTHER_DIGEST}`);
    expect(text).toContain("1 more line of the ledger is not shown");
    expect(text).not.toContain("77".repeat(32));
    const approved = pageOf(files, BUSYBOX).text;
    expect(approved).toContain(`Stands: ${OTHER_DIGEST}`);
    expect(approved).toContain(`it takes the place of ${DIGEST}`);
    expect(approved).toContain(`Reason: ${REASON}`);
    expect(approved).not.toContain("The tag has moved");
  });

  test("draws the timeline: a band for each time in which a digest was served, a mark for each record", async () => {
    const { files } = await made();
    const [drawing] = elements(pageOf(files, BUSYBOX), "svg");
    const classes = everyElement(drawing ?? parseXml("<svg/>")).map(({ attributes }) => attributes["class"]);
    const count = (name: string) => classes.filter((each) => each === name).length;
    expect({ bands: count("band"), sightings: count("sighting"), approvals: count("approval") }).toEqual({
      bands: 2,
      sightings: 2,
      approvals: 1,
    });
  });

  test("draws the twelve newest digests of a tag that had more, and says so", async () => {
    const digests = Array.from({ length: 15 }, (_, n) => sha256(`image ${n}`));
    const { files } = await made({
      lines: chainOf(
        digests.map((digest) => ({ digest })),
        observer,
        place,
      ),
    });
    const page = pageOf(files, ALPINE);
    const lanes = elements(page, "text").filter(({ attributes }) => attributes["class"] === "lane");
    expect(lanes.map(({ children }) => children[0]?.text)).toEqual(digests.slice(3));
    expect(page.text).toContain("3 earlier digests are not drawn.");
    expect(elements(page, "tbody")).toHaveLength(15);
  });

  test("says which sightings the ledger no longer keeps, and does not guess what a tag moved from", async () => {
    const lines = chainOf(
      [{ digest: DIGEST }, { digest: OTHER_DIGEST, sequence: 5, previous: sha256("the fourth") }],
      observer,
      place,
    );
    const { files } = await made({ lines, gaps: { [ALPINE]: { from: 2, to: 4 } } });
    expect(pageOf(files, ALPINE).text).toContain(
      "no longer keeps the observer's sightings 2 to 4 of this tag",
    );
    const { items } = JSON.parse(files.get("moves.json") ?? "") as { items: { content_text: string }[] };
    expect(items).toEqual([
      expect.objectContaining({
        content_text: expect.stringContaining(
          `${ALPINE} moved: from an image that the ledger no longer keeps to ${OTHER_DIGEST}`,
        ),
      }),
    ]);
  });

  test("has each record's proof, which is the bundle of its line, and the keys that signed", async () => {
    const { files } = await made();
    for (const [tag, lines] of [
      [ALPINE, alpine],
      [BUSYBOX, [...busybox, approval]],
    ] as const) {
      const proofs = [...files].filter(([path]) => path.startsWith(`${tagDirectory(tag)}/record-`));
      expect(proofs.map(([, text]) => text.trim()).toSorted()).toEqual(
        lines.map((line) => line.slice(line.indexOf("{"))).toSorted(),
      );
    }
    const keys = [...files.keys()].filter((path) => path.startsWith("keys/"));
    expect(keys).toHaveLength(2);
    const head = JSON.parse(files.get("head.sigstore.json") ?? "") as { mediaType: string };
    expect(head.mediaType).toBe("application/vnd.dev.sigstore.bundle.v0.3+json");
  });

  test("has the commands that check a record and build its image", async () => {
    const { files } = await made();
    const all = elements(pageOf(files, ALPINE), "pre").map(({ text }) => text);
    expect(all[0]).toMatch(
      new RegExp(
        `^printf %s ${ALPINE} > tag.txt .*\ncosign verify-blob-attestation --bundle record-\\d+-[0-9a-f]{12}.sigstore.json --trusted-root trusted_root.json \\\\\n  --type https://github.com/tlog-dockerfile/tlog-dockerfile/sighting/v1 \\\\\n  --key [0-9a-f]{64}.pub tag.txt\nrekor-cli get --rekor_server https://rekor.example.org/ --log-index \\d+$`,
      ),
    );
    expect(all.join("\n")).toContain(`echo 'FROM ${ALPINE}@${DIGEST}' | docker buildx build -f - .`);
    expect(all.at(-1)).toBe(`rekor-cli search --sha "$(printf %s ${ALPINE} | sha256sum | cut -d' ' -f1)"`);
  });

  test("has links that all lead to a file of it, and none to another host but the log's", async () => {
    const { files, directory } = await made();
    const hosts = new Set<string>();
    for (const [path, text] of files) {
      if (!path.endsWith(".html")) continue;
      const page = parseXml(text, { isHtml: true });
      for (const { attributes } of everyElement(page)) {
        for (const target of [attributes["href"], attributes["src"]]) {
          if (target === undefined || target.startsWith("#")) continue;
          if (/^[a-z]+:/.test(target)) hosts.add(target);
          else
            expect(
              existsSync(join(directory, normalize(join(dirname(path), target)))),
              `${path}: ${target}`,
            ).toBe(true);
        }
      }
    }
    expect([...hosts]).toEqual(["https://rekor.example.org/"]);
  });

  test("has pages of all tags in the order of their names, two hundred on each", async () => {
    const names = Array.from({ length: 201 }, (_, n) => `ghcr.io/acme/app:1.${String(n).padStart(3, "0")}`);
    const lines = names.flatMap((reference) => chainOf([{ reference }], observer, place));
    const { files } = await made({ lines, shards: 32 });
    expect([...files.keys()].filter((path) => path.startsWith("all/")).toSorted()).toEqual([
      "all/1.html",
      "all/2.html",
      "all/index.html",
    ]);
    const listed = ["all/1.html", "all/2.html"].flatMap((path) =>
      elements(parseXml(files.get(path) ?? "", { isHtml: true }), "li").map(({ text }) => text.split(" ")[0]),
    );
    expect(listed.filter((text) => text?.startsWith("ghcr.io/"))).toEqual(names);
    const { text } = parseXml(files.get("all/index.html") ?? "", { isHtml: true });
    expect(text).toContain(`${names[0]} to ${names[199]}`);
    const { tags } = JSON.parse(files.get("search.json") ?? "") as { tags: [string, string][] };
    expect(tags).toEqual(names.map((name) => [name, tagDirectory(name)]));
  });

  test("of a ledger in one piece is the same", async () => {
    const { configurations } = sampleLedger({ lines: ALL }, observer, place);
    const directory = siteDirectory();
    const source = { ...sourceOf(ledgerOf()), place: sourceOf({ ...ledgerOf(), configurations }).place };
    await makeIn(directory, source);
    const page = `${tagDirectory(BUSYBOX)}/index.html`;
    expect(filesOf(directory).get(page)).toBe((await made()).files.get(page));
  });
});

describe("no text of a stranger's is more than text", () => {
  test("nothing on any page runs, loads or is styled but what is ours, by the page's own policy", async () => {
    const { files } = await made();
    for (const [path, text] of files) {
      if (!path.endsWith(".html")) continue;
      const page = parseXml(text, { isHtml: true });
      const scripts = elements(page, "script");
      const isSearch = ["index.html", "all/index.html"].includes(path);
      expect(scripts).toHaveLength(isSearch ? 1 : 0);
      const policy = elements(page, "meta").find(
        ({ attributes }) => attributes["http-equiv"] === "Content-Security-Policy",
      )?.attributes["content"];
      const [script] = scripts;
      const hash = script && createHash("sha256").update(script.text).digest("base64");
      const runs = hash === undefined ? "" : `script-src 'sha256-${hash}'; connect-src 'self'; `;
      expect(policy).toBe(
        `default-src 'none'; style-src 'self'; img-src 'self'; ${runs}base-uri 'none'; form-action 'none'`,
      );
      for (const { attributes, name } of everyElement(page)) {
        expect(
          Object.keys(attributes).filter((each) => /^(?:on|style$|srcdoc$|formaction$)/.test(each)),
        ).toEqual([]);
        expect(["img", "iframe", "object", "embed", "base", "style"]).not.toContain(name);
      }
    }
  });

  test("a reason is whole and as it was written, on the page, in the list of moves and in the feeds", async () => {
    const { files } = await made();
    expect(parseXml(files.get("index.html") ?? "", { isHtml: true }).text).toContain(`Reason: ${REASON}`);
    const contents = elements(parseXml(files.get("moves.atom") ?? ""), "content").map(({ text }) => text);
    expect(contents.join("\n")).toContain(`Reason: ${REASON}\n`);
    const { items } = JSON.parse(files.get("moves.json") ?? "") as { items: { content_text: string }[] };
    expect(items.map((item) => item.content_text)).toEqual(contents);
    for (const [path, text] of files)
      if (!path.endsWith(".sigstore.json")) expect(text, path).not.toContain("</script><script>alert");
  });
});

describe("the feeds", () => {
  test.for([undefined, "https://acme.github.io/ledger/"])(
    "with the base %s have what RFC 4287 wants",
    async (baseUrl) => {
      const { files } = await made(baseUrl === undefined ? {} : { baseUrl });
      const feed = parseXml(files.get("moves.atom") ?? "");
      const the = (name: string, of = feed) => of.children.filter((each) => each.name === name);
      expect(feed).toMatchObject({ name: "feed", attributes: { xmlns: "http://www.w3.org/2005/Atom" } });
      const entries = the("entry");
      expect(entries).toHaveLength(3);
      for (const each of [feed, ...entries])
        for (const name of ["id", "title", "updated", "author"])
          expect(the(name, each), name).toHaveLength(1);
      const ids = [feed, ...entries].map((each) => the("id", each)[0]?.text);
      expect(new Set(ids).size).toBe(4);
      const updated = entries.map((each) => the("updated", each)[0]?.text ?? "");
      expect(updated).toEqual(updated.toSorted().toReversed());
      expect(the("updated")[0]?.text).toBe(updated[0]);
      const links = entries.map((each) => the("link", each)[0]?.attributes["href"]);
      expect(links).toContain(`${baseUrl ?? ""}${tagDirectory(ALPINE)}/index.html`);
    },
  );

  test("have the same ids in both, wherever the site is, and also when more has moved", async () => {
    const idsIn = (files: ReadonlyMap<string, string>) => {
      const { items, version } = JSON.parse(files.get("moves.json") ?? "") as {
        version: string;
        items: { id: string }[];
      };
      expect(version).toBe("https://jsonfeed.org/version/1.1");
      return items.map(({ id }) => id);
    };
    const all = idsIn((await made()).files);
    expect(all).toEqual(idsIn((await made({ baseUrl: "https://acme.example/" })).files));
    const atom = elements(parseXml((await made()).files.get("moves.atom") ?? ""), "id").map(
      ({ text }) => text,
    );
    expect(atom.slice(1)).toEqual(all);
    expect(all).toEqual(expect.arrayContaining(idsIn((await made({ lines: alpine })).files)));
  });

  test("are whole also when nothing has moved", async () => {
    const { files } = await made({ lines: alpine.slice(0, 1) });
    expect(elements(parseXml(files.get("moves.atom") ?? ""), "entry")).toEqual([]);
    expect(JSON.parse(files.get("moves.json") ?? "")).toMatchObject({ items: [] });
    expect(files.get("index.html")).toContain("No tag has moved.");
  });
});

/** The inodes of a site's files: another one when it was written again. */
const inodes = (directory: string) =>
  new Map([...filesOf(directory).keys()].map((path) => [path, statSync(join(directory, path)).ino]));

describe("a site that is there already", () => {
  test("is not written again when nothing has changed", async () => {
    const directory = siteDirectory();
    const source = sourceOf(ledgerOf());
    const { written } = await makeIn(directory, source);
    const before = inodes(directory);
    expect(await makeIn(directory, source)).toMatchObject({ written: 0, removed: 0, unchanged: written });
    expect(inodes(directory)).toEqual(before);
  });

  test("changes in two files when there is a new head and nothing else", async () => {
    const { directory } = await made();
    const before = inodes(directory);
    expect(await makeIn(directory, sourceOf(ledgerOf({ sequence: 2 })))).toMatchObject({ written: 2 });
    const changed = [...inodes(directory)].filter(([path, inode]) => before.get(path) !== inode);
    expect(changed.map(([path]) => path).toSorted()).toEqual([
      "head.sigstore.json",
      "index.html",
      "tlog-site.txt",
    ]);
  });

  test("loses the files of a tag that is gone, with their directories", async () => {
    const { directory, files } = await made();
    const ofBusybox = [...files.keys()].filter((path) => path.startsWith(`${tagDirectory(BUSYBOX)}/`));
    expect(ofBusybox).toHaveLength(4);
    const { removed } = await makeIn(directory, sourceOf(ledgerOf({ lines: alpine, sequence: 2 })));
    // And the approver's key.
    expect(removed).toBe(ofBusybox.length + 1);
    expect(existsSync(dirname(join(directory, tagDirectory(BUSYBOX))))).toBe(false);
    expect([...filesOf(directory).keys()]).toContain(`${tagDirectory(ALPINE)}/index.html`);
  });

  test("keeps what somebody else put beside it", async () => {
    const { directory } = await made();
    writeFileSync(join(directory, "CNAME"), "ledger.acme.example\n");
    await makeIn(directory, sourceOf(ledgerOf({ lines: alpine, sequence: 2 })));
    expect(readFileSync(join(directory, "CNAME"), "utf8")).toBe("ledger.acme.example\n");
  });

  test("is made whole again where a run before it was killed", async () => {
    const { directory, files } = await made();
    mkdirSync(join(directory, ".tlog-site.new"));
    writeFileSync(join(directory, ".tlog-site.new", "0"), "half");
    writeFileSync(join(directory, "index.html"), "<p>half");
    await makeIn(directory, sourceOf(ledgerOf()));
    const now = filesOf(directory);
    expect([...now.keys()].toSorted()).toEqual([...files.keys()].toSorted());
    expect(now.get("index.html")).toContain("</html>");
  });
});

describe("a directory that is not the site's own is refused", () => {
  const refused = async (prepare: (directory: string) => void, why: RegExp) => {
    const directory = siteDirectory();
    prepare(directory);
    const before = filesOf(directory);
    await expect(async () => makeIn(directory, sourceOf(ledgerOf()))).rejects.toThrow(why);
    expect(filesOf(directory)).toEqual(before);
  };

  test("with files in it that are no site", () =>
    refused(
      (at) => writeFileSync(join(at, "thesis.txt"), "x"),
      /is not empty and has no site in it \("thesis.txt"\)/,
    ));

  test("with a list that names a file outside of it", () =>
    refused((at) => {
      const header = `# tlog.site 1 ghcr.io/acme/tlog-ledger head 1 sha256:${"0".repeat(64)}`;
      writeFileSync(join(at, "tlog-site.txt"), `${header}\n../../etc/passwd\n`);
    }, /is not the list of a site's files/));

  test("with the site of another ledger", async () => {
    const { directory } = await made();
    const list = join(directory, "tlog-site.txt");
    writeFileSync(list, readFileSync(list, "utf8").replace("acme/tlog-ledger", "acme/other"));
    await expect(makeIn(directory, sourceOf(ledgerOf()))).rejects.toThrow(
      'the directory has the site of "ghcr.io/acme/other"; name another one for "ghcr.io/acme/tlog-ledger" with --out',
    );
  });

  test("when a file of somebody else's stands where a new page is to be", async () => {
    const { directory } = await made({ lines: alpine });
    const page = join(directory, tagDirectory(BUSYBOX), "index.html");
    mkdirSync(dirname(page), { recursive: true });
    writeFileSync(page, "mine");
    await expect(makeIn(directory, sourceOf(ledgerOf({ sequence: 2 })))).rejects.toThrow(
      `"${page}" was not written by this program`,
    );
    expect(readFileSync(page, "utf8")).toBe("mine");
  });
});

describe("a ledger that does not hold makes no site, and changes nothing in one", () => {
  const kept = async (source: SiteSource, why: RegExp) => {
    const { directory } = await made({ sequence: 2 });
    const before = [filesOf(directory), inodes(directory)];
    await expect(makeIn(directory, source)).rejects.toThrow(why);
    expect([filesOf(directory), inodes(directory)]).toEqual(before);
  };
  const next = (lines: readonly string[]) => sourceOf(ledgerOf({ lines, sequence: 3 }));

  test("with a line that was changed", () => {
    const [first = "", second = ""] = alpine;
    return kept(
      next([first.replace("2022-06-28", "2022-06-27"), second]),
      /a line of ".+alpine.+" in it does not hold/,
    );
  });

  test("with a line that is missing", () => kept(next(alpine.slice(1)), /sighting 1 of ".+" is missing/));

  test("with a line of what is no tag", () =>
    kept(next([...alpine, (alpine[0] ?? "").replace(ALPINE, "docker.io/library/../x:1")]), /no tag/));

  test("with a tag in the shard of another, where no build would find it", () => {
    const tags = new Map([[ALPINE, { lines: alpine }]]);
    const own = shardOf(ALPINE, 2);
    const part = 1 - own;
    const shard = partConfiguration({ text: partText({ part, of: 2 }, tags) });
    const digest = sha256(manifestOf(shard));
    const text = shardsText(part === 0 ? [digest, undefined] : [undefined, digest]);
    const content = { lines: alpine, sequence: 3, previous: `sha256:${"00".repeat(32)}` } as const;
    const { head } = signedHead(text, content, { observer, place });
    const configurations = new Map([
      [TAGGED, partConfiguration({ head, text })],
      [`${REPOSITORY}@${digest}`, shard],
    ]);
    return kept(
      sourceOf({ ...ledgerOf(), configurations }),
      /has lines of ".+alpine.+", which belongs to another/,
    );
  });

  test("with a shard that is not the one that the head names", () => {
    const ledger = ledgerOf({ sequence: 3 });
    tamper(ledger, shardReference(ledger, ALPINE), ({ text }) => ({ text: text.replace("2022", "2023") }));
    return kept(sourceOf(ledger), /cannot be gone on with: its index does not name the shard/);
  });

  test("nor where there is no site yet", async () => {
    const directory = siteDirectory();
    await expect(makeIn(directory, next(alpine.slice(1)))).rejects.toThrow(/is missing/);
    expect(filesOf(directory).size).toBe(0);
  });

  test("whose head somebody else signed", () =>
    kept(
      { ...sourceOf(ledgerOf({ sequence: 3 })), observer: stranger.signer },
      /is not signed by its observer/,
    ));

  test("whose head is older than the site", () =>
    kept(
      sourceOf(ledgerOf({ sequence: 1 })),
      /serves head 1 of .+ made of head 2 already: an old ledger is served/,
    ));

  test("whose head has the site's number and says something else", () =>
    kept(sourceOf(ledgerOf({ sequence: 2, lines: alpine })), /another head 2 of/));
});
