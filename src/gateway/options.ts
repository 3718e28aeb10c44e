// SPDX-License-Identifier: Apache-2.0
/** What BuildKit tells a frontend container through its environment. */
export interface BuildOptions {
  /** The build's options, as `docker buildx build` sent them: `target`, `platform`, `build-arg:NAME`, `context:NAME`, … */
  readonly options: Readonly<Record<string, string>>;
  /** The platform of the builder itself, `linux/amd64`; empty when BuildKit does not say. */
  readonly buildPlatform: string;
  /** BuildKit's session with the client, who sends local files. */
  readonly sessionId?: string;
}

/** What the names of the variables begin with that have one option each. */
export const OPTION_VARIABLE = "BUILDKIT_FRONTEND_OPT_";
const BUILD_ARG = "build-arg:";

/** Reads the options from the environment of a frontend container (BuildKit, frontend/gateway). Never throws. */
export function readBuildOptions(environment: Readonly<Record<string, string | undefined>>): BuildOptions {
  const options: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(OPTION_VARIABLE) || value === undefined) continue;
    const equals = value.indexOf("=");
    if (equals < 0) options[value] = "";
    else options[value.slice(0, equals)] = value.slice(equals + 1);
  }
  const sessionId = environment["BUILDKIT_SESSION_ID"];
  return {
    options,
    buildPlatform: firstPlatform(environment["BUILDKIT_WORKERS"] ?? ""),
    ...(sessionId && { sessionId }),
  };
}

/** The first platform of the first worker in BuildKit's JSON. Read without a schema's package: this is loaded before anything. */
function firstPlatform(workers: string): string {
  let platform:
    | { readonly os?: unknown; readonly architecture?: unknown; readonly variant?: unknown }
    | undefined;
  try {
    platform = (JSON.parse(workers) as { readonly platforms?: { readonly os?: unknown }[] }[])[0]
      ?.platforms?.[0];
  } catch {
    return "";
  }
  const { os, architecture, variant = "" } = platform ?? {};
  const parts = [os, architecture, variant];
  return os && architecture && parts.every((part) => typeof part === "string")
    ? parts.filter(Boolean).join("/")
    : "";
}

/** The platforms of `--platform`; none when it is not given. */
export function askedPlatforms(options: Readonly<Record<string, string>>): string[] {
  return (options["platform"] ?? "").split(",").filter((platform) => platform !== "");
}

/** The values of `--build-arg`, by name. */
export function buildArgs(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([name]) => name.startsWith(BUILD_ARG))
      .map(([name, value]) => [name.slice(BUILD_ARG.length), value]),
  );
}

/** How a build asks for attestations (BuildKit, frontend/attestations): by options, or by build args. */
const ATTEST = /^(?:attest:|build-arg:BUILDKIT_ATTEST_)(.+)$/;

function wants(options: Readonly<Record<string, string>>, kind: string): boolean {
  return Object.keys(options).some((name) => ATTEST.exec(name)?.[1]?.toLowerCase() === kind);
}

/** Whether the build wants a provenance attestation, and so attestations beside the image. */
export function isProvenanceWanted(options: Readonly<Record<string, string>>): boolean {
  return wants(options, "provenance");
}

/** Whether the build wants a software bill of materials, which a generator image makes. */
export function isSbomWanted(options: Readonly<Record<string, string>>): boolean {
  return wants(options, "sbom");
}
