// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Digest, type Sha256, sha256 } from "../../src/image/digest.ts";
import { readHistory } from "../../src/record/history.ts";
import { type Sighting, sightingStatement } from "../../src/record/statement.ts";
import { parseReference } from "../../src/image/reference.ts";
import { tagPage } from "../../src/site/tag-page.ts";
import { tagView } from "../../src/site/tag-view.ts";
import {
  chainOf,
  keyWriter,
  lineOf,
  type Place,
  REPOSITORY,
  sampleLedger,
  type Writer,
} from "../ledger/sample-ledger.ts";
import { sampleLog, sighting } from "../record/sample-log.ts";
import { HOSTILE } from "./hostile.ts";
import { makeIn, siteSource } from "./sample-site.ts";

/** A tag that moved four times and was approved twice, and one by somebody who wrote a reason to break a page. */
export const SHOWN = {
  moved: "docker.io/library/node:22.3.0",
  hostile: "ghcr.io/acme/hostile:1.0",
  quiet: "docker.io/library/alpine:3.16.0",
} as const;

/** A page whose tag has a name that no registry takes. */
export const HOSTILE_PAGE = "hostile.html";

const IMAGE = (text: string): Digest => sha256(text);
const day = (n: number) => new Date(Date.parse("2026-03-02T06:00:07Z") + n * 86_400_000);

/** Makes a site to look at, of a sample's ledger. */
export async function makeShownSite(directory: string, baseUrl?: string): Promise<void> {
  const log = sampleLog();
  const place = { log, root: log.trustedRoot };
  const [observer, approver] = [keyWriter(), keyWriter()];
  const seen = (reference: string, days: readonly number[], images = days.map((n) => `${reference} ${n}`)) =>
    chainOf(
      days.map((n, index) => ({ reference, digest: IMAGE(images[index] ?? ""), observedAt: day(n) })),
      observer,
      place,
    );
  const approved = (change: Partial<Sighting>) => lineOf(change, approver, place);
  const quiet = Array.from({ length: 230 }, (_, n) =>
    seen(`ghcr.io/acme/app-${n % 7}:1.${n}`, n % 40 === 0 ? [n / 10, 60 + n / 10] : [n / 10]),
  );
  const lines = [
    ...movedTag(observer, approver, place),
    ...seen(SHOWN.quiet, [3]),
    ...seen(SHOWN.hostile, [5, 20], ["h a", "h b"]),
    ...HOSTILE.filter((reason) => /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]+$/u.test(reason)).map(
      (reason, index) =>
        approved({
          reference: SHOWN.hostile,
          digest: IMAGE("h b"),
          supersedes: IMAGE("h a"),
          reason,
          observedAt: day(21 + index),
        }),
    ),
    ...quiet.flat(),
  ];
  const ledger = sampleLedger({ lines, shards: 16, madeAt: day(90) }, observer, place);
  const source = siteSource(ledger, {
    observer: observer.signer,
    root: place.root,
    approvers: [approver.signer],
    ...(baseUrl !== undefined && { baseUrl }),
  });
  await makeIn(directory, source);
  const own = lines.filter((line) => line.startsWith(`${SHOWN.hostile} `));
  const history = readHistory(
    own.map((line) => ({
      kind: "bundle",
      bundle: JSON.parse(line.slice(line.indexOf("{"))) as unknown,
      place: "the sample",
    })),
    { subject: parseReference(SHOWN.hostile), trust: source.trust, trustedRoot: place.root },
  );
  const view = tagView(SHOWN.hostile, { lines: own }, history);
  const name = HOSTILE.join(" ");
  const signer = {
    kind: "identity",
    issuer: HOSTILE.join(""),
    identity: HOSTILE.toReversed().join(""),
  } as const;
  const records = view.records.map((each) => ({
    ...each,
    file: name,
    record: { ...each.record, reference: name, logUrl: "javascript:alert(1)", signer, reason: name },
  }));
  const page = tagPage(
    { ...view, name, directory: ".", records },
    { ledger: `${REPOSITORY}"><script>alert(1)</script>`, baseUrl },
  );
  writeFileSync(join(directory, HOSTILE_PAGE), page.replaceAll('"../', '"'));
}

/** The lines of a tag that moved and was approved, logged in the order of their times. */
function movedTag(observer: Writer, approver: Writer, place: Place): readonly string[] {
  const reference = SHOWN.moved;
  const [a, b, c, d] = ["node a", "node b", "node c", "node d"].map(IMAGE);
  let sequence = 0;
  let previous: Sha256 | undefined;
  const seen = (digest: Digest | undefined, n: number) => {
    sequence += 1;
    const what = {
      reference,
      ...(digest && { digest }),
      observedAt: day(n),
      sequence,
      ...(previous && { previous }),
    };
    previous = sha256(sightingStatement(sighting(what)));
    return lineOf(what, observer, place);
  };
  const approved = (from: Digest | undefined, to: Digest | undefined, reason: string, n: number) =>
    lineOf(
      { reference, ...(to && { digest: to }), ...(from && { supersedes: from }), reason, observedAt: day(n) },
      approver,
      place,
    );
  return [
    seen(a, 0),
    seen(b, 14),
    approved(a, b, "openssl 3.0.14, release notes read", 16),
    seen(c, 31),
    approved(b, c, "base image rebuilt", 33),
    seen(b, 52),
    seen(d, 78),
  ];
}
