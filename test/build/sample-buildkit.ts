// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import { formatReference, parseReference } from "../../src/image/reference.ts";
import { type Digest } from "../../src/image/digest.ts";
import { type AskedSolve, encodeResult, FakeFailure, type FakeBehaviour } from "../gateway/fake-buildkit.ts";

/** What a registry has under a name. */
export interface SampleImage {
  readonly digest: Digest;
  /** Without layers an image leaves no source in the LLB. */
  readonly layers: boolean;
  /** Instructions that it brings into builds upon it. */
  readonly onbuild?: readonly string[];
  readonly env?: readonly string[];
  /** The image store has it and gives no digest, unless the registry is asked (`pull`). */
  readonly undigested?: boolean;
}

/** One question to a registry: for which platform, and how many were there before about the same name. */
export interface Asker {
  readonly platform: string;
  readonly before: number;
}

export interface SampleBuild {
  readonly dockerfile: string;
  readonly images: Readonly<Record<string, SampleImage | ((asker: Asker) => SampleImage)>>;
  /** How the file is called; `Dockerfile` by default. */
  readonly filename?: string;
}

type Usual = Required<
  Pick<FakeBehaviour, "solve" | "resolve" | "files" | "llbCapabilities" | "capabilities">
>;

/**
 * A BuildKit that has a Dockerfile and these images, for the real conversion: definitions are taken and never run, and what is
 * read of them is the Dockerfile. Answers as the fake BuildKit.
 */
export function sampleBuildkit({ dockerfile, images, filename = "Dockerfile" }: SampleBuild): Usual {
  let refs = 0;
  const asked = new Map<string, number>();
  return {
    capabilities: GATEWAY,
    llbCapabilities: LLB,
    solve(request) {
      if (request.Frontend !== "") throw new FakeFailure(`no frontend is run here: ${request.Frontend}`);
      const isDockerfile = sourcesOf(request).some((identifier) => identifier === "local://dockerfile");
      refs += 1;
      const def = request.Definition ?? new Uint8Array();
      // BuildKit gives no name to a result of nothing at all.
      if (pb.Definition.decode(def).def?.length === 0) return encodeResult({ ref: { id: "" } });
      return encodeResult({ ref: { id: isDockerfile ? `dockerfile-${refs}` : `ref-${refs}`, def } });
    },
    files: (ref) => (ref.startsWith("dockerfile-") ? { [filename]: dockerfile } : {}),
    resolve({ Ref, ResolveMode, Platform }) {
      const reference = parseReference(Ref);
      const { digest, ...tagged } = reference;
      const platform = platformOf(Platform);
      const name = formatReference(tagged);
      const before = asked.get(name) ?? 0;
      asked.set(name, before + 1);
      const found = Object.entries(images).find(([key]) => {
        const { digest: _, ...known } = parseReference(key);
        return formatReference(known) === name;
      })?.[1];
      if (found === undefined) throw new FakeFailure(`${Ref}: not found`);
      const image = typeof found === "function" ? found({ platform, before }) : found;
      const isUndigested = image.undigested === true && ResolveMode !== "pull" && digest === undefined;
      // By a digest everything that ever was is still there.
      return { digest: isUndigested ? "" : (digest ?? image.digest), config: configOf(image, platform) };
    },
  };
}

function configOf({ layers, onbuild, env }: SampleImage, platform: string): Uint8Array {
  const [os, architecture, variant] = platform.split("/");
  const diff_ids = layers ? [`sha256:${"0".repeat(64)}`] : [];
  return Buffer.from(
    JSON.stringify({
      os,
      architecture,
      variant,
      config: { Env: env ?? ["PATH=/bin"], Entrypoint: ["/bin/scan"], ...(onbuild && { OnBuild: onbuild }) },
      rootfs: { type: "layers", diff_ids },
    }),
  );
}

function platformOf(platform: unknown): string {
  const { OS, Architecture, Variant } = (platform ?? {}) as pb.Platform.$Properties;
  return [OS || "linux", Architecture || "amd64", Variant].filter(Boolean).join("/");
}

/** The identifiers of a solve's sources. */
export function sourcesOf({ Definition }: AskedSolve): string[] {
  const { def } = pb.Definition.decode(Definition ?? new Uint8Array());
  return (def ?? []).flatMap((op) => pb.Op.decode(op).source?.identifier ?? []);
}

/** As Docker Engine 28 has them, as far as the conversion asks for them. */
const GATEWAY = (
  "solve.base solve.inlinereturn resolveimage resolveimage.resolvemode readfile return returnmap readdir statfile " +
  "importcaches proto.refarray reference.output frontend.inputs gateway.solve.metadata gateway.exec gateway.evaluate " +
  "gateway.solve.evaluate frontend.caps gateway.warnings reference.attestations source.metaresolver"
).split(" ");
const LLB = (
  "source.image source.image.resolvemode source.local source.local.unique source.local.sessionid source.local.includepatterns " +
  "source.local.followpaths source.local.excludepatterns source.local.sharedkeyhint source.local.differ source.git source.http " +
  "source.ocilayout exec.meta.base exec.meta.setsdefaultpath exec.meta.network exec.meta.security exec.mount.bind " +
  "exec.mount.bind.readwrite-nooutput exec.mount.cache exec.mount.cache.sharing exec.mount.selector exec.mount.tmpfs " +
  "exec.mount.secret exec.mount.ssh exec.secretenv file.base file.copy.includeexcludepatterns file.symlink.create constraints " +
  "platform meta.ignorecache meta.description meta.exportcache mergeop diffop"
).split(" ");
