// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { dockerCredentials } from "../../src/registry/credentials.ts";
import { within } from "../courier/local-server.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const me = { kind: "password", username: "me", password: "hunter2" };
const ME = { auth: base64("me:hunter2") };

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "credentials-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** The credentials of a configuration; a text is written as it stands. */
function configured(config: unknown, { path = "" } = {}) {
  const docker = directory();
  const file = join(docker, "config.json");
  writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  const credentials = dockerCredentials({ DOCKER_CONFIG: docker, PATH: `${path}:/usr/bin:/bin` });
  return { file, of: (registry: string, signal = within(20_000)) => credentials.of(registry, signal) };
}

/** A directory for PATH with a fake helper, a shell script; what it is asked is in the file `asked` beside it. */
function fakeHelper(script: string, name = "fake"): string {
  const path = directory();
  const program = join(path, `docker-credential-${name}`);
  writeFileSync(program, `#!/bin/sh\n{ echo "$@"; cat; } > ${path}/asked\n${script}\n`);
  chmodSync(program, 0o755);
  return path;
}

const printing = (value: unknown) => `cat <<'END'\n${JSON.stringify(value)}\nEND`;

describe("credentials are found in Docker's configuration", () => {
  test.for([
    { row: "by the host", auths: { "ghcr.io": ME }, registry: "ghcr.io" },
    { row: "by a URL", auths: { "https://ghcr.io": ME }, registry: "ghcr.io" },
    { row: "by a URL with a path", auths: { "http://ghcr.io/v2/": ME }, registry: "ghcr.io" },
    { row: "by a host in capitals", auths: { "GHCR.io": ME }, registry: "ghcr.io" },
    { row: "with a port", auths: { "localhost:5000": ME }, registry: "localhost:5000" },
    { row: "of Docker Hub", auths: { "https://index.docker.io/v1/": ME }, registry: "docker.io" },
    { row: "of Docker Hub by its short name", auths: { "docker.io": ME }, registry: "registry-1.docker.io" },
    {
      row: "by the plain host first",
      auths: { "https://ghcr.io/x": { auth: base64("you:x") }, "ghcr.io": ME },
      registry: "ghcr.io",
    },
    {
      row: "as name and password",
      auths: { "ghcr.io": { username: "me", password: "hunter2" } },
      registry: "ghcr.io",
    },
    {
      row: "that Docker padded",
      auths: { "ghcr.io": { auth: base64("me:hunter2\0\0") } },
      registry: "ghcr.io",
    },
  ])("$row", async ({ auths, registry }) => {
    expect(await configured({ auths }).of(registry)).toEqual(me);
  });

  test("with a colon in the password", async () => {
    const { of } = configured({ auths: { "ghcr.io": { auth: base64("me:a:b") } } });
    expect(await of("ghcr.io")).toEqual({ kind: "password", username: "me", password: "a:b" });
  });

  test("as an identity token", async () => {
    const { of } = configured({ auths: { "ghcr.io": { auth: base64("me:"), identitytoken: "t0ken" } } });
    expect(await of("ghcr.io")).toEqual({ kind: "identity-token", token: "t0ken" });
  });

  test("in the home directory where nothing else is named", async () => {
    const home = directory();
    mkdirSync(join(home, ".docker"));
    writeFileSync(join(home, ".docker", "config.json"), JSON.stringify({ auths: { "ghcr.io": ME } }));
    expect(await dockerCredentials({ HOME: home }).of("ghcr.io", within(5_000))).toEqual(me);
  });

  test("anew after another login", async () => {
    const { of, file } = configured({ auths: {} });
    expect(await of("ghcr.io")).toBeUndefined();
    writeFileSync(file, JSON.stringify({ auths: { "ghcr.io": ME } }));
    expect(await of("ghcr.io")).toEqual(me);
  });
});

describe("there are no credentials", () => {
  test.for([
    { row: "in an empty configuration", config: {} },
    { row: "for another registry", config: { auths: { "ghcr.io.evil.example": ME, "quay.io": ME } } },
    { row: "in an empty entry", config: { auths: { "ghcr.io": {} }, credsStore: "" } },
  ])("$row", async ({ config }) => {
    expect(await configured(config).of("ghcr.io")).toBeUndefined();
  });

  test("without a configuration", async () => {
    const credentials = dockerCredentials({ DOCKER_CONFIG: join(directory(), "none") });
    expect(await credentials.of("ghcr.io", within(5_000))).toBeUndefined();
  });
});

describe("a broken configuration is an error that names the file and repeats nothing of it", () => {
  test.for([
    { row: "no JSON", config: '{"hunter2', text: "not JSON" },
    { row: "a list", config: ["hunter2"], text: "is not an object" },
    { row: "an entry that is text", config: { auths: { "ghcr.io": "hunter2" } }, text: "is not an object" },
    {
      row: "a password that is a list",
      config: { auths: { "ghcr.io": { auth: ["hunter2"] } } },
      text: "is not text",
    },
    {
      row: "no colon",
      config: { auths: { "ghcr.io": { auth: base64("hunter2") } } },
      text: 'the entry for "ghcr.io" has an "auth" that is not',
    },
    {
      row: "a helper with a path",
      config: { credsStore: "../hunter2" },
      text: "is not the name of a credential helper",
    },
    {
      row: "a helper with options",
      config: { credHelpers: { "ghcr.io": "x hunter2" } },
      text: "is not the name of a credential helper",
    },
    { row: "more than a megabyte", config: " ".repeat(1024 * 1024 + 1), text: "larger than 1048576 bytes" },
  ])("$row", async ({ config, text }) => {
    const { of, file } = configured(config);
    const done = of("ghcr.io");
    await expect(done).rejects.toMatchObject({ name: "RegistryError", code: "needs-credentials" });
    await expect(done).rejects.toThrow(text);
    await expect(done).rejects.toThrow(`credentials in "${file}"`);
    await expect(done).rejects.not.toThrow(/hunter2(?!-)/);
  });

  test("a directory", async () => {
    const docker = directory();
    mkdirSync(join(docker, "config.json"));
    const done = dockerCredentials({ DOCKER_CONFIG: docker }).of("ghcr.io", within(5_000));
    await expect(done).rejects.toThrow("cannot be read: EISDIR");
  });
});

describe("a credential helper", () => {
  const kept = { ServerURL: "x", Username: "me", Secret: "hunter2" };

  test.for([
    {
      row: "for one registry",
      config: { credHelpers: { "ghcr.io": "fake" } },
      registry: "ghcr.io",
      server: "ghcr.io",
    },
    { row: "for all", config: { credsStore: "fake" }, registry: "localhost:5000", server: "localhost:5000" },
    {
      row: "for Docker Hub",
      config: { credsStore: "fake" },
      registry: "docker.io",
      server: "https://index.docker.io/v1/",
    },
    {
      row: "before what is in the file",
      config: { credsStore: "fake", auths: { "ghcr.io": { auth: base64("you:x") } } },
      registry: "ghcr.io",
      server: "ghcr.io",
    },
    {
      row: "for one registry before that for all",
      config: { credsStore: "other", credHelpers: { "https://ghcr.io": "fake" } },
      registry: "ghcr.io",
      server: "ghcr.io",
    },
  ])("is asked $row", async ({ config, registry, server }) => {
    const path = fakeHelper(printing(kept));
    expect(await configured(config, { path }).of(registry)).toEqual(me);
    expect(readFileSync(join(path, "asked"), "utf8")).toBe(`get\n${server}`);
  });

  test("gives an identity token", async () => {
    const path = fakeHelper(printing({ ...kept, Username: "<token>" }));
    const done = configured({ credsStore: "fake" }, { path }).of("ghcr.io");
    expect(await done).toEqual({ kind: "identity-token", token: "hunter2" });
  });

  test.for([
    { row: "says so", script: 'echo "credentials not found in native keychain"; exit 1' },
    { row: "gives an empty one", script: printing({ Username: "", Secret: "" }) },
  ])("that has none and $row leaves it to the file", async ({ script }) => {
    const path = fakeHelper(script);
    expect(await configured({ credsStore: "fake" }, { path }).of("ghcr.io")).toBeUndefined();
    const both = configured({ credsStore: "fake", auths: { "ghcr.io": ME } }, { path });
    expect(await both.of("ghcr.io")).toEqual(me);
  });

  test.for([
    { row: "fails", script: "echo hunter2; echo hunter2 >&2; exit 3", text: "it ended with exit code 3" },
    { row: "is killed", script: "kill -9 $$", text: "it was killed" },
    { row: "prints no JSON", script: "echo hunter2", text: "is not JSON" },
    { row: "prints a list", script: printing(["hunter2"]), text: "are no credentials" },
    { row: "prints without end", script: "exec cat /dev/zero", text: "more than 65536 bytes" },
  ])("that $row is an error that repeats nothing of what it printed", async ({ script, text }) => {
    const path = fakeHelper(script);
    const done = configured({ credsStore: "fake" }, { path }).of("ghcr.io");
    await expect(done).rejects.toMatchObject({ name: "RegistryError", code: "needs-credentials" });
    await expect(done).rejects.toThrow(`"docker-credential-fake" for "ghcr.io": `);
    await expect(done).rejects.toThrow(text);
    await expect(done).rejects.not.toThrow("hunter2");
  });

  test("that is not there is an error", async () => {
    const done = configured({ credsStore: "nobody" }).of("ghcr.io");
    await expect(done).rejects.toThrow('"docker-credential-nobody" for "ghcr.io": it cannot be started');
  });

  test("that hangs, or leaves somebody who does, ends with the deadline", async () => {
    for (const script of ["sleep 5", "sleep 5 & exit 0"]) {
      const path = fakeHelper(script);
      const done = configured({ credsStore: "fake" }, { path }).of("ghcr.io", within(300));
      await expect(done).rejects.toMatchObject({ code: "unreachable" });
      await expect(done).rejects.toThrow("did not answer in time");
    }
  });
});
