// SPDX-License-Identifier: Apache-2.0
import type { Bridge } from "../gateway/bridge.ts";
import { type Digest, parseDigest } from "../image/digest.ts";
import { formatReference, parseReference, type Reference, taggedName } from "../image/reference.ts";
import type { ImageSource } from "../llb/image-sources.ts";

type Options = Readonly<Record<string, string>>;

const CONTEXT = "context:";
const DOCKER_IMAGE = "docker-image://";
/** BuildKit's name for an empty context. */
const SCRATCH = `${DOCKER_IMAGE}scratch`;
const SBOM = "attest:sbom";

/**
 * The options with a digest added to each named context that names an image by tag, because BuildKit puts such
 * a tag into the LLB as it is and resolves it only when the build runs. What does not resolve stays as it is:
 * if it is used, the gate refuses it.
 */
export async function pinNamedContexts(bridge: Bridge, options: Options): Promise<Options> {
  const pinned = await Promise.all(
    Object.entries(options).map(async ([name, value]) => {
      const reference =
        name.startsWith(CONTEXT) && value.startsWith(DOCKER_IMAGE) && value !== SCRATCH
          ? readReference(value.slice(DOCKER_IMAGE.length))
          : undefined;
      if (!reference || reference.digest) return [name, value] as const;
      const platform = platformOf(name) ?? options["platform"]?.split(",")[0];
      const digest = await resolveDigest(bridge, reference, platform);
      return [name, digest ? `${DOCKER_IMAGE}${formatReference({ ...reference, digest })}` : value] as const;
    }),
  );
  return Object.fromEntries(pinned);
}

/**
 * The options with which a conversion gives digests where it gave none: the SBOM generator by its own option,
 * images that an image store without digests answered for by asking the registry instead.
 */
export async function pinUndigested(
  bridge: Bridge,
  options: Options,
  undigested: readonly ImageSource[],
): Promise<Options> {
  let pinned = options;
  for (const { reference } of undigested) {
    if (SBOM in options && isGenerator(reference, options[SBOM] ?? "")) {
      const digest = await resolveDigest(bridge, reference);
      if (digest)
        pinned = { ...pinned, [SBOM]: withGenerator(options[SBOM] ?? "", { ...reference, digest }) };
    } else {
      pinned = { ...pinned, "image-resolve-mode": "pull" };
    }
  }
  return pinned;
}

/** The options with an image in the place of another one wherever they name that one with its digest. */
export function pinNames(options: Options, image: Reference, pinned: Reference): Options {
  const from = `${DOCKER_IMAGE}${formatReference(image)}`;
  const to = `${DOCKER_IMAGE}${formatReference(pinned)}`;
  const replaced = Object.entries(options).map(([name, value]) => {
    if (name.startsWith(CONTEXT) && value === from) return [name, to];
    const generator = name === SBOM ? readGenerator(value) : undefined;
    const isGeneratorOf = generator !== undefined && formatReference(generator) === formatReference(image);
    return [name, isGeneratorOf ? withGenerator(value, pinned) : value];
  });
  return Object.fromEntries(replaced) as Options;
}

/** The images that the options name: as named contexts, and as the SBOM generator. */
export function imagesInOptions(options: Options): readonly Reference[] {
  const contexts = Object.entries(options)
    .filter(
      ([name, value]) => name.startsWith(CONTEXT) && value.startsWith(DOCKER_IMAGE) && value !== SCRATCH,
    )
    .map(([, value]) => readReference(value.slice(DOCKER_IMAGE.length)));
  const sbom = options[SBOM];
  const generator = sbom === undefined ? undefined : readGenerator(sbom);
  return [...contexts, generator].filter((image) => image !== undefined);
}

/** The digest that an image has now, from the registry if the local store gives none. `undefined` when it does not resolve. */
export async function resolveDigest(
  bridge: Bridge,
  reference: Reference,
  platform?: string,
): Promise<Digest | undefined> {
  const [os = "", architecture = "", variant = ""] = platform?.split("/") ?? [];
  for (const mode of ["default", "pull"]) {
    try {
      const { Digest: digest } = await bridge.resolveImageConfig({
        Ref: formatReference(reference),
        ResolveMode: mode,
        LogName: `[tlog] resolve ${formatReference(reference)}`,
        ...(os && architecture && { Platform: { OS: os, Architecture: architecture, Variant: variant } }),
      });
      if (digest) return parseDigest(digest);
    } catch {
      // Not there, or not to be had: whether the build needs it at all is for the conversion to say.
    }
  }
  return undefined;
}

/** The generator that BuildKit's Dockerfile frontend uses when the option names none. */
const DEFAULT_GENERATOR = "docker/buildkit-syft-scanner:stable-1";

function isGenerator(reference: Reference, value: string): boolean {
  const generator = readGenerator(value);
  return (
    generator?.tag !== undefined &&
    reference.tag !== undefined &&
    taggedName(generator) === taggedName(reference)
  );
}

function readGenerator(value: string): Reference | undefined {
  return readReference(generatorField(value)?.slice("generator=".length) ?? DEFAULT_GENERATOR);
}

function withGenerator(value: string, reference: Reference): string {
  const others = value.split(",").filter((field) => field !== "" && field !== generatorField(value));
  return [`generator=${formatReference(reference)}`, ...others].join(",");
}

function generatorField(value: string): string | undefined {
  return value.split(",").find((field) => field.startsWith("generator="));
}

function readReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** The platform at the end of an option's name, `context:NAME::os/architecture`. A registry can be an IPv6 address. */
function platformOf(name: string): string | undefined {
  return /::([^:\]]+\/[^:\]]+)$/.exec(name)?.[1];
}
