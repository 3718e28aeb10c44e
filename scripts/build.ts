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
  outdir: dist,
  // grpc-js needs it only for its own diagnostics service, which we do not serve.
  external: ["@grpc/proto-loader"],
  // Less to parse at each start. Names stay, so that a stack trace can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "linked",
  logLevel: "warning",
};

/** Programs that load what a run of them needs. */
const modules: BuildOptions = {
  ...options,
  format: "esm",
  splitting: true,
  // The Sigstore packages and protobufjs are CommonJS, which an ES module bundle can only load with a `require`.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
};

/** Modules of Node's that a snapshot cannot have (their objects are not JavaScript's alone), or that nearly no build needs. */
const LOADED_LATE = new Set(["http", "https", "tls", "dns", "vm", "sqlite", "os"]);

/** A snapshot is made from one file, and these modules of Node's load when something of them is first used. */
const forSnapshot: Plugin = {
  name: "for-snapshot",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/main\.ts$/ }, ({ importer }) =>
      importer.endsWith("/frontend.ts") ? { path: "./main.js", external: true } : undefined,
    );
    onResolve({ filter: /^(?:node:)?[\w/]+$/ }, ({ path }) => {
      const name = path.replace(/^node:/, "");
      return LOADED_LATE.has(name) ? { path: name, namespace: "loaded-late" } : undefined;
    });
    onLoad({ filter: /./, namespace: "loaded-late" }, async ({ path }) => {
      const names = Object.keys((await import(`node:${path}`)) as object);
      const contents = `for (const name of ${JSON.stringify(names)})
        Object.defineProperty(exports, name, { enumerable: true, get: () => process.getBuiltinModule("node:${path}")[name] });`;
      return { loader: "js", contents };
    });
  },
};

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await build({
  ...options,
  entryPoints: ["src/frontend.ts"],
  format: "cjs",
  outExtension: { ".js": ".cjs" },
  define: { "import.meta.dirname": "__dirname" },
  plugins: [forSnapshot],
});
await build({ ...modules, entryPoints: ["src/main.ts"], chunkNames: "main-[hash]" });
await build({
  ...modules,
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
