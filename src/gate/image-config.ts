// SPDX-License-Identifier: Apache-2.0
import * as v from "valibot";

/** The parts of an image's configuration that are looked at (Docker image specification 1.2). */
const Config = v.object({
  architecture: v.optional(v.string()),
  os: v.optional(v.string()),
  variant: v.optional(v.string()),
  config: v.nullish(
    v.object({ Env: v.nullish(v.array(v.string())), OnBuild: v.nullish(v.array(v.string())) }),
  ),
});

/**
 * The ONBUILD triggers of an image's configuration, such as `COPY --from=tools /bin /bin`; none when it does not parse.
 * For messages only: BuildKit reads more spellings of the key.
 */
export function onbuildOf(config: Uint8Array): readonly string[] {
  return parse(config)?.config?.OnBuild ?? [];
}

/** A configuration to go on with in the place of this one: of the same platform, with its environment, and nothing else. */
export function configForRefused(config: Uint8Array): Uint8Array {
  const { architecture, os, variant, config: run } = parse(config) ?? {};
  return Buffer.from(JSON.stringify({ architecture, os, variant, config: { Env: run?.Env ?? [] } }));
}

function parse(config: Uint8Array): v.InferOutput<typeof Config> | undefined {
  try {
    const { success, output } = v.safeParse(Config, JSON.parse(new TextDecoder().decode(config)));
    return success ? output : undefined;
  } catch {
    return undefined;
  }
}
