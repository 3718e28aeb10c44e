// SPDX-License-Identifier: Apache-2.0
import type { BuildRequest } from "../lab/builds.ts";
import type { ImageContent } from "../lab/images.ts";
import type { Lab } from "../lab/lab.ts";

/** A way to name an image in a build, and the image whose tag moves. */
export interface MovingTag {
  /** Where the tag is named, as part of the test's name. */
  readonly place: string;
  /** `repository:tag` of the image that moves. */
  readonly image: string;
  /** What it holds in its first and its second version; a small system with the version in a file if not given. */
  readonly content?: (version: string) => ImageContent;
  /** An image that leads to it, pushed once. */
  readonly via?: { readonly name: string; readonly content: (image: string) => ImageContent };
  /** The build. `image` is the full name of what moves, `still` and `via` those of images that do not. */
  readonly build: (names: Names) => Pick<BuildRequest, "dockerfile" | "files" | "args">;
  /** The lines of the Dockerfile that the refusal points at. */
  readonly marked: (names: Names) => readonly string[];
  readonly engine?: "legacy";
  /** What users of the legacy store do before: the image is in the local store then. */
  readonly pulled?: true;
}

export interface Names {
  readonly image: string;
  readonly still: string;
  readonly via: string;
}

const bare = (version: string): ImageContent => ({ layers: false, env: { VERSION: version } });

/** What BuildKit takes from a scanner (its SBOM scanning protocol): in-toto statements about SPDX documents. */
const SCANNED = JSON.stringify({
  _type: "https://in-toto.io/Statement/v0.1",
  predicateType: "https://spdx.dev/Document",
  predicate: { spdxVersion: "SPDX-2.3", SPDXID: "SPDXRef-DOCUMENT", name: "scanned" },
});

/** An image that makes an SBOM when BuildKit runs it as a generator. */
export async function scanner(lab: Lab, version: string): Promise<ImageContent> {
  return {
    files: { ...(await lab.busybox()), version: `${version}\n`, "scanned.json": SCANNED },
    entrypoint: ["/bin/sh", "-c", 'cp /scanned.json "$BUILDKIT_SCAN_DESTINATION/scanned.spdx.json"'],
  };
}

export const MOVING_TAGS: readonly MovingTag[] = [
  {
    place: "FROM",
    image: "from:1.0",
    build: ({ image }) => ({ dockerfile: `FROM ${image}\nRUN cat /version\n` }),
    marked: ({ image }) => [`FROM ${image}`],
  },
  {
    place: "FROM with a tag that an ARG has by default",
    image: "arg-default:1.0",
    build: ({ image }) => ({
      dockerfile: `ARG VERSION=1.0\nFROM ${image.replace(/1\.0$/, "${VERSION}")}\nRUN cat /version\n`,
    }),
    marked: ({ image }) => [`FROM ${image.replace(/1\.0$/, "${VERSION}")}`],
  },
  {
    place: "FROM with a name that comes from --build-arg",
    image: "build-arg:1.0",
    build: ({ image, still }) => ({
      dockerfile: `ARG BASE=${still}\nFROM $BASE\nRUN cat /version\n`,
      args: ["--build-arg", `BASE=${image}`],
    }),
    marked: () => ["FROM $BASE"],
  },
  {
    place: "COPY --from=image",
    image: "copy-from:1.0",
    build: ({ image, still }) => ({
      dockerfile: `FROM ${still}\nCOPY --from=${image} \\\n  /version /copied\n`,
    }),
    marked: ({ image }) => [`COPY --from=${image} \\`, "  /version /copied"],
  },
  {
    place: "RUN --mount=type=bind,from=image",
    image: "mount-from:1.0",
    build: ({ image, still }) => ({
      dockerfile: `FROM ${still}\nRUN --mount=type=bind,from=${image},target=/m cat /m/version\n`,
    }),
    marked: ({ image }) => [`RUN --mount=type=bind,from=${image},target=/m cat /m/version`],
  },
  {
    place: "COPY --from=image in an ONBUILD step of the base",
    image: "onbuild-copy:1.0",
    via: {
      name: "copies:1.0",
      content: (image) => ({ onbuild: [`COPY --from=${image} /version /copied`] }),
    },
    build: ({ via }) => ({ dockerfile: `FROM ${via}\nRUN cat /copied\n` }),
    marked: ({ via }) => [`FROM ${via}`],
  },
  {
    place: "RUN --mount of an image in an ONBUILD step of the base",
    image: "onbuild-mount:1.0",
    via: {
      name: "mounts:1.0",
      content: (image) => ({ onbuild: [`RUN --mount=from=${image},target=/m cat /m/version`] }),
    },
    build: ({ via }) => ({ dockerfile: `FROM ${via}\n` }),
    marked: ({ via }) => [`FROM ${via}`],
  },
  {
    place: "FROM of a build for two platforms",
    image: "two-platforms:1.0",
    content: (version) => ({
      files: { version: `${version}\n` },
      platforms: ["linux/amd64", "linux/arm64"],
    }),
    build: ({ image }) => ({
      dockerfile: `FROM ${image}\nCOPY note /\n`,
      files: { note: "for both" },
      args: ["--platform", "linux/amd64,linux/arm64"],
    }),
    marked: ({ image }) => [`FROM ${image}`],
  },
  {
    place: "FROM of a base without layers",
    image: "bare:1.0",
    content: bare,
    build: ({ image }) => ({ dockerfile: `FROM ${image}\nCOPY note /\n`, files: { note: "all there is" } }),
    marked: ({ image }) => [`FROM ${image}`],
  },
  {
    place: "FROM of a base without layers in a stage that is copied from",
    image: "bare-inner:1.0",
    content: bare,
    build: ({ image, still }) => ({
      dockerfile: `FROM ${image} AS inner\nCOPY note /\nFROM ${still}\nCOPY --from=inner /note /\n`,
      files: { note: "from the inner stage" },
    }),
    marked: ({ image }) => [`FROM ${image} AS inner`],
  },
  {
    place: "FROM of a base without layers that has nothing but an ONBUILD step",
    image: "bare-trigger:1.0",
    content: (version) => ({ layers: false, onbuild: [`ENV VERSION=${version}`, "COPY note /"] }),
    build: ({ image }) => ({ dockerfile: `FROM ${image}\n`, files: { note: "all there is" } }),
    marked: ({ image }) => [`FROM ${image}`],
  },
  {
    place: "--build-context",
    image: "context:1.0",
    build: ({ image }) => ({
      dockerfile: "FROM base\nRUN cat /version\n",
      args: ["--build-context", `base=docker-image://${image}`],
    }),
    marked: () => ["FROM base"],
  },
  {
    place: "COPY --from of a --build-context",
    image: "context-copy:1.0",
    build: ({ image, still }) => ({
      dockerfile: `FROM ${still}\nCOPY --from=other /version /copied\n`,
      args: ["--build-context", `other=docker-image://${image}`],
    }),
    marked: () => ["COPY --from=other /version /copied"],
  },
  {
    place: "FROM in the legacy image store, where the image is pulled already",
    image: "legacy-from:1.0",
    engine: "legacy",
    pulled: true,
    build: ({ image }) => ({ dockerfile: `FROM ${image}\nRUN cat /version\n` }),
    marked: ({ image }) => [`FROM ${image}`],
  },
  {
    place: "COPY --from=image in the legacy image store, where the image is pulled already",
    image: "legacy-copy:1.0",
    engine: "legacy",
    pulled: true,
    build: ({ image, still }) => ({
      dockerfile: `FROM ${still}\nCOPY --from=${image} /version /copied\n`,
    }),
    marked: ({ image }) => [`COPY --from=${image} /version /copied`],
  },
];
