// SPDX-License-Identifier: Apache-2.0

/** A platform in the parts that Dockerfile variables have; absent parts are empty. */
export interface Platform {
  readonly os: string;
  readonly osVersion: string;
  readonly architecture: string;
  readonly variant: string;
}

/** Text that is not `os[(version)]`, `arch` or `os[(version)]/arch[/variant]`. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
}

const SYSTEMS = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);
const ARCHITECTURES = new Set(
  "386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm".split(" "),
);
const OS = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$/;
const PART = /^[A-Za-z0-9_.-]+$/;

/** The one spelling of architecture and variant that containerd's `platforms.Normalize` chooses. */
function normalize(architecture: string, variant: string): { architecture: string; variant: string } {
  switch (architecture) {
    case "i386":
      return { architecture: "386", variant: "" };
    case "x86_64":
    case "x86-64":
    case "amd64":
      return { architecture: "amd64", variant: variant === "v1" ? "" : variant };
    case "aarch64":
    case "arm64":
      if (["8", "v8", "v8.0"].includes(variant)) return { architecture: "arm64", variant: "" };
      return { architecture: "arm64", variant: ["9", "9.0", "v9.0"].includes(variant) ? "v9" : variant };
    case "armhf":
      return { architecture: "arm", variant: "v7" };
    case "armel":
      return { architecture: "arm", variant: "v6" };
    case "arm":
      if (variant === "") return { architecture, variant: "v7" };
      return { architecture, variant: /^[5-8]$/.test(variant) ? `v${variant}` : variant };
    default:
      return { architecture, variant };
  }
}

/**
 * Reads a platform as `--platform` takes it, normalized. A system or an architecture alone takes the other from
 * `local`, the platform of the builder. Throws PlatformError.
 */
export function parsePlatform(text: string, local?: Platform): Platform {
  const fail = (): never => {
    throw new PlatformError(
      `read platform ${JSON.stringify(text.slice(0, 160))}: it is not os/architecture[/variant]`,
    );
  };
  const parts = text.split("/", 4);
  const [, system = fail(), version = ""] = OS.exec(parts[0] ?? "") ?? [];
  if (parts.length > 3 || !parts.slice(1).every((part) => PART.test(part))) fail();
  const lower = system.toLowerCase();
  const os = lower === "macos" ? "darwin" : lower;
  const [, architecture, variant = ""] = parts;
  if (architecture !== undefined) {
    return { os, osVersion: version, ...normalize(architecture.toLowerCase(), variant.toLowerCase()) };
  }
  if (local === undefined) return fail();
  if (SYSTEMS.has(os)) return { ...local, os, osVersion: version };
  const alone = normalize(lower, "");
  return ARCHITECTURES.has(alone.architecture) ? { ...local, ...alone } : fail();
}

/** `os/architecture[/variant]`, as in `BUILDPLATFORM`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== "").join("/");
}

/** `os[(version)]/architecture[/variant]`, as in `TARGETPLATFORM` and after `::` in the name of a named context. */
export function formatWholePlatform(platform: Platform): string {
  const { os, osVersion } = platform;
  return formatPlatform(osVersion === "" ? platform : { ...platform, os: `${os}(${osVersion})` });
}
