// SPDX-License-Identifier: Apache-2.0
import type { Reference } from "../image/reference.ts";
import { canonicalRegistry } from "../image/registry.ts";
import type { Action } from "./rule.ts";

/** What the shape of a tag says of how its publisher uses it. */
export interface TagClass {
  /** As in `default: dated tag`. */
  readonly name: string;
  readonly examples: readonly string[];
  /** What happens to such a tag when it moved and no rule says otherwise. */
  readonly action: Action;
  /** The reason, in one short phrase for people. */
  readonly why: string;
}

/** The classes, in the order in which a tag is tried: the first that fits is the tag's. */
export const TAG_CLASSES = {
  immutable: {
    name: "immutable suffix",
    examples: ["acme/app:1.4-immutable"],
    action: "block",
    why: "the tag itself says that it never moves",
  },
  dated: {
    name: "dated tag",
    examples: ["debian:bookworm-20240701-slim", "ubuntu:jammy-20240627.1"],
    action: "block",
    why: "dated tags are written once",
  },
  commit: {
    name: "commit id",
    examples: ["acme/app:main-1a2b3c4", "acme/app:sha-0f9e8d7"],
    action: "block",
    why: "a tag that names a commit is written once",
  },
  build: {
    name: "build id",
    examples: ["acme/app:build-42", "acme/app:81731"],
    action: "block",
    why: "a tag that names one run of a build is written once",
  },
  alpine: {
    name: "Alpine release",
    examples: ["alpine:3.20.0"],
    action: "block",
    why: "Alpine's release tags are written once",
  },
  rebuilt: {
    name: "rebuilt version",
    examples: ["node:22.4.1-bookworm", "python:3.13.0rc2"],
    action: "pin",
    why: "official images are rebuilt under the same version, so the recorded one is used",
  },
  version: {
    name: "full version",
    examples: ["acme/app:1.2.3", "bitnami/redis:7.2.5-debian-12-r2"],
    action: "block",
    why: "elsewhere a full version is released once",
  },
  floating: {
    name: "floating tag",
    examples: ["alpine", "debian:bookworm", "node:22", "postgres:16.3", "acme/app:1.2.3-nightly"],
    action: "follow",
    why: "such tags are made to move, and every change is recorded",
  },
  other: {
    name: "tag of no known shape",
    examples: ["acme/app:q4x7f9z2"],
    action: "pin",
    why: "nothing tells whether such a tag may move, so the recorded one is used",
  },
} as const satisfies Readonly<Record<string, TagClass>>;

const IMMUTABLE = /[-_.]immutable$/;
// A day that a calendar has, with or without signs between, alone or with the time of day right behind it.
const DAY = String.raw`20\d\d([-._]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])`;
const DATED = new RegExp(String.raw`(?<![0-9])${DAY}(?:T?\d{4}(?:\d{2})?)?(?![0-9])`);
/** Part of a tag that is hexadecimal and, unless it is called a commit, no word and no number. */
const COMMIT = new RegExp(
  String.raw`(?<![a-z0-9])(?:(?:sha1|sha|git|commit|g)[-_.]?[0-9a-f]{7,64}|` +
    String.raw`(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])(?:[0-9a-f]{7,40}|[0-9a-f]{64}))(?![a-z0-9])`,
  "i",
);
/** A number that is no version: long, or called a build. */
const BUILD = /^(?:\d{5,}$|(?:.*[-_.])?(?:\d{7,}(?![a-z0-9])|(?:build|ci|job|pipeline|run)[-_.]?\d+$))/i;
/** Words with which publishers mark what moves, also behind a version. */
const MOVING =
  /(?<![a-z])(?:latest|edge|nightly|daily|weekly|canary|snapshot|rolling|unstable|develop|devel|dev|main|master|trunk|head)(?![a-z])/i;
/** The first number of a tag, with what is before it: `v1.2.3`, `release-1.2.3`, `alpine3.20`. */
const NUMBER = /^(?:[a-z]+(?:[-_.][a-z]+)*[-_.]?)?(\d+(?:\.\d+)*)(.*)$/i;
/** What names one release behind a short version: `rc1`, `-beta.2`, Java's `u412` and `_35`, Red Hat's `-1123`. */
const ONE_RELEASE = /^(?:[-._]?(?:alpha|beta|rc|preview|pre|milestone|m)[-._]?\d|u\d|[_+]\d|-\d{3,})/i;
const PROCESSOR =
  /^(?:linux[-_])?(?:x86[-_]64|amd64|i?386|arm64(?:v8)?|aarch64|arm(?:32)?v[5-7]|ppc64le|s390x|riscv64)$/i;
const WORDS = /^[a-z]+(?:[-_.][a-z]+)*$/i;

/** Where images are rebuilt under the same full version: publishers that say so, and copies of them. */
const REBUILT = [
  "docker.io/library/",
  // Copies of the above, tag by tag.
  "public.ecr.aws/docker/library/",
  "mirror.gcr.io/library/",
  // Microsoft rebuilds its images when their base changes.
  "mcr.microsoft.com/",
];

/** The class of an image's tag. An image without a tag is in that of floating tags. */
export function tagClass({ registry, repository, tag = "latest" }: Reference): TagClass {
  if (IMMUTABLE.test(tag)) return TAG_CLASSES.immutable;
  if (DATED.test(tag)) return TAG_CLASSES.dated;
  if (COMMIT.test(tag)) return TAG_CLASSES.commit;
  if (BUILD.test(tag)) return TAG_CLASSES.build;
  if ([MOVING, WORDS, PROCESSOR].some((shape) => shape.test(tag))) return TAG_CLASSES.floating;
  const [, number = "", rest = ""] = NUMBER.exec(tag) ?? [];
  if (number === "") return TAG_CLASSES.other;
  if (number.split(".").length > 2 || ONE_RELEASE.test(rest)) {
    const name = `${canonicalRegistry(registry)}/${repository}`;
    if (name === "docker.io/library/alpine" && /^\d+\.\d+\.\d+$/.test(tag)) return TAG_CLASSES.alpine;
    return REBUILT.some((place) => name.startsWith(place)) ? TAG_CLASSES.rebuilt : TAG_CLASSES.version;
  }
  return rest === "" || /^[-_.]/.test(rest) ? TAG_CLASSES.floating : TAG_CLASSES.other;
}
