// SPDX-License-Identifier: Apache-2.0
import { type Digest } from "../../src/image/digest.ts";
import { familiarName, formatReference, parseReference, type Reference } from "../../src/image/reference.ts";
import { type AskedSolve, encodeResult, FakeFailure, type FakeBehaviour } from "../gateway/fake-buildkit.ts";
import { run, type SampleLlb, sampleLlb, source } from "../llb/sample-llb.ts";

/** What a registry has under a name. */
export interface SampleImage {
  readonly digest: Digest;
  /** Without layers an image leaves no source in the LLB, unless a named context brings it in. */
  readonly layers: boolean;
  /** Instructions that its ONBUILD adds to a stage. */
  readonly onbuild?: readonly string[];
  /** The image store has it and gives no digest, unless the registry is asked (`image-resolve-mode=pull`). */
  readonly undigested?: boolean;
}

/** One question to a registry: which FROM or COPY asks, and for what platform. */
export interface Asker {
  readonly line: number;
  readonly platform: string;
}

export interface Miniature {
  readonly dockerfile: string;
  readonly images: Readonly<Record<string, SampleImage | ((asker: Asker) => SampleImage)>>;
  /** How the file is called; `Dockerfile` by default. */
  readonly filename?: string;
}

type Attestations = NonNullable<Parameters<typeof encodeResult>[0]["attestations"]>;

/** What a stage or an instruction begins with. */
interface Base {
  readonly digest: string | undefined;
  readonly onbuild: readonly string[];
}

interface Stage {
  readonly name: string | undefined;
  readonly base: string;
  readonly line: number;
  readonly platform: string | undefined;
  readonly instructions: { readonly text: string; readonly line: number }[];
}

/**
 * Converts small Dockerfiles as BuildKit does, as far as images go: FROM (with variables, AS and --platform), COPY
 * and RUN with `--from=` or `--mount=from=`, ENV; ONBUILD, named contexts, linked inputs, targets and several
 * platforms. Answers as the fake BuildKit's `solve` and `resolve`.
 */
export function miniature(what: Miniature): Required<Pick<FakeBehaviour, "solve" | "resolve">> {
  return {
    solve: (request) => (request.Frontend === "" ? encodeResult({}) : convert(what, request)),
    resolve: ({ Ref, ResolveMode }) => {
      const image = lookUp(what, parseReference(Ref), { line: 0, platform: "" });
      return image.undigested && ResolveMode !== "pull" ? "" : image.digest;
    },
  };
}

function convert(what: Miniature, request: AskedSolve): Uint8Array {
  const { FrontendOpt: options } = request;
  const stages = readStages(what.dockerfile, options);
  if (options["requestid"] === "frontend.targets") {
    const sources = [Buffer.from(what.dockerfile).toString("base64")];
    return encodeResult({
      metadata: { "result.json": Buffer.from(JSON.stringify({ targets: [], sources })) },
    });
  }
  if (options["requestid"]) {
    return encodeResult({ metadata: { "result.txt": Buffer.from(`answer to ${options["requestid"]}`) } });
  }
  const platforms = (options["platform"] ?? "linux/amd64").split(",");
  const refs = platforms.map((platform) => {
    const def = convertFor(what, { request, stages, platform });
    return { id: def.length > 0 ? `ref-${platform}` : "", def };
  });
  const attestations = attestationsOf(what, options, platforms);
  const [only] = refs;
  if (refs.length === 1 && only) return encodeResult({ ref: only, attestations });
  const byPlatform = Object.fromEntries(platforms.map((platform, index) => [platform, refs[index] ?? {}]));
  return encodeResult({ refs: { refs: byPlatform }, attestations });
}

/** With `--sbom` the generator runs on each platform's result; its image has no digest unless its option has one. */
function attestationsOf(
  what: Miniature,
  options: Readonly<Record<string, string>>,
  platforms: readonly string[],
): Attestations {
  const sbom = options["attest:sbom"];
  if (sbom === undefined) return {};
  const name = /(?:^|,)generator=([^,]*)/.exec(sbom)?.[1] ?? "docker/buildkit-syft-scanner:stable-1";
  const reference = parseReference(name);
  lookUp(what, reference, { line: 0, platform: "" });
  return Object.fromEntries(
    platforms.map((platform) => {
      const llb = sampleLlb({ filename: "Dockerfile", text: what.dockerfile });
      const generator = llb.add(source(`docker-image://${formatReference(reference)}`, platformOf(platform)));
      const def = llb.endAt(llb.add(run("scan", [generator])));
      return [platform, { attestation: [{ path: "/sbom.json", ref: { id: `sbom-${platform}`, def } }] }];
    }),
  );
}

function readStages(dockerfile: string, options: Readonly<Record<string, string>>): Stage[] {
  const stages: Stage[] = [];
  const values: Record<string, string> = {};
  for (const [index, text] of dockerfile.split("\n").entries()) {
    const line = index + 1;
    const [, name, value] = /^ARG (\w+)=?(.*)$/.exec(text) ?? [];
    if (name !== undefined && stages.length === 0) values[name] = options[`build-arg:${name}`] ?? value ?? "";
    const expand = (word: string): string =>
      word.replaceAll(/\$\{(\w+)\}/g, (_, key: string) =>
        key === "TARGETSTAGE" ? (options["target"] ?? "default") : (values[key] ?? ""),
      );
    const [, platform, base, as] = /^FROM (?:--platform=(\S+) )?(\S+)(?: AS (\S+))?$/.exec(text) ?? [];
    if (base !== undefined) stages.push({ name: as, base: expand(base), line, platform, instructions: [] });
    else if (/^(?:COPY|RUN)/.test(text)) stages.at(-1)?.instructions.push({ text, line });
  }
  return stages;
}

function convertFor(
  what: Miniature,
  { request, stages, platform }: { request: AskedSolve; stages: readonly Stage[]; platform: string },
): Uint8Array {
  const { FrontendOpt: options, FrontendInputs: inputs } = request;
  const llb = sampleLlb({ filename: what.filename ?? "Dockerfile", text: what.dockerfile });
  const done = new Map<Stage, string | undefined>();

  const context = (name: string, at: string): Base | undefined => {
    const value = options[`context:${name}::${at}`] ?? options[`context:${name}`];
    if (value === undefined) return undefined;
    if (value.startsWith("input:")) {
      return { digest: llb.addAll(inputs[value.slice("input:".length)] ?? new Uint8Array()), onbuild: [] };
    }
    const digest = llb.add(source(value, platformOf(at)));
    if (!value.startsWith("docker-image://")) return { digest, onbuild: [] };
    const reference = parseReference(value.slice("docker-image://".length));
    return { digest, onbuild: lookUp(what, reference, { line: 0, platform: at }).onbuild ?? [] };
  };

  const image = (
    reference: Reference,
    { line, from, at }: { line: number; from: boolean; at: string },
  ): Base => {
    const known = context(familiarName(reference), at);
    if (known) return known;
    const asked = lookUp(what, reference, { line, platform: at });
    const digest = addImage(llb, {
      reference,
      asked,
      pull: options["image-resolve-mode"] === "pull",
      line,
      from,
      at,
    });
    return { digest, onbuild: from ? (asked.onbuild ?? []) : [] };
  };

  const stageOf = (name: string, before: number): Stage | undefined =>
    stages.slice(0, before).findLast((stage) => stage.name?.toLowerCase() === name.toLowerCase());

  const convertStage = (stage: Stage): string | undefined => {
    if (done.has(stage)) return done.get(stage);
    const index = stages.indexOf(stage);
    const at = stage.platform === "$BUILDPLATFORM" ? "linux/amd64" : platform;
    const replaced = stage.name === undefined ? undefined : context(stage.name, at);
    if (replaced) return replaced.digest;
    const parent = stageOf(stage.base, index);
    const base: Base = parent
      ? { digest: convertStage(parent), onbuild: [] }
      : stage.base === "scratch"
        ? { digest: undefined, onbuild: [] }
        : image(parseReference(stage.base), { line: stage.line, from: true, at });
    let digest = base.digest;
    const triggers = base.onbuild.map((text) => ({ text, line: stage.line }));
    for (const { text, line } of [...triggers, ...stage.instructions]) {
      const [, name] = /from=(\S+)/.exec(text) ?? [];
      const copied = name === undefined ? undefined : stageOf(name, index);
      const from = copied
        ? convertStage(copied)
        : name === undefined
          ? undefined
          : image(parseReference(name), { line: text.startsWith("COPY") ? line : 0, from: false, at }).digest;
      digest = llb.add(run(`${text} ${at}`, [digest, from]), [[line, line]]);
    }
    done.set(stage, digest);
    return digest;
  };

  const target = options["target"] ? stageOf(options["target"], stages.length) : stages.at(-1);
  if (!target) throw new FakeFailure(`target stage "${options["target"] ?? ""}" could not be found`);
  return llb.endAt(convertStage(target));
}

function addImage(
  llb: SampleLlb,
  image: {
    reference: Reference;
    asked: SampleImage;
    pull: boolean;
    line: number;
    from: boolean;
    at: string;
  },
): string | undefined {
  const { reference, asked, pull, line, from, at } = image;
  if (!asked.layers && from) return undefined;
  const digest = reference.digest ?? (asked.undigested && !pull ? undefined : asked.digest);
  const name = formatReference({ ...reference, ...(digest && { digest }) });
  return llb.add(source(`docker-image://${name}`, platformOf(at)), line > 0 ? [[line, line]] : undefined);
}

function lookUp({ images }: Miniature, reference: Reference, asker: Asker): SampleImage {
  const { digest: _, ...tagged } = reference;
  const names = [tagged, reference].map(formatReference);
  const found = Object.entries(images).find(([name]) =>
    names.includes(formatReference(parseReference(name))),
  )?.[1];
  if (found === undefined) throw new FakeFailure(`${formatReference(reference)}: not found`);
  return typeof found === "function" ? found(asker) : found;
}

function platformOf(text: string): { OS: string; Architecture: string } {
  const [OS = "", Architecture = ""] = text.split("/");
  return { OS, Architecture };
}
