// SPDX-License-Identifier: Apache-2.0
import { pem } from "@sigstore/core";
import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { readHistory } from "../../../src/record/history.ts";
import { parseIdentity } from "../../../src/record/signer.ts";
import { sightingStatement } from "../../../src/record/statement.ts";
import { parseTrustedRoot } from "../../../src/trust/trusted-root.ts";
import { parseReference } from "../../../src/image/reference.ts";
import { asEvidence, DIGEST, sighting, trusting } from "../../record/sample-log.ts";
import { certificateAuthority } from "../../sigstore/certificate-authority.ts";
import { GITHUB, githubClaims, GOOGLE, identityToken, type Claims } from "../../sigstore/identity-token.ts";
import type { FaultRule } from "../../sigstore/faults.ts";
import { newSigningKey } from "../../sigstore/signed-statement.ts";
import { startSigstore, type Sigstore } from "../../sigstore/sigstore.ts";
import { recordIn } from "../courier-process.ts";
import { closedPort, json, localServer, within } from "../local-server.ts";
import { pieces, watchedCouriers } from "../watched-couriers.ts";

const couriers = watchedCouriers();
const { open } = couriers;
const deadline = () => ({ signal: within(10_000) });
const subject = parseReference("alpine:3.16.0");
const hash = `sha256:${createHash("sha256").update("docker.io/library/alpine:3.16.0").digest("hex")}`;
const statementNow = () =>
  sightingStatement(sighting({ observedAt: new Date(Math.floor(Date.now() / 1000) * 1000) }));
const WORKFLOW = "acme/app/.github/workflows/build.yml@refs/heads/main";
const key = generateKeyPairSync("ec", { namedCurve: "P-256" })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

async function sigstore(): Promise<Sigstore> {
  const started = await startSigstore();
  onTestFinished(() => started.close());
  return started;
}

/** Records with these secrets, and reads the tag's history as who trusts this identity. */
async function recordAndRead(
  server: Sigstore,
  secrets: Readonly<Record<string, string>>,
  who: { issuer: string; identity: string },
): Promise<ReturnType<typeof readHistory>> {
  const { channel } = open(secrets);
  const uuid = await recordIn(server.url, { channel, statement: statementNow(), ...deadline() });
  const { entries } = await channel.find({ log: server.url, hash, including: uuid }, deadline());
  const trustedRoot = parseTrustedRoot(JSON.stringify(server.trustedRoot), "trusted_root.json");
  return readHistory(entries.map(asEvidence), { subject, trust: trusting(parseIdentity(who)), trustedRoot });
}

describe("with an identity token, what is recorded counts for who trusts the identity", () => {
  test.for<{ row: string; claims: Claims; issuer: string; identity: string }>([
    { row: "an email address", claims: {}, issuer: GOOGLE, identity: "ci@acme.example" },
    {
      row: "a workflow of GitHub",
      claims: githubClaims(WORKFLOW),
      issuer: GITHUB,
      identity: `https://github.com/${WORKFLOW}`,
    },
    {
      row: "any other subject",
      claims: { iss: "https://issuer.example", sub: "https://acme.example/ci", email: undefined },
      issuer: "https://issuer.example",
      identity: "https://acme.example/ci",
    },
    {
      row: "a token for several audiences",
      claims: { aud: ["other", "sigstore"] },
      issuer: GOOGLE,
      identity: "ci@acme.example",
    },
  ])("$row", async ({ claims, issuer, identity }) => {
    const server = await sigstore();
    const token = identityToken(claims);
    const { channel } = open({ "tlog-identity-token": `${token}\n` });
    expect(await channel.ready(deadline())).toEqual({ identity: { issuer, identity } });
    const history = await recordAndRead(server, { "tlog-identity-token": token }, { issuer, identity });
    expect(history.records).toMatchObject([
      { digest: DIGEST, signer: { kind: "identity", issuer, identity } },
    ]);
    expect(history.rejected).toEqual(new Map());
  });

  test("and every build has a key and a certificate of its own", async () => {
    const server = await sigstore();
    const secrets = { "tlog-identity-token": identityToken() };
    const who = { issuer: GOOGLE, identity: "ci@acme.example" };
    await recordAndRead(server, secrets, who);
    const [first, second] = [
      server.log.entries[0],
      (await recordAndRead(server, secrets, who), server.log.entries[1]),
    ];
    const certificateOf = (body: Buffer | undefined) => {
      const { spec } = JSON.parse(body?.toString() ?? "") as {
        spec: { content: { envelope: { signatures: [{ publicKey: string }] } } };
      };
      return spec.content.envelope.signatures[0].publicKey;
    };
    expect(certificateOf(first?.body)).not.toBe(certificateOf(second?.body));
  });
});

describe("in GitHub Actions", () => {
  const bearer = "ghs_Sf0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1w";
  const github = (url: string) => ({
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer,
    ACTIONS_ID_TOKEN_REQUEST_URL: `${url}job/9f8e7d6c5b4a39281706/idtoken?api-version=2.0`,
  });

  test("the token is fetched for the authority's audience, and signs", async () => {
    const server = await sigstore();
    const token = identityToken(githubClaims(WORKFLOW));
    const { url, asked, headers } = await localServer(json({ value: token, count: 1 }));
    const who = { issuer: GITHUB, identity: `https://github.com/${WORKFLOW}` };
    const secrets = github(url.href);
    const { records } = await recordAndRead(server, secrets, who);
    expect(records).toMatchObject([{ signer: who }]);
    expect(asked).toEqual(["GET /job/9f8e7d6c5b4a39281706/idtoken?api-version=2.0&audience=sigstore"]);
    expect(headers[0]?.authorization).toBe(`Bearer ${bearer}`);
    for (const courier of couriers.opened) {
      const seen = pieces(token).find((piece) => courier.said().includes(piece));
      expect(seen).toBeUndefined();
    }
  });

  test("a token that is about to expire is fetched again before it is used", async () => {
    const server = await sigstore();
    const old = new Date(Date.now() - 590_000);
    const tokens = [identityToken(githubClaims(WORKFLOW), old), identityToken(githubClaims(WORKFLOW))];
    const { url, asked } = await localServer((request, response) =>
      json({ value: tokens[Math.min(asked.length, 2) - 1] })(request, response),
    );
    const { channel } = open(github(url.href));
    await channel.ready(deadline());
    await recordIn(server.url, { channel, statement: statementNow(), ...deadline() });
    expect(asked).toHaveLength(2);
  });

  test("a job without the permission has no token, and cannot sign", async () => {
    const { channel } = open({ ACTIONS_ID_TOKEN_REQUEST_TOKEN: "", ACTIONS_ID_TOKEN_REQUEST_URL: "" });
    expect(await channel.ready(deadline())).toEqual({});
  });

  test.for<{ row: string; status: number; body: string; code: string; says: string }>([
    {
      row: "403",
      status: 403,
      body: bearer,
      code: "refused",
      says: 'status 403; a job gets tokens while it runs, and with "permissions: id-token: write"',
    },
    { row: "500 always", status: 500, body: "", code: "unreachable", says: "status 500" },
    {
      row: "HTML",
      status: 200,
      body: "<html>",
      code: "bad-answer",
      says: "the answer has no identity token",
    },
    {
      row: "no token",
      status: 200,
      body: "{}",
      code: "bad-answer",
      says: "the answer has no identity token",
    },
    {
      row: "a token that is none",
      status: 200,
      body: `{"value":"${bearer}"}`,
      code: "not-jwt",
      says: "is not an OpenID Connect identity token",
    },
    {
      row: "too much",
      status: 200,
      body: "x".repeat(200_000),
      code: "unreachable",
      says: "the answer is larger than any token",
    },
  ])("$row from GitHub is a problem that is told", async ({ status, body, code, says }) => {
    const { url } = await localServer((_, response) => {
      response.writeHead(status);
      response.end(body);
    });
    const { channel } = open(github(url.href), { TLOG_DEADLINE_MS: "4000" });
    const { signerProblem } = await channel.ready(deadline());
    expect(signerProblem).toMatch(
      new RegExp(`^identity-token-${code}: secret "ACTIONS_ID_TOKEN_REQUEST_TOKEN" `),
    );
    expect(signerProblem).toContain(says);
    expect(signerProblem).not.toContain("9f8e7d6c5b4a39281706");
  });

  test("a GitHub that is down is a problem that is told", async () => {
    const { href } = await closedPort();
    const { channel } = open(github(href), { TLOG_DEADLINE_MS: "500" });
    const { signerProblem } = await channel.ready(deadline());
    expect(signerProblem).toContain("identity-token-unreachable: ");
    expect(signerProblem).toContain(`GET ${new URL(href).origin}/…: no connection`);
  });

  test.for(["http://github.example/token", "https://ci:pw@github.example/", "file:///etc/passwd", "idtoken"])(
    "the address %s is not asked",
    async (address) => {
      const { channel } = open({ ...github("https://x.example/"), ACTIONS_ID_TOKEN_REQUEST_URL: address });
      expect((await channel.ready(deadline())).signerProblem).toBe(
        'identity-token-bad-url: secret "ACTIONS_ID_TOKEN_REQUEST_URL" brings no identity token: it is not a URL that begins with "https://"',
      );
    },
  );

  test.for([
    ["ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"],
    ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
  ] as const)("%s alone is half of what it takes", async ([there, missing]) => {
    const { channel } = open({ [there]: github("https://x.example/")[there] });
    expect((await channel.ready(deadline())).signerProblem).toBe(
      `identity-token-incomplete: secret "${there}" is given without "${missing}"; build with --secret id=${missing},env=${missing} too`,
    );
  });
});

describe("a token that cannot sign is told with the reason, before anybody is asked", () => {
  const now = new Date();
  const unsigned = identityToken().split(".").slice(0, 2).join(".");

  test.for<{ row: string; token: string; code: string; says: string }>([
    {
      row: "an expired one",
      token: identityToken({}, new Date(now.getTime() - 3_600_000)),
      code: "expired",
      says: `it expired at ${new Date(Math.floor(now.getTime() / 1000) * 1000 - 3_000_000).toISOString()}, and it is `,
    },
    {
      row: "one that never expires",
      token: identityToken({ exp: undefined }),
      code: "expired",
      says: "at no time",
    },
    {
      row: "one that expires in words",
      token: identityToken({ exp: "never" }),
      code: "expired",
      says: "at no time",
    },
    {
      row: "one for somebody else",
      token: identityToken({ aud: "sts.amazonaws.com" }),
      code: "wrong-audience",
      says: 'ask its issuer for a token with the audience "sigstore"',
    },
    {
      row: "one for nobody",
      token: identityToken({ aud: undefined }),
      code: "wrong-audience",
      says: "audience",
    },
    {
      row: "a password",
      token: "correct-horse-battery-staple",
      code: "not-jwt",
      says: "(a JWT: three parts",
    },
    { row: "one without signature", token: unsigned, code: "not-jwt", says: "a JWT" },
    {
      row: "one whose payload is text",
      token: "aaaa.Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5.aaaa",
      code: "not-jwt",
      says: "a JWT",
    },
    { row: "one whose payload is a list", token: "aaaa.W10.aaaa", code: "not-jwt", says: "a JWT" },
    { row: "a private key", token: key, code: "not-jwt", says: "a JWT" },
    { row: "none at all", token: "\n", code: "empty", says: "it is empty" },
    { row: "a huge one", token: "a".repeat(70_000), code: "too-large", says: "larger than 65536 bytes" },
    {
      row: "one without subject",
      token: identityToken({ sub: undefined }),
      code: "no-identity",
      says: "it names no issuer (iss) or no subject (sub)",
    },
    {
      row: "one without issuer",
      token: identityToken({ iss: "" }),
      code: "no-identity",
      says: "it names no issuer (iss)",
    },
    {
      row: "one whose subject moves the cursor",
      token: identityToken({ sub: "\u001b[2J" }),
      code: "no-identity",
      says: "no subject (sub)",
    },
    {
      row: "one whose address nobody verified",
      token: identityToken({ email_verified: false }),
      code: "unverified",
      says: "its issuer has not verified the email address",
    },
  ])("$row ($code)", async ({ token, code, says }) => {
    const { channel } = open({ "tlog-identity-token": token });
    const { identity, signerProblem } = await channel.ready(deadline());
    expect(identity).toBeUndefined();
    expect(signerProblem).toMatch(
      new RegExp(`^identity-token-${code}: secret "tlog-identity-token" cannot sign: `),
    );
    expect(signerProblem).toContain(says);
    const done = recordIn("http://127.0.0.1:1", { channel, statement: Buffer.from("{}"), ...deadline() });
    await expect(done).rejects.toMatchObject({ code: "no-signer", message: signerProblem });
  });

  test("also when it expires between the build's start and the record", async () => {
    const server = await sigstore();
    const expires = Math.floor(Date.now() / 1000) + 2;
    const token = identityToken({ exp: expires });
    const { channel } = open({ "tlog-identity-token": token });
    expect((await channel.ready(deadline())).signerProblem).toBeUndefined();
    await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(expires * 1000);
    const done = recordIn(server.url, { channel, statement: statementNow(), ...deadline() });
    await expect(done).rejects.toMatchObject({ code: "no-signer" });
    await expect(done).rejects.toThrow("identity-token-expired");
  });
});

test.for([
  ["tlog-signing-key", "tlog-identity-token"],
  ["tlog-signing-key", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
  ["tlog-identity-token", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
] as const)("%s and %s together are refused: it would not be clear who signs", async (names) => {
  const all: Record<string, string> = {
    "tlog-signing-key": key,
    "tlog-identity-token": identityToken(),
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "ghs_0123456789abcdef",
  };
  const url = names.includes("ACTIONS_ID_TOKEN_REQUEST_TOKEN" as never) && {
    ACTIONS_ID_TOKEN_REQUEST_URL: "https://never-asked.example/",
  };
  const { channel } = open({ ...Object.fromEntries(names.map((name) => [name, all[name] ?? ""])), ...url });
  expect(await channel.ready(deadline())).toEqual({
    signerProblem: `signing-several: secrets "${names[0]}" and "${names[1]}" are given, and each names another signer; give the one that is to sign`,
  });
});

describe("nothing is logged when the certificate authority", () => {
  const CERTIFICATES = "/api/v2/signingCert";
  const answer = (status: number, body: string): FaultRule["fault"] => ({ kind: "answer", status, body });
  const certificates = (...certificate: unknown[]) =>
    JSON.stringify({ signedCertificateEmbeddedSct: { chain: { certificates: certificate } } });
  const who = { identity: "ci@acme.example", issuer: GOOGLE };
  const issue = async ({ sct = true }: { sct?: boolean }) => {
    const authority = await certificateAuthority(newSigningKey(), {
      ...(sct && { ctlog: newSigningKey() }),
      time: new Date(Math.floor(Date.now() / 1000) * 1000),
    });
    return pem.fromDER(await authority.issue({ publicKey: newSigningKey(), ...who }));
  };

  test.for<{
    row: string;
    fault: (token: string) => FaultRule["fault"] | Promise<FaultRule["fault"]>;
    code: string;
    says: string;
  }>([
    {
      row: "does not take the token",
      fault: () => answer(401, '{"code":16,"message":"There was an error processing the credentials"}'),
      code: "refused",
      says: `answered status 401, "{"code":16,"message":"There was an error processing the credentials"}"; it must know the token's issuer`,
    },
    {
      row: "repeats the token in its refusal",
      fault: (token) => answer(400, JSON.stringify({ code: 3, message: `bad token ${token}` })),
      code: "refused",
      says: "the certificate authority answered status 400; it must know",
    },
    { row: "fails always", fault: () => answer(503, ""), code: "unreachable", says: "status 503" },
    {
      row: "does not answer in time",
      fault: () => ({ kind: "delay", ms: 30_000 }),
      code: "unreachable",
      says: "no answer in time",
    },
    {
      row: "drops the connection",
      fault: () => ({ kind: "drop" }),
      code: "unreachable",
      says: "socket hang up",
    },
    {
      row: "answers HTML",
      fault: () => answer(200, "<html>"),
      code: "bad-answer",
      says: "the answer is not a certificate",
    },
    {
      row: "answers no chain",
      fault: () => answer(201, "{}"),
      code: "bad-answer",
      says: "the answer is not a certificate",
    },
    {
      row: "answers an empty chain",
      fault: () => answer(201, certificates()),
      code: "bad-answer",
      says: "the authority answered no certificate",
    },
    {
      row: "answers without an end",
      fault: () => ({ kind: "oversize", bytes: 300_000 }),
      code: "bad-answer",
      says: "larger than 262144 bytes",
    },
    {
      row: "answers a number",
      fault: () => answer(201, certificates(7)),
      code: "bad-answer",
      says: "the authority answered no certificate",
    },
    {
      row: "answers a huge certificate",
      fault: () => answer(201, certificates("x".repeat(100_000))),
      code: "bad-answer",
      says: "no certificate",
    },
    {
      row: "answers the token",
      fault: (token) => answer(201, certificates(token)),
      code: "bad-answer",
      says: "the authority answered no certificate",
    },
    {
      row: "answers another key's certificate",
      fault: async () => answer(201, certificates(await issue({}))),
      code: "bad-answer",
      says: "with a certificate for another key than ours",
    },
  ])("$row ($code)", async ({ fault, code, says }) => {
    const server = await sigstore();
    const token = identityToken();
    server.misbehave({ path: CERTIFICATES, fault: await fault(token) });
    const { channel } = open({ "tlog-identity-token": token }, { TLOG_DEADLINE_MS: "1500" });
    const done = recordIn(server.url, { channel, statement: statementNow(), ...deadline() });
    await expect(done).rejects.toMatchObject({ code });
    await expect(done).rejects.toThrow(`POST ${server.url}${CERTIFICATES}: `);
    await expect(done).rejects.toThrow(says);
    expect(server.log.size).toBe(0);
  });

  test("certifies without a certificate log", async () => {
    const server = await startSigstore({ certificateLog: false });
    onTestFinished(() => server.close());
    const { channel } = open({ "tlog-identity-token": identityToken() });
    const done = recordIn(server.url, { channel, statement: statementNow(), ...deadline() });
    await expect(done).rejects.toMatchObject({ code: "bad-answer" });
    await expect(done).rejects.toThrow("without proof of being in a certificate log (SCT)");
    expect(server.log.size).toBe(0);
  });

  test("is down", async () => {
    const server = await sigstore();
    const { href } = await closedPort();
    const { channel } = open({ "tlog-identity-token": identityToken() }, { TLOG_DEADLINE_MS: "500" });
    const urls = { log: { url: server.url, api: 1 as const }, fulcio: href, timestamps: [] };
    const done = channel.record({ ...urls, statement: statementNow() }, deadline());
    await expect(done).rejects.toMatchObject({ code: "unreachable" });
    await expect(done).rejects.toThrow(`POST ${href}api/v2/signingCert: `);
    expect(server.log.size).toBe(0);
  });
});

test("an encrypted key signs with its password, and neither is seen", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const passphrase = "correct-horse-battery-staple";
  const encrypted = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase });
  const secrets = { "tlog-signing-key": encrypted.toString(), "tlog-signing-password": passphrase };
  const { channel } = open(secrets);
  expect(await channel.ready(deadline())).toEqual({
    publicKey: publicKey.export({ type: "spki", format: "pem" }),
  });
  const wrong = open({ ...secrets, "tlog-signing-password": "wrong-horse-battery-staple" });
  expect((await wrong.channel.ready(deadline())).signerProblem).toContain("signing-key-wrong-password: ");
});
