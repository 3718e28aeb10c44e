// SPDX-License-Identifier: Apache-2.0
import type { ImageContent } from "../lab/images.ts";
import type { Files } from "../lab/tar.ts";
import { httpRequest } from "../lab/http-request.ts";
import type { Evil, FoolingCase, Site, Tagged } from "./case.ts";
import type { Known } from "./oracles.ts";
import type { Place } from "./place.ts";
import { treeOf } from "./registry-tree.ts";

/** A case whose images are in the registry: as they were first, and then as they are once tags have moved. */
export interface Stage {
  readonly id: string;
  readonly site: Site;
  /** All images of the case that the registry log can show. */
  readonly known: Known[];
  /** Moves the tags. */
  move(): Promise<void>;
}

const TRACE = "--mount=type=cache,id=fooling,target=/trace";

/** Pushes the first images of a case, and records them. */
export async function setStage(place: Place, one: FoolingCase, id: string): Promise<Stage> {
  const { lab, lying, system } = place;
  const { registry } = lab;
  const host = one.lies === undefined ? registry.address : lying.address;
  const first = new Map<string, string>();
  const last = new Map<string, string>();
  const known: Known[] = [];
  const marker = `EVIL-${id}-`;
  const site: Site = {
    host,
    repositories: `${id}/`,
    ref: (name) => `${host}/${id}/${name}`,
    was: (name) => needed(first, name),
    now: (name) => needed(last, name),
    probe: `RUN ${TRACE} (echo "ran ${id}"; env; cat /version /marker* /copied* 2>/dev/null; true) | tee -a /trace/lines`,
    evilStep: `RUN ${TRACE} echo "${marker}onbuild" | tee -a /trace/lines /marker-onbuild`,
    marker,
    put: async (name, mediaType, manifest) => {
      const [repository = "", tag = ""] = name.split(":");
      const { hostname, port } = registry;
      const { status, body } = await httpRequest({
        hostname,
        port,
        method: "PUT",
        path: `/v2/${id}/${repository}/manifests/${tag}`,
        headers: { "content-type": mediaType },
        body: Buffer.from(JSON.stringify(manifest)),
        timeoutMs: 10_000,
      });
      if (status !== 201) throw new Error(`PUT ${name}: ${status} ${body.toString().slice(0, 300)}`);
      await know(name, tag, true);
    },
  };
  const know = async (name: string, what: string, evil: boolean) => {
    const [repository = "", tag = "latest"] = name.split(":");
    const tree = await treeOf(registry, `${id}/${repository}`, what);
    known.push({ reference: site.ref(name), repository: `${id}/${repository}`, tag, tree, evil });
  };
  const push = async (name: string, content: ImageContent, evil: boolean) => {
    const { digest } = await lab.push(`${id}/${name}`, content);
    last.set(name, digest);
    await know(name, digest, evil);
    return digest;
  };
  const good = (name: string): Files => ({ ...system, version: `good ${id} ${name}\n` });

  const tagged = new Map<string, Tagged>();
  for (const [name, made] of Object.entries(one.images)) {
    const image = typeof made === "function" ? made(site) : made;
    tagged.set(name, image);
    if (image.was === undefined) continue;
    const digest = await push(name, { files: good(name), ...image.was }, false);
    first.set(name, digest);
    if (image.recorded !== false) place.record(site.ref(name), digest);
  }
  const move = async () => {
    for (const name of tagged.keys()) {
      const made = one.images[name];
      // Made again: what a tag was moved to may name the digests of all first images.
      const evil = typeof made === "function" ? made(site).is : made?.is;
      if (evil !== undefined) await push(name, marked(evil, `${marker}${name}`, good(name)), true);
    }
    await one.then?.(site);
    if (one.lies !== undefined) lying.lie(site.repositories, one.lies(site));
  };
  return { id, site, known, move };
}

function marked({ sameLayers, ...content }: Evil, text: string, system: Files): ImageContent {
  const files = content.files ?? { ...system, version: `${text}\n`, "marker-file": `${text}\n` };
  return {
    files: sameLayers ? system : files,
    ...content,
    env: { ...content.env, MARKER: text },
    labels: { ...content.labels, marker: text },
  };
}

function needed(digests: ReadonlyMap<string, string>, name: string): string {
  // While images are made, those that come later have no digest yet.
  return digests.get(name) ?? `sha256:${"0".repeat(64)}`;
}
