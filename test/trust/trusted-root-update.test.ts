// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type FetchFile, updateTrustedRoot } from "../../src/trust/trusted-root-update.ts";
import { TrustUpdateError, type TrustUpdateErrorCode } from "../../src/trust/error.ts";
import {
  type Draft,
  named,
  publishTuf,
  rootBody,
  signedFile,
  type TufDraft,
  tufDraft,
  tufKey,
  type TufKeys,
  tufKeys,
} from "./sample-tuf-repository.ts";
import { updateByTufJs } from "./tuf-js-client.ts";

const MIRROR = "https://tuf.acme.example/repository";
const NOW = new Date("2026-06-01T12:00:00Z");
const CONTENTS = { "trusted_root.json": '{"tlogs":[]}', "signing_config.v0.2.json": '{"caUrls":[]}' };
const GOT = CONTENTS["trusted_root.json"];
const PAST = "2020-01-01T00:00:00Z";
const keys = tufKeys();
const stranger = tufKey();

interface Served {
  readonly seed: Buffer;
  readonly files: Map<string, Buffer>;
}

/** What happened to the repository: before it was signed, or when it was served. */
interface Trouble {
  readonly draft?: (draft: TufDraft) => unknown;
  readonly serve?: (files: Map<string, Buffer>) => unknown;
}

function served({ draft: change, serve }: Trouble = {}): Served {
  const draft = tufDraft(keys, CONTENTS);
  change?.(draft);
  const published = publishTuf(draft);
  serve?.(published.files);
  return published;
}

function update({ seed, files }: Served, more: Partial<Parameters<typeof updateTrustedRoot>[0]> = {}) {
  const fetchFile: FetchFile = async ({ path }) => files.get(path);
  const signal = AbortSignal.timeout(20_000);
  return updateTrustedRoot({ seed, mirror: MIRROR, fetchFile, now: NOW, signal, ...more });
}

/** A root that follows the last one, which signs it too. */
function rotate(draft: TufDraft, next: TufKeys = keys): Draft<ReturnType<typeof rootBody>> {
  const before = draft.roots.at(-1);
  if (before === undefined) throw new Error("there is no root to follow");
  const root = {
    signed: rootBody(before.signed.version + 1, next),
    signers: [...new Set([...before.signers, ...next.root])],
  };
  draft.roots.push(root);
  return root;
}

const newKeys = (): TufKeys => ({ ...keys, root: [tufKey(), tufKey()] });
const first = <T>([one]: readonly T[]): T => {
  if (one === undefined) throw new Error("it is empty");
  return one;
};

describe("the newest trusted root is got from a repository, and another client gets the same,", () => {
  test.for<Trouble & { row: string }>([
    { row: "as it was when the seed was made" },
    {
      row: "whose root has changed twice, each time with new keys",
      draft: (draft) => {
        rotate(draft, newKeys());
        rotate(draft, newKeys());
      },
    },
    {
      row: "whose seed has expired and whose newest root has not",
      draft: (draft) => {
        first(draft.roots).signed.expires = PAST;
        rotate(draft);
      },
    },
    {
      row: "whose root now names another key for the timestamp",
      draft: (draft) => {
        const timestamp = tufKey();
        rotate(draft, { ...keys, timestamp });
        draft.timestamp.signers = [timestamp];
      },
    },
    {
      row: "whose root was signed by as many keys as it takes",
      draft: ({ roots }) => first(roots).signers.pop(),
    },
    {
      row: "that names its files by length and hash",
      draft: (draft) => {
        Object.assign(draft.snapshot.signed.meta["targets.json"] ?? {}, named(signedFile(draft.targets)));
        Object.assign(draft.timestamp.signed.meta["snapshot.json"], named(signedFile(draft.snapshot)));
      },
    },
    {
      row: "that keeps one version of each file",
      draft: ({ roots }) => (first(roots).signed.consistent_snapshot = false),
    },
  ])("$row", async (trouble) => {
    const repository = served(trouble);
    await expect(update(repository)).resolves.toBe(GOT);
    await expect(updateByTufJs(repository, MIRROR)).resolves.toBe(GOT);
  });
});

test("each file that is needed is asked for once, by what the one before says, and with a limit", async () => {
  const repository = served({ draft: rotate });
  const asked: string[] = [];
  const fetchFile: FetchFile = async ({ mirror, path, maxBytes }) => {
    asked.push(`${mirror} ${path} ${maxBytes}`);
    return repository.files.get(path);
  };
  await update(repository, { fetchFile });
  const hash = (text: string) => named(text).hashes["sha256"];
  expect(asked).toEqual(
    [
      "5.root.json 65536",
      "6.root.json 65536",
      "timestamp.json 65536",
      "21.snapshot.json 65536",
      "11.targets.json 65536",
      `targets/${hash(GOT)}.trusted_root.json 12`,
    ].map((rest) => `${MIRROR} ${rest}`),
  );
});

type Role = "timestamp" | "snapshot" | "targets";
const roles: readonly Role[] = ["timestamp", "snapshot", "targets"];
const fileOf = {
  timestamp: "timestamp.json",
  snapshot: "21.snapshot.json",
  targets: "11.targets.json",
} as const;
const target = `targets/${named(GOT).hashes["sha256"]}.trusted_root.json`;
const replaced =
  (path: string, change: (text: string) => string): NonNullable<Trouble["serve"]> =>
  (files) =>
    files.set(path, Buffer.from(change(files.get(path)?.toString() ?? "")));

interface Refused extends Trouble {
  readonly row: string;
  readonly code: TrustUpdateErrorCode;
  readonly says: string;
}

describe("a repository that cannot be believed is refused, by another client too:", () => {
  test.for<Refused>([
    ...roles.flatMap((role): Refused[] => [
      {
        row: `there is no ${role}`,
        code: "bad-file",
        serve: (files) => files.delete(fileOf[role]),
        says: `it has no "${fileOf[role]}"; is this the URL of a TUF repository?`,
      },
      {
        row: `the ${role} has expired`,
        code: "expired",
        draft: (draft) => (draft[role].signed.expires = PAST),
        says: `"${fileOf[role]}" has expired: it was good until 2020-01-01T00:00:00Z, and it is 2026-06-01T12:00:00.000Z`,
      },
      {
        row: `the ${role} is signed by a stranger`,
        code: "bad-signature",
        draft: (draft) => (draft[role].signers = [stranger]),
        says: `"${fileOf[role]}" is not signed by the keys that root version 4 names (${role} was signed by 0/1 keys)`,
      },
      {
        row: `the ${role} was signed under a stranger's name`,
        code: "bad-signature",
        draft: (draft) => (draft[role].signers = [{ ...stranger, id: keys[role].id }]),
        says: `"${fileOf[role]}" is not signed by the keys`,
      },
      {
        row: `the ${role} was changed after it was signed`,
        code: "bad-signature",
        serve: replaced(fileOf[role], (text) =>
          text.replace('"spec_version":"1.0.31"', '"spec_version":"1.0.30"'),
        ),
        says: `"${fileOf[role]}" is not signed by the keys`,
      },
      {
        row: `the ${role} is no JSON`,
        code: "bad-file",
        serve: replaced(fileOf[role], () => "<html>"),
        says: `"${fileOf[role]}" is not the TUF metadata that it should be`,
      },
      {
        row: `the ${role} is a file of another role`,
        code: "bad-file",
        serve: (files) =>
          files.set(fileOf[role], signedFile({ signed: rootBody(9, keys), signers: [keys[role]] })),
        says: `(expected '${role}', got root)`,
      },
      {
        row: `the ${role} is nested deeper than anybody can read`,
        code: "bad-signature",
        serve: replaced(fileOf[role], (text) =>
          text.replace('"spec_version"', `"deep":${"[".repeat(30_000)}${"]".repeat(30_000)},"spec_version"`),
        ),
        says: `"${fileOf[role]}" is not signed by the keys`,
      },
    ]),
    {
      row: "the newest root has expired",
      code: "expired",
      draft: (draft) => (rotate(draft).signed.expires = PAST),
      says: '"5.root.json" has expired',
    },
    {
      row: "a new root is signed by its own keys alone",
      code: "bad-signature",
      draft: (draft) => {
        const next = newKeys();
        rotate(draft, next).signers = [...next.root];
      },
      says: '"5.root.json" is not signed by the keys that root version 4 names (root was signed by 0/2 keys)',
    },
    {
      row: "a new root is not signed by its own keys",
      code: "bad-signature",
      draft: (draft) => (rotate(draft, newKeys()).signers = [...keys.root]),
      says: '"5.root.json" is not signed by the keys that root version 5 names (root was signed by 0/2 keys)',
    },
    {
      row: "a new root is signed by too few",
      code: "bad-signature",
      draft: (draft) => (rotate(draft).signers = [first(keys.root)]),
      says: "(root was signed by 1/2 keys)",
    },
    {
      row: "the old root is shown as the new one",
      code: "rolled-back",
      draft: (draft) => (rotate(draft).signed = rootBody(4, keys)),
      says: '"5.root.json" is version 4, and version 5 was to come',
    },
    {
      row: "a root was left out",
      code: "rolled-back",
      draft: (draft) => (rotate(draft).signed = rootBody(6, keys)),
      says: '"5.root.json" is version 6, and version 5 was to come',
    },
    {
      row: "a root's version is no whole number",
      code: "bad-file",
      draft: (draft) => (rotate(draft).signed = rootBody(4.5, keys)),
      says: '"5.root.json" is not the TUF metadata that it should be (its version is not a whole number above 0)',
    },
    {
      row: "the snapshot is an older one than the timestamp says",
      code: "rolled-back",
      draft: ({ snapshot }) => (snapshot.signed.version = 20),
      says: '"21.snapshot.json" is version 20, and version 21 was to come',
    },
    {
      row: "the list of targets is an older one than the snapshot says",
      code: "rolled-back",
      draft: ({ targets }) => (targets.signed.version = 10),
      says: '"11.targets.json" is version 10, and version 11 was to come',
    },
    {
      row: "the snapshot does not name the list of targets",
      code: "bad-file",
      draft: ({ snapshot }) => (snapshot.signed.meta = {}),
      says: 'the snapshot does not name "targets.json"',
    },
    {
      row: "the snapshot is not the one whose hash was signed",
      code: "bad-file",
      draft: ({ timestamp }) =>
        Object.assign(timestamp.signed.meta["snapshot.json"], { hashes: named("").hashes }),
      says: '"21.snapshot.json" is not what was signed; got "sha256:',
    },
    {
      row: "the list of targets has not the length that was signed",
      code: "bad-file",
      draft: ({ snapshot }) => Object.assign(snapshot.signed.meta["targets.json"] ?? {}, { length: 12_000 }),
      says: "and 12000 were signed",
    },
    {
      row: "a file is named by a hash of another kind",
      code: "bad-file",
      draft: ({ snapshot }) =>
        Object.assign(snapshot.signed.meta["targets.json"] ?? {}, { hashes: { crc32: "00" } }),
      says: '"11.targets.json" is named by a hash that we do not know, "crc32"',
    },
    {
      row: "metadata is longer than any we read",
      code: "bad-file",
      serve: replaced("timestamp.json", (text) => text.padEnd(65_537)),
      says: '"timestamp.json" is longer than the 65536 bytes that it may have',
    },
    {
      row: "the trusted root is longer than it says",
      code: "bad-file",
      serve: replaced(target, (text) => `${text} `),
      says: `"${target}" is longer than the 12 bytes that it may have`,
    },
    {
      row: "the trusted root is shorter than it says",
      code: "bad-file",
      serve: replaced(target, (text) => text.slice(1)),
      says: `"${target}" has 11 bytes, and 12 were signed`,
    },
    {
      row: "the trusted root is another",
      code: "bad-file",
      serve: replaced(target, (text) => text.replace("[]", "{}")),
      says: `"${target}" is not what was signed; got "sha256:`,
    },
    {
      row: "the trusted root is not there",
      code: "bad-file",
      serve: (files) => files.delete(target),
      says: `it has no "${target}"`,
    },
  ])("$row", async ({ code, says, ...trouble }) => {
    const repository = served(trouble);
    await refused(update(repository), code, says);
    await expect(updateByTufJs(repository, MIRROR)).rejects.toThrow();
  });
});

describe("a repository is refused where we ask for more than that client:", () => {
  test.for<Refused>([
    {
      row: "it has no trusted root",
      code: "bad-file",
      draft: ({ targets }) => delete targets.signed.targets["trusted_root.json"],
      says: 'it has no "trusted_root.json"; is it one of Sigstore\'s?',
    },
    {
      row: "the trusted root is named without its hash",
      code: "bad-file",
      draft: ({ targets }) => (targets.signed.targets["trusted_root.json"] = { ...named(GOT), hashes: {} }),
      says: '"trusted_root.json" is named without its sha256 or sha512',
    },
    {
      row: "the trusted root is named by what would be a path",
      code: "bad-file",
      draft: ({ targets }) =>
        (targets.signed.targets["trusted_root.json"] = { length: 1, hashes: { sha256: "../x" } }),
      says: '"trusted_root.json" is named without its sha256 or sha512',
    },
    {
      row: "the trusted root is huge",
      code: "bad-file",
      draft: ({ targets }) =>
        (targets.signed.targets["trusted_root.json"] = { ...named(""), length: 1024 * 1024 + 1 }),
      says: '"trusted_root.json" has 1048577 bytes, and 1 to 1048576 are allowed',
    },
    {
      row: "the trusted root is empty",
      code: "bad-file",
      draft: ({ targets }) => (targets.signed.targets["trusted_root.json"] = named("")),
      says: '"trusted_root.json" has 0 bytes, and 1 to 1048576 are allowed',
    },
    {
      row: "its root goes on changing for ever",
      code: "bad-file",
      draft: (draft) => Array.from({ length: 64 }, () => rotate(draft)),
      says: "its root has changed more than 64 times since version 4, from which we start; start from a newer one",
    },
  ])("$row", ({ code, says, ...trouble }) => refused(update(served(trouble)), code, says));
});

test.for([
  { row: "later than any file is good for", now: new Date("2090-01-01T00:00:00Z"), code: "expired" },
  { row: "an hour before they end", now: new Date("2089-12-31T23:00:00Z"), code: undefined },
])("what has expired is judged by the clock that comes in: $row", async ({ now, code }) => {
  const updated = update(served(), { now });
  await (code === undefined
    ? expect(updated).resolves.toBe(GOT)
    : refused(updated, "expired", "set the clock"));
});

test("a seed that nobody has signed is not started from", async () => {
  const { files } = served();
  const seed = signedFile({ signed: rootBody(4, keys), signers: [stranger] });
  await refused(update({ seed, files }), "bad-signature", '"root.json" is not signed by');
});

describe("a repository that does not answer is told from one that is wrong:", () => {
  class AnswerError extends Error {
    readonly code: string;
    constructor(code: string, message: string) {
      super(message);
      this.code = code;
    }
  }

  test("it cannot be reached", () =>
    refused(
      update(served(), {
        fetchFile: () => Promise.reject(new AnswerError("unreachable", "connection refused")),
      }),
      "unreachable",
      'get "5.root.json": connection refused',
    ));

  test("it stops answering on the way", () => {
    const { seed, files } = served();
    const fetchFile: FetchFile = ({ path }) =>
      path.startsWith("targets/")
        ? Promise.reject(new Error("status 503"))
        : Promise.resolve(files.get(path));
    return refused(update({ seed, files }, { fetchFile }), "unreachable", '.trusted_root.json": status 503');
  });

  test("it answers too much", () =>
    refused(
      update(served(), {
        fetchFile: () => Promise.reject(new AnswerError("bad-answer", "more than 65536 bytes")),
      }),
      "bad-file",
      'get "5.root.json": more than 65536 bytes',
    ));

  test("it does not answer in time", async () => {
    const end = new AbortController();
    const fetchFile: FetchFile = () => {
      end.abort();
      return new Promise(() => undefined);
    };
    await refused(
      update(served(), { fetchFile, signal: end.signal }),
      "unreachable",
      'get "5.root.json": there was no answer in time',
    );
  });
});

async function refused(updated: Promise<unknown>, code: TrustUpdateErrorCode, says: string): Promise<void> {
  const error: unknown = await updated.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TrustUpdateError);
  expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
  expect(error).toMatchObject({
    message: expect.stringContaining(`renew the trusted root from the TUF repository "${MIRROR}": `),
  });
}
