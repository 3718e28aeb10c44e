// SPDX-License-Identifier: Apache-2.0
import { createRequire, registerHooks } from "node:module";
import type * as certified from "../../src/courier/server/certified-keys.ts";
import type * as recording from "../../src/courier/server/recording.ts";

// As the bundle that ships does. Vite's alias does not reach what a package requires, and Node loads these modules
// itself, so that each exists once for them.
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "make-fetch-happen"
      ? {
          url: new URL("../../src/courier/server/fetch-for-sigstore.ts", import.meta.url).href,
          shortCircuit: true,
        }
      : next(specifier, context),
});

const require = createRequire(import.meta.url);

/** `recordStatement` with our fetch in place of make-fetch-happen. */
export const { recordStatement } = require("../../src/courier/server/recording.ts") as typeof recording;

/** The same of `certifiedKeys`. */
export const { certifiedKeys } = require("../../src/courier/server/certified-keys.ts") as typeof certified;

/** What @sigstore/sign gets when it requires make-fetch-happen. */
export const makeFetchHappen: unknown = createRequire(require.resolve("@sigstore/sign"))("make-fetch-happen");
