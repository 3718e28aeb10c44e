// SPDX-License-Identifier: Apache-2.0
import { moby } from "../../gen/gateway.js";

const { PongResponse } = moby.buildkit.v1.frontend;

/**
 * What the conversion may know of BuildKit's gateway. Not among them: containers (`gateway.exec…`), which a conversion does
 * not need, and what brings images along that nobody asked for (`source.metaresolver.image.attestations`).
 */
const GATEWAY = new Set([
  "solve.base",
  "solve.inlinereturn",
  "resolveimage",
  "resolveimage.resolvemode",
  "readfile",
  "return",
  "returnmap",
  "readdir",
  "statfile",
  "importcaches",
  "proto.refarray",
  "reference.output",
  "frontend.inputs",
  "frontend.caps",
  "gateway.solve.metadata",
  "gateway.solve.evaluate",
  "gateway.evaluate",
  "gateway.warnings",
  "reference.attestations",
  "source.metaresolver",
  "source.metaresolver.http.checksumrequest",
]);

/**
 * What it may know of LLB: by families, since most are options of operations that are judged alike. Not among them are
 * `source.imageblob`, the parts of an image without the image, and `source.buildop…`, builds within a build.
 */
const LLB = [
  /^source\.image(?:\.[\w.]+)?$/,
  /^source\.local(?:\.[\w.]+)?$/,
  /^source\.git(?:\.[\w.]+)?$/,
  // One of them is spelt so in BuildKit.
  /^so(?:ur|ru)ce\.http(?:\.[\w.]+)?$/,
  /^source\.ocilayout$/,
  /^exec\.[\w.-]+$/,
  /^file\.[\w.]+$/,
  /^(?:constraints|platform|mergeop|diffop|passthroughop)$/,
  /^meta\.[\w.]+$/,
  /^cache\.[\w.]+$/,
  /^exporter\.[\w.]+$/,
];

/** BuildKit's answer to a Ping, encoded, as the conversion gets it: without the capabilities that the gate does not know. */
export function knownCapabilities(pong: Uint8Array): Uint8Array {
  const { FrontendAPICaps: gateway, LLBCaps: llb } = PongResponse.decode(pong);
  return PongResponse.encode({
    FrontendAPICaps: (gateway ?? []).filter(({ ID }) => GATEWAY.has(ID ?? "")),
    LLBCaps: (llb ?? []).filter(({ ID }) => LLB.some((family) => family.test(ID ?? ""))),
  }).finish();
}
