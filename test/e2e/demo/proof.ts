// SPDX-License-Identifier: Apache-2.0

/** How a build ended, and what it printed. */
export interface Ended {
  readonly code: number;
  readonly output: string;
}

/** What a part of the demonstration showed: the log index of the record, or why it is not what it should be. */
export type Proof = { readonly logIndex: string } | { readonly failure: string };

/** What the parts are about. */
export interface Story {
  /** The base image's name with its tag, as it is in the log. */
  readonly image: string;
  /** The digest that the tag named first. */
  readonly digest: string;
}

const FIRST_SEEN = /^#\d+ \[tlog\] (\S+) first seen, recorded: (sha256:[0-9a-f]{64}) \(log index (\d+), /gm;
const UNCHANGED = /^#\d+ \[tlog\] (\S+) unchanged since \S+: (sha256:[0-9a-f]{64}) \(log index (\d+), /gm;
const MISMATCH =
  /^ERROR: .*: tag "([^"]+)" mismatch; got "(sha256:[0-9a-f]{64})", want "(sha256:[0-9a-f]{64})"$/gm;
const RECORD = /^ {2}log index (\d+) of \S+$/gm;
const STEP = /^#\d+ \[[^\]]*\d+\/\d+\] /m;

/** The build went through, and this image's tag was recorded in it. */
export function recorded({ code, output }: Ended, story: Story): Proof {
  return passed({ code, lines: [...output.matchAll(FIRST_SEEN)], said: "first seen, recorded" }, story);
}

/** The build went through, and this image's tag was found as recorded, under this index where one is known. */
export function accepted({ code, output }: Ended, story: Story & { readonly logIndex?: string }): Proof {
  return passed({ code, lines: [...output.matchAll(UNCHANGED)], said: "unchanged" }, story);
}

/**
 * The build was refused, because the tag names `moved` now, against the record under this index; and it neither
 * began a step nor had the registry give a layer of the new image. `requests` are those since the tag moved.
 */
export function refused(
  { code, output }: Ended,
  story: Story & {
    readonly logIndex: string;
    readonly moved: string;
    readonly layers: readonly string[];
    readonly requests: readonly string[];
  },
): Proof {
  if (code === 0) return { failure: "the build ended with exit code 0, it was not refused" };
  const [mismatch] = output.matchAll(MISMATCH);
  if (mismatch === undefined) return { failure: "its output has no mismatch error" };
  const [, image, got, want] = mismatch;
  if (image !== story.image || got !== story.moved || want !== story.digest) {
    return { failure: `the mismatch error is about "${image}", got "${got}", want "${want}"` };
  }
  const [, logIndex = ""] = [...output.matchAll(RECORD)][0] ?? [];
  if (logIndex !== story.logIndex) {
    return { failure: `the mismatch error names log index "${logIndex}" instead of "${story.logIndex}"` };
  }
  if (STEP.test(output)) return { failure: "its output shows a step of the build" };
  const [fetched] = fetchedOf(story.layers, story.requests);
  if (fetched !== undefined) return { failure: `the registry gave the layer "${fetched}" of the new image` };
  return { logIndex };
}

/** Those of the blobs that somebody asked the registry for. */
export function fetchedOf(blobs: readonly string[], requests: readonly string[]): readonly string[] {
  return blobs.filter((blob) =>
    requests.some((line) => line.startsWith("GET ") && line.endsWith(`/${blob}`)),
  );
}

function passed(
  {
    code,
    lines,
    said,
  }: { readonly code: number; readonly lines: readonly RegExpExecArray[]; readonly said: string },
  story: Story & { readonly logIndex?: string },
): Proof {
  if (code !== 0) return { failure: `the build ended with exit code ${code}` };
  const [line, another] = lines;
  if (line === undefined) return { failure: `its output has no line "${said}"` };
  if (another !== undefined) return { failure: `its output has ${lines.length} lines "${said}"` };
  const [, image, digest, logIndex = ""] = line;
  if (image !== story.image || digest !== story.digest) {
    return { failure: `the line "${said}" is about "${image}" and "${digest}"` };
  }
  if (story.logIndex !== undefined && logIndex !== story.logIndex) {
    return { failure: `the line "${said}" names log index "${logIndex}" instead of "${story.logIndex}"` };
  }
  return { logIndex };
}
