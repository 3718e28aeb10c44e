// SPDX-License-Identifier: Apache-2.0
// Bundles what the frontend image ships into dist/.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { build, type BuildOptions } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
const dist = `${root}dist`;

const options: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  splitting: true,
  outdir: dist,
  // The Sigstore packages and protobufjs are CommonJS, which an ES module bundle can only load with a `require`.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  alias: { "make-fetch-happen": `${root}src/courier/fetch-for-sigstore.ts` },
  // grpc-js needs it only for its own diagnostics service, which we do not serve.
  external: ["@grpc/proto-loader"],
  legalComments: "linked",
  logLevel: "warning",
};

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await build({ ...options, entryPoints: ["src/frontend.ts"], chunkNames: "frontend-[hash]" });
await build({
  ...options,
  entryPoints: ["src/courier/main.ts"],
  entryNames: "courier",
  chunkNames: "courier-[hash]",
});

// The trusted root of the public Sigstore instance, as its TUF repository had it when the package was made.
const require = createRequire(import.meta.url);
const seeds: unknown = JSON.parse(readFileSync(require.resolve("@sigstore/tuf/seeds.json"), "utf8"));
writeFileSync(`${dist}/trusted_root.json`, publicGoodRoot(seeds));
cpSync(`${root}LICENSE`, `${dist}/LICENSE`);

/** The `trusted_root.json` target among the seeds of `@sigstore/tuf`: repository URL to targets, each base64. */
function publicGoodRoot(all: unknown): Buffer {
  const seed = (all as Record<string, { targets?: Record<string, string> }>)[
    "https://tuf-repo-cdn.sigstore.dev"
  ];
  const target = seed?.targets?.["trusted_root.json"];
  if (target === undefined)
    throw new Error("@sigstore/tuf/seeds.json has no trusted_root.json of the public instance");
  return Buffer.from(target, "base64");
}
