// SPDX-License-Identifier: Apache-2.0
import type { BuildRequest } from "../lab/builds.ts";
import type { ImageContent } from "../lab/images.ts";
import type { Lies } from "./lying-registry.ts";

/** How a build may end. `pinned` is built, with the recorded image in the place of the one the tag names now. */
export type End = "built" | "pinned" | "refused" | "error";

/** The policies that frontends of the set have: how they differ from one that blocks every tag that moved. */
export const POLICIES = {
  strict: "",
  pin: "default: { action: pin }\n",
  unseen: "default: { unseen: block }\n",
} as const;

/** One build that somebody made to get an image past the frontend, or an honest one that looks alike. */
export interface FoolingCase {
  /** What it tries, in one sentence. */
  readonly tries: string;
  /** How it must end; of two ends that are both safe, either. */
  readonly expect: End | readonly End[];
  /** What the error, or the output of a build that goes through, must say. */
  readonly says?: RegExp;
  /** The images by `repository:tag`, pushed in this order; each may name those before it, and every tag. */
  readonly images: Readonly<Record<string, Tagged | ((at: Site) => Tagged)>>;
  readonly build: (at: Site) => CaseBuild;
  readonly policy?: keyof typeof POLICIES;
  /** A lock file is made by a build before tags move, and lies beside the Dockerfile from then on. */
  readonly lock?: true;
  /** These images are in the engine's store before tags move. */
  readonly pulled?: readonly string[];
  /** Done after all pushes: tags that are moved in unusual ways. */
  readonly then?: (at: Site) => Promise<void>;
  /** The case's images are served by a registry that answers so. */
  readonly lies?: (at: Site) => Lies;
  /** How long the build may take; half a minute if not given. */
  readonly withinMs?: number;
}

/** What a tag names: at first, and once it has moved. */
export interface Tagged {
  /** Its first image is in the log, unless `recorded` is false. */
  readonly was?: ImageContent;
  /** The image that must not get in: the runner puts a marker into its files, environment and labels. */
  readonly is?: Evil;
  readonly recorded?: false;
}

/** An image with markers. */
export type Evil = ImageContent & {
  /** The layers are those of `was`: the marker is in the configuration alone. */
  readonly sameLayers?: true;
};

export interface CaseBuild extends Omit<BuildRequest, "syntax" | "secrets"> {
  /** Our frontend is named by the build argument BUILDKIT_SYNTAX, so that the Dockerfile's first line is free. */
  readonly byArgument?: true;
  /** A bake file in JSON, built instead; its target `top` counts. */
  readonly bake?: (frontend: string) => object;
  /** The build goes past our frontend: for tests of the oracles. */
  readonly without?: true;
}

/** Where a case's images are. */
export interface Site {
  /** The full reference of `repository:tag`. */
  ref(name: string): string;
  /** The digest of the first image of a tag. */
  was(name: string): string;
  /** The digest of what the tag names now, once it was pushed. */
  now(name: string): string;
  /** The registry of the case's references, as `host:port`. */
  readonly host: string;
  /** What stands before a repository of the case, in a URL of the registry's API. */
  readonly repositories: string;
  /** A step that prints its environment and the marked files, and leaves a trace that it ran. */
  readonly probe: string;
  /** A step for the ONBUILD of an image that must not get in: leaves the marker in the trace and in the file system. */
  readonly evilStep: string;
  /** Text that must not get out. */
  readonly marker: string;
  /** Puts a manifest or an index under a tag. */
  put(name: string, mediaType: string, manifest: object): Promise<void>;
}
