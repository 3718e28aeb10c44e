// SPDX-License-Identifier: Apache-2.0
// Bundles what the frontend image ships into dist/.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { RELEASE } from "../src/conversion/release.ts";
import { publicInstanceFiles } from "./public-instance.ts";

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
  // grpc-js needs it only for its own diagnostics service, which we do not serve.
  external: ["@grpc/proto-loader"],
  // Less to parse at each start. Names stay, so that a stack trace can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "linked",
  logLevel: "warning",
};

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
/** In a bundle of its own: the two would share chunks, and a build would load more and larger ones. */
const mainApart: Plugin = {
  name: "main-apart",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/main\.ts$/ }, ({ importer }) =>
      importer.endsWith("/frontend.ts") ? { path: "./main.js", external: true } : undefined,
    );
  },
};
await build({
  ...options,
  entryPoints: ["src/frontend.ts"],
  chunkNames: "frontend-[hash]",
  plugins: [mainApart],
});
await build({ ...options, entryPoints: ["src/main.ts"], chunkNames: "main-[hash]" });
await build({
  ...options,
  entryPoints: ["src/courier/server/main.ts"],
  entryNames: "courier",
  chunkNames: "courier-[hash]",
});

for (const [name, text] of Object.entries(publicInstanceFiles())) writeFileSync(`${dist}/${name}`, text);
// Without it Node parses each file twice, to find out that it is a module.
writeFileSync(`${dist}/package.json`, '{ "type": "module" }\n');
cpSync(`${root}LICENSE`, `${dist}/LICENSE`);
// Beside BuildKit's conversion, which comes into the image from BuildKit's own, lies its licence: the same text as ours.
mkdirSync(`${dist}/conversion`);
cpSync(`${root}LICENSE`, `${dist}/conversion/LICENSE`);
writeFileSync(
  `${dist}/conversion/NOTICE`,
  `dockerfile-frontend is a program of BuildKit ${RELEASE.buildkit} (https://github.com/moby/buildkit), as in the image\ndocker.io/docker/dockerfile:${RELEASE.dockerfile}. Its authors license it under the Apache License 2.0, which is beside this file.\n`,
);
