// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vitest/config";

const alias = {
  // The courier ships without make-fetch-happen; tests run against what ships.
  "make-fetch-happen": new URL("./src/courier/fetch-for-sigstore.ts", import.meta.url).pathname,
};

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: { name: "unit", include: ["test/**/*.test.ts"], testTimeout: 30_000 },
      },
      {
        resolve: { alias },
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.e2e.ts"],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
