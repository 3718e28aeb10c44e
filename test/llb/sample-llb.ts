// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import { sha256, type Sha256 } from "../../src/image/digest.ts";

/** A digest made of one byte, easy to tell from others. */
export function digestOf(byte: string): Sha256 {
  return `sha256:${byte.repeat(32)}`;
}

export const AMD64 = { OS: "linux", Architecture: "amd64" };
export const ARM64 = { OS: "linux", Architecture: "arm64", Variant: "v8" };

/** Collects operations as BuildKit's client does: inputs first, each once. */
export interface SampleLlb {
  /** Adds an operation and gives its digest; `lines` are those of the source file it stands for. */
  add(op: pb.Op.$Properties, lines?: Lines): string;
  /** Takes over the operations of an encoded definition, and gives the digest of what it ends with. */
  addAll(definition: Uint8Array): string | undefined;
  /** An encoded definition that ends with this operation; of no operations at all when there is none. */
  endAt(digest: string | undefined): Uint8Array;
}

/** A range of lines, or several. */
export type Lines = readonly (readonly [start: number, end: number])[];

export interface SampleFile {
  readonly filename: string;
  readonly text: string;
}

export function sampleLlb(file: SampleFile): SampleLlb {
  const ops = new Map<string, Uint8Array>();
  const infos: pb.SourceInfo.$Properties[] = [];
  const locations: { [digest: string]: pb.Locations.$Properties } = {};

  const infoIndex = (info: pb.SourceInfo.$Properties): number => {
    const key = JSON.stringify([info.filename, Buffer.from(info.data ?? []).toString()]);
    const found = infos.findIndex(
      (known) => JSON.stringify([known.filename, Buffer.from(known.data ?? []).toString()]) === key,
    );
    return found >= 0 ? found : infos.push(info) - 1;
  };
  const locate = (digest: string, at: readonly pb.Location.$Properties[]): void => {
    (locations[digest] ??= { locations: [] }).locations?.push(...at);
  };

  return {
    add(op, lines) {
      // As BuildKit's client writes it, with constraints that are always there and always empty.
      const bytes = pb.Op.encode({ constraints: new Uint8Array(), ...op }).finish();
      const digest = sha256(bytes);
      ops.set(digest, bytes);
      if (lines) {
        const sourceIndex = infoIndex({
          filename: file.filename,
          data: Buffer.from(file.text),
          language: "Dockerfile",
        });
        const ranges = lines.map(([start, end]) => ({ start: { line: start }, end: { line: end } }));
        locate(digest, [{ sourceIndex, ranges }]);
      }
      return digest;
    },
    addAll(definition) {
      const { def = [], Source: map } = pb.Definition.decode(definition);
      for (const op of def.slice(0, -1)) {
        const digest = sha256(op);
        ops.set(digest, op);
        for (const { sourceIndex, ranges } of map?.locations?.[digest]?.locations ?? []) {
          const info = map?.infos?.[sourceIndex ?? 0];
          if (info) locate(digest, [{ sourceIndex: infoIndex(info), ranges: ranges ?? [] }]);
        }
      }
      const last = def.at(-1);
      return last && (pb.Op.decode(last).inputs?.[0]?.digest ?? undefined);
    },
    endAt(digest) {
      if (digest === undefined) return new Uint8Array();
      const reached = reachedFrom(digest, ops);
      const def = [...ops].filter(([each]) => reached.has(each)).map(([, bytes]) => bytes);
      def.push(pb.Op.encode({ inputs: [{ digest, index: 0 }] }).finish());
      const located = Object.fromEntries(Object.entries(locations).filter(([each]) => reached.has(each)));
      const Source = Object.keys(located).length > 0 ? { infos, locations: located } : undefined;
      // BuildKit's client says something of each operation, if only that there is nothing to say.
      const metadata = Object.fromEntries([...reached].map((each) => [each, {}]));
      return pb.Definition.encode({ def, metadata, ...(Source && { Source }) }).finish();
    },
  };
}

function reachedFrom(digest: string, ops: ReadonlyMap<string, Uint8Array>): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (each: string): void => {
    const bytes = ops.get(each);
    if (!bytes || reached.has(each)) return;
    reached.add(each);
    for (const { digest: input } of pb.Op.decode(bytes).inputs ?? []) if (input) visit(input);
  };
  visit(digest);
  return reached;
}

/** A source operation. */
export function source(identifier: string, platform: pb.Platform.$Properties = AMD64): pb.Op.$Properties {
  return { source: { identifier }, platform };
}

/** An operation that runs something on what these gave. */
export function run(what: string, inputs: readonly (string | undefined)[]): pb.Op.$Properties {
  return {
    exec: pb.ExecOp.encode({ secretenv: [{ ID: what }] }).finish(),
    inputs: inputsOf(inputs),
    platform: AMD64,
  };
}

function inputsOf(digests: readonly (string | undefined)[]): pb.Input.$Properties[] {
  return digests.flatMap((digest) => (digest === undefined ? [] : [{ digest, index: 0 }]));
}
