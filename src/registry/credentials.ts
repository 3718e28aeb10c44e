// SPDX-License-Identifier: Apache-2.0
import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { canonicalRegistry, DOCKER_HUB } from "../image/registry.ts";
import { excerpt } from "../log/excerpt.ts";
import { conform, parseJson } from "../log/foreign-json.ts";
import { askHelper } from "./credential-helper.ts";
import { RegistryError } from "./error.ts";

/** What logs in to a registry: a name and a password, or the refresh token of an OAuth2 login. */
export type Credential =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  | { readonly kind: "identity-token"; readonly token: string };

/** Where credentials come from. */
export interface Credentials {
  /** Those for a registry (`docker.io`, `localhost:5000`); undefined when there are none. Throws RegistryError. */
  of(registry: string, signal: AbortSignal): Promise<Credential | undefined>;
}

/** The largest configuration that is read, in bytes. */
const MAX_CONFIG_BYTES = 1024 * 1024;
/** What Docker calls Docker Hub, in its configuration and to helpers. */
const DOCKER_HUB_SERVER = "https://index.docker.io/v1/";
/** The name that helpers give to an identity token. */
const TOKEN_USER = "<token>";

// Messages of ours, because the schema's own quote the value, and that may be a password.
const text = v.string("is not text");
const Auth = v.object(
  {
    auth: v.optional(text),
    username: v.optional(text),
    password: v.optional(text),
    identitytoken: v.optional(text),
  },
  "is not an object",
);
const HelperName = v.pipe(text, v.regex(/^[a-z0-9._-]{1,64}$/, "is not the name of a credential helper"));
const DockerConfig = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value), "is not an object"),
  v.object(
    {
      auths: v.optional(v.record(text, Auth, "is not an object"), {}),
      credHelpers: v.optional(v.record(text, HelperName, "is not an object"), {}),
      // Docker writes an empty one for none.
      credsStore: v.optional(v.union([v.literal(""), HelperName], "is not the name of a credential helper")),
    },
    "is not an object",
  ),
);

/**
 * The credentials that `docker login` keeps: in `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, or in the helpers that it
 * names. It is read anew each time, because a login ends and another one takes its place.
 */
export function dockerCredentials(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Credentials {
  const directory = environment["DOCKER_CONFIG"] || join(environment["HOME"] || homedir(), ".docker");
  const path = join(directory, "config.json");
  return {
    async of(registry, signal) {
      const host = canonicalRegistry(registry);
      const bytes = await contentOf(path);
      if (bytes === undefined) return undefined;
      const fail = (why: string, cause?: unknown) => unusable(path, why, cause);
      // Of its text nothing is repeated: it holds passwords.
      const json = parseJson(bytes, (why) => fail(why));
      const config = conform(DockerConfig, json, fail, "configuration");
      const helper = ofHost(config.credHelpers, host) ?? config.credsStore;
      if (helper) {
        const server = host === DOCKER_HUB ? DOCKER_HUB_SERVER : host;
        const kept = await askHelper({ helper, server, environment, signal });
        if (kept?.username === TOKEN_USER) return { kind: "identity-token", token: kept.secret };
        if (kept) return { kind: "password", username: kept.username, password: kept.secret };
      }
      const auth = ofHost(config.auths, host);
      return auth && credentialIn(auth, (why) => fail(`the entry for "${host}" ${why}`));
    },
  };
}

/** The value under the key that is this host, in whatever spelling; the plain one comes first. */
function ofHost<T>(values: Readonly<Record<string, T>>, host: string): T | undefined {
  const [, value] =
    Object.entries(values).find(([key]) => key === host) ??
    Object.entries(values).find(([key]) => hostOf(key) === host) ??
    [];
  return value;
}

function hostOf(key: string): string {
  return canonicalRegistry(key.replace(/^https?:\/\//, "").replace(/\/.*$/s, ""));
}

function credentialIn(
  { auth, username, password, identitytoken }: v.InferOutput<typeof Auth>,
  fail: (why: string) => Error,
): Credential | undefined {
  if (identitytoken) return { kind: "identity-token", token: identitytoken };
  if (!auth) {
    return username && password !== undefined ? { kind: "password", username, password } : undefined;
  }
  const pair = /^([^:]+):(.*)$/s.exec(Buffer.from(auth, "base64").toString("utf8"));
  // Docker pads passwords with it.
  const decoded = pair?.[2]?.replace(/\0+$/, "");
  if (pair?.[1] === undefined || decoded === undefined)
    throw fail('has an "auth" that is not base64 of NAME:PASSWORD');
  return { kind: "password", username: pair[1], password: decoded };
}

/** Undefined when there is no such file. */
async function contentOf(path: string): Promise<Buffer | undefined> {
  const failed = (cause: unknown) => {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    return code === "ENOENT" || code === "ENOTDIR"
      ? undefined
      : unusable(path, `cannot be read: ${code}`, cause);
  };
  try {
    await using file = await open(path, "r");
    const buffer = Buffer.alloc(MAX_CONFIG_BYTES + 1);
    let size = 0;
    for (let read = 1; read > 0 && size < buffer.length; size += read)
      read = (await file.read(buffer, size, buffer.length - size)).bytesRead;
    if (size > MAX_CONFIG_BYTES) throw unusable(path, `is larger than ${MAX_CONFIG_BYTES} bytes`);
    return buffer.subarray(0, size);
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    const error = failed(cause);
    if (error !== undefined) throw error;
    return undefined;
  }
}

function unusable(path: string, why: string, cause?: unknown): RegistryError {
  return new RegistryError(
    "needs-credentials",
    `credentials in "${excerpt(path, 300)}": ${why}; correct the file, or log in again`,
    { cause },
  );
}
