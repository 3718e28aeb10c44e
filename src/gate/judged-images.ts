// SPDX-License-Identifier: Apache-2.0
import type { pb } from "../../gen/gateway.js";
import type { ConsumedImage } from "../check/context.ts";
import { asPinned, type Judgement } from "../check/judgement.ts";
import type { Bridge } from "../gateway/bridge.ts";
import { CallError } from "../gateway/status.ts";
import { type Digest, parseDigest } from "../image/digest.ts";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import { type ImageSource, platformName } from "../llb/image-sources.ts";
import { MAX_CONFIG_BYTES, MAX_IMAGES } from "./bounds.ts";
import { GateError } from "./gate-error.ts";
import { configForRefused, onbuildOf } from "./image-config.ts";

/** Judges one image. What it learns of one it knows for the next. */
export type Judge = (image: ConsumedImage) => Promise<Judgement>;

/** What somebody asks about an image. */
export interface ImageQuestion {
  /** As it is named; with a digest when whoever named it wrote one. */
  readonly reference: Reference;
  readonly platform: pb.Platform.$Properties | undefined;
  /** BuildKit's resolve mode: `default`, `pull`, `local`, or empty. */
  readonly mode: string;
  /** What the build's progress calls it. */
  readonly logName: string;
  /** The call by which BuildKit is asked: the one by which we were. */
  readonly by: "ResolveSourceMeta" | "ResolveImageConfig";
}

/** What the conversion is answered about an image: the judged one, which is not always the one that its name leads to now. */
export interface ImageAnswer {
  /** With the digest. */
  readonly reference: Reference;
  /** The image's configuration, as JSON. */
  readonly config: Uint8Array;
}

/** An image of the build and the judgement on it. */
export interface JudgedImage {
  readonly judgement: Judgement;
  /** `linux/amd64`, …; none when it is not known. */
  readonly platforms: readonly string[];
  /** The ONBUILD triggers of its configuration. */
  readonly onbuild: readonly string[];
}

/**
 * Every image that a build asked for, each judged once: whoever asks again gets the same answer. This is the only way to an
 * image there is for a conversion.
 */
export class JudgedImages {
  readonly #bridge: Bridge;
  readonly #judge: Judge;
  readonly #asked = new Map<string, Promise<ImageAnswer>>();
  readonly #judged: JudgedImage[] = [];
  /** The names that a definition may hold. */
  readonly #answered = new Set<string>();
  readonly #refused = new Set<string>();
  /** Images that are as recorded for these platforms, and others than recorded for all the rest. */
  readonly #onlyFor = new Map<string, Set<string>>();

  constructor(bridge: Bridge, judge: Judge) {
    this.#bridge = bridge;
    this.#judge = judge;
  }

  /** In the order in which they were judged. */
  get all(): readonly JudgedImage[] {
    return this.#judged;
  }

  /** Whether one of them is refused: then nothing of the build may run. */
  get areRefused(): boolean {
    return this.#refused.size > 0;
  }

  /**
   * Whether this image was answered to somebody, and may be used for these platforms. It has its digest; only where the policy
   * refuses nothing may an image of this machine have none.
   */
  isAnswered({ reference, platforms }: Pick<ImageSource, "reference" | "platforms">): boolean {
    const name = formatReference(reference);
    if (!this.#answered.has(name)) return false;
    const only = this.#onlyFor.get(name);
    return only === undefined || (platforms.length > 0 && platforms.every((platform) => only.has(platform)));
  }

  /** Whether the build may not have this image. */
  isRefused(reference: Reference): boolean {
    return this.#refused.has(formatReference(reference));
  }

  /**
   * Resolves an image through BuildKit, judges it, and answers the judged image. Of a refused one the answer has no
   * ONBUILD, so that nothing is asked that only it names. Throws CallError when BuildKit does not resolve the image,
   * GateError for more images than are judged, and what judging throws.
   */
  resolve(question: ImageQuestion): Promise<ImageAnswer> {
    const { reference, platform, mode } = question;
    const key = [formatReference(reference), platform && platformName(platform), mode].join(" ");
    const known = this.#asked.get(key);
    if (known !== undefined) return known;
    if (this.#asked.size >= MAX_IMAGES) {
      throw new GateError(
        `the build asks for more than ${MAX_IMAGES} images; "${formatReference(reference)}" was one too many`,
      );
    }
    const answer = this.#resolveNew(question);
    this.#asked.set(key, answer);
    return answer;
  }

  /** Judges the images in a definition that another build made. They have their digests already, or are refused. */
  async judgeLinked(images: readonly ImageSource[]): Promise<void> {
    if (images.length + this.#asked.size > MAX_IMAGES)
      throw new GateError(`the linked builds have more than ${MAX_IMAGES} images`);
    await Promise.all(
      images.map(async ({ reference, platforms }) => {
        const judgement = await this.#judge({ reference, platforms, claimed: false });
        this.#settle({ judgement, platforms, onbuild: [] });
      }),
    );
  }

  async #resolveNew(question: ImageQuestion): Promise<ImageAnswer> {
    const resolved = await this.#ask(question);
    const platforms = question.platform ? [platformName(question.platform)] : [];
    const claimed = question.reference.digest !== undefined && question.reference.tag !== undefined;
    const judgement = await this.#judge({ reference: resolved.reference, platforms, claimed });
    const pinned = claimed ? undefined : await this.#pin(question, judgement, { platforms, moved: resolved });
    const { config, reference, settled } = pinned ?? { ...resolved, settled: judgement };
    this.#settle({ judgement: settled, platforms, onbuild: onbuildOf(config) });
    const isRefused = settled.outcome === "refuse";
    return { reference, config: isRefused ? configForRefused(config) : config };
  }

  /** The recorded image in the place of the one that the tag names now, when the rule wants that and it can be had. */
  async #pin(
    question: ImageQuestion,
    judged: Judgement,
    { platforms, moved }: { readonly platforms: readonly string[]; readonly moved: ImageAnswer },
  ): Promise<(ImageAnswer & { readonly settled: Judgement }) | undefined> {
    const { verdict, rule, reference } = judged;
    if (verdict.kind !== "moved" || rule.action !== "pin" || reference.digest === undefined) return undefined;
    const wanted = { ...reference, digest: verdict.record.digest };
    try {
      const recorded = await this.#ask({ ...question, reference: wanted });
      const judgement = await this.#judge({ reference: wanted, platforms, claimed: false });
      return { ...recorded, settled: asPinned(judgement, reference.digest) };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      return { ...moved, settled: { ...judged, verdict: { ...verdict, gone: error.message } } };
    }
  }

  /** What BuildKit says of an image. An image store without digests is passed over: then the registry is asked. */
  async #ask({ reference, platform, mode, logName, by }: ImageQuestion): Promise<ImageAnswer> {
    const name = formatReference(reference);
    const ask = async (resolveMode: string): Promise<ImageAnswer> => {
      const asked = {
        Ref: name,
        ResolveMode: resolveMode,
        LogName: logName,
        ...(platform && { Platform: platform }),
      };
      const { Digest, Config, Ref } = await (by === "ResolveSourceMeta"
        ? this.#bridge.resolveImageSource(asked)
        : this.#bridge.resolveImageConfig(asked));
      if (Config.length > MAX_CONFIG_BYTES)
        throw new GateError(`"${name}" has a configuration of more than ${MAX_CONFIG_BYTES} bytes`);
      const answered = withDigest(named(Ref, reference), Digest ? parseDigest(Digest) : undefined);
      if (reference.digest !== undefined && answered.digest !== reference.digest)
        throw new GateError(`BuildKit answered "${Digest}" for "${name}"`);
      return { reference: answered, config: Config };
    };
    const answer = await ask(mode);
    if (answer.reference.digest !== undefined) return answer;
    try {
      return await ask("pull");
    } catch (error) {
      // The registry does not have it: an image of this machine alone. The judgement says that it has no digest.
      if (error instanceof CallError) return answer;
      throw error;
    }
  }

  #settle(image: JudgedImage): void {
    const { reference, outcome, verdict } = image.judgement;
    this.#judged.push(image);
    const name = formatReference(reference);
    if (verdict.kind === "unchanged" && verdict.note === "same-platforms") {
      this.#onlyFor.set(name, new Set([...(this.#onlyFor.get(name) ?? []), ...image.platforms]));
    }
    this.#answered.add(name);
    if (outcome === "refuse") this.#refused.add(name);
  }
}

/** The image that BuildKit resolved: by a policy of the client's it can be another one than was asked for. */
function named(answered: string, asked: Reference): Reference {
  if (answered === "") return asked;
  const reference = parseReference(answered);
  const isSame =
    reference.registry === asked.registry &&
    reference.repository === asked.repository &&
    (reference.tag === asked.tag || reference.tag === undefined || asked.tag === undefined);
  return isSame ? asked : reference;
}

function withDigest(reference: Reference, digest: Digest | undefined): Reference {
  const { digest: _, ...tagged } = reference;
  return digest === undefined ? tagged : { ...tagged, digest };
}
