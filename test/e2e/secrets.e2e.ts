// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLayout } from "./cases/oci-layout.ts";
import { expectBuilt, expectNothingRan, verdictLines } from "./cases/refusal.ts";
import { type Site, startSite } from "./cases/site.ts";

let site: Site;

beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site?.stop());

const pem = { type: "pkcs8", format: "pem" } as const;
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });

describe.concurrent("a signing key that cannot sign stops the build with its reason and without its text, when it is", () => {
  test.for([
    { row: "no PEM", secret: "correct horse battery staple", reason: "it is not a private key in PEM form" },
    { row: "empty", secret: "", reason: "it is empty" },
    {
      row: "an RSA key",
      secret: rsa.export(pem).toString(),
      reason: "it is an RSA key of 2048 bits, and only P-256 and Ed25519 keys can sign here",
    },
    {
      row: "on another curve",
      secret: p384.export(pem).toString(),
      reason: "it is an EC key on curve secp384r1, and only P-256 and Ed25519 keys can sign here",
    },
    {
      row: "encrypted",
      secret: p256.privateKey.export({ ...pem, cipher: "aes-256-cbc", passphrase: "open sesame" }).toString(),
      reason: "it is encrypted",
    },
    {
      row: "a public key",
      secret: p256.publicKey.export({ type: "spki", format: "pem" }).toString(),
      reason: "it is a public key or a certificate",
    },
  ])("$row", async ({ row, secret, reason }) => {
    const { reference } = await site.pushSystem(
      `bad-key-${row.replaceAll(" ", "-")}:1.0`.toLowerCase(),
      "one",
    );
    const built = await site.build({
      dockerfile: `FROM ${reference}\nRUN cat /version\n`,
      secrets: { "tlog-signing-key": secret },
    });
    const [, message = ""] = built.output.split("\nERROR: failed to build: failed to solve: ");
    expect(message, built.output).toContain(`secret "tlog-signing-key" cannot sign: ${reason}`);
    expect(message).toContain("openssl");
    expect(message.trimEnd().split("\n")).toHaveLength(1);
    expectNothingRan(built);
    const log = await site.lab.engineLog();
    for (const line of secret.split("\n").filter((text) => text !== "" && !text.startsWith("-----"))) {
      expect(built.output).not.toContain(line);
      expect(log).not.toContain(line);
    }
  });
});

describe("without a signing key", () => {
  test("a new tag is built, not recorded, and the build says what is missing", async () => {
    const { reference, digest } = await site.pushSystem("no-key:1.0", "one");
    const built = await site.build({ sign: false, dockerfile: `FROM ${reference}\nRUN cat /version\n` });
    expectBuilt(built);
    expect(verdictLines(built.output)).toEqual([
      `${reference} NOT RECORDED: ${digest} (nothing to sign with: give a P-256 key with --secret id=tlog-signing-key,src=FILE, or an identity token with --secret id=tlog-identity-token,src=FILE)`,
    ]);
    expect(site.entriesOf(reference)).toEqual([]);
  });
});

describe.concurrent("a step that asks for the signing key stops the build before it runs, when it stands in", () => {
  const theft = "--mount=type=secret,id=tlog-signing-key sed 1q /run/secrets/tlog-signing-key";

  test("an ONBUILD step of the base image", async () => {
    const { reference } = await site.pushSystem("thief:1.0", "one", { onbuild: [`RUN ${theft}`] });
    const built = await site.build({ dockerfile: `FROM ${reference}\n` });
    expect(built.code).not.toBe(0);
    expect(built.output).toContain(
      'asks for the secret "tlog-signing-key", with which tlog-dockerfile signs',
    );
    expect(built.output).not.toContain("PRIVATE KEY");
    expectNothingRan(built);
  });

  test("the Dockerfile itself", async () => {
    const { reference } = await site.pushSystem("victim:1.0", "one");
    const built = await site.build({ dockerfile: `FROM ${reference}\nRUN ${theft}\n` });
    expect(built.code).not.toBe(0);
    expect(built.output).toContain(
      'asks for the secret "tlog-signing-key", with which tlog-dockerfile signs',
    );
    expectNothingRan(built);
  });
});

describe("the signing key", () => {
  /** The key in every form in which it could have slipped out. */
  function forms(): readonly string[] {
    const key = createPrivateKey(site.key);
    const { d = "" } = key.export({ format: "jwk" });
    const scalar = Buffer.from(d, "base64url");
    const body = site.key.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
    return [...body, d, scalar.toString("hex"), scalar.toString("base64"), scalar.toString("latin1")];
  }

  test("is found where it is, by what looks for it below", () => {
    expect(forms().some((form) => site.key.includes(form))).toBe(true);
    expect(forms()).not.toContain("");
  });

  test("is nowhere in the output, the image, its provenance, the build's history and the engine's log", async () => {
    const { lab } = site;
    const { reference } = await site.pushSystem("key-used:1.0", "one");
    const output = ["--output", "type=oci,dest=../image,tar=false", "--provenance=mode=max"];
    const built = await site.build({
      dockerfile: `FROM ${reference}\nRUN cat /version\n`,
      args: [...output, "--metadata-file", "metadata.json"],
    });
    expectBuilt(built);
    expect(verdictLines(built.output)[0]).toContain("first seen, recorded");

    const layout = join(built.dir, "../image");
    const { attestations } = await readLayout(layout);
    const provenance = attestations.find(({ type }) => type.startsWith("https://slsa.dev/provenance/"));
    // The evidence is there too, and is looked through with all the rest of the image.
    expect(attestations).toHaveLength(2);
    // The provenance is of this build and as full as it can be.
    expect(provenance?.text).toContain("cat /version");

    const history = await lab.docker(["buildx", "history", "ls", "--format", "{{.Ref}}", "--no-trunc"]);
    const [last = ""] = history.stdout.trim().split("\n");
    const inspected = await lab.docker(["buildx", "history", "inspect", "--format", "json", last]);
    const logs = await lab.docker(["buildx", "history", "logs", "--progress=rawjson", last]);
    expect(logs.output).toContain("first seen, recorded");

    const places: Record<string, string> = {
      output: built.output,
      metadata: await readFile(join(built.dir, "metadata.json"), "latin1"),
      "build history": inspected.output + logs.output,
      "the engine's log": await lab.engineLog(),
      "the log's entries": site.sigstore.log.entries.map(({ body }) => body.toString("latin1")).join("\n"),
      ...(await contents(layout)),
    };
    const leaks = Object.entries(places).flatMap(([place, text]) =>
      forms().some((form) => text.includes(form)) ? [place] : [],
    );
    expect(leaks).toEqual([]);
  });
});

/** The files of an image layout by path, unpacked. */
async function contents(layout: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(layout, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    found[`image file ${entry.name}`] = (isGzip ? gunzipSync(bytes) : bytes).toString("latin1");
  }
  return found;
}
