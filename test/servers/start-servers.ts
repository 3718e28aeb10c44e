// SPDX-License-Identifier: Apache-2.0
import type { TestProject } from "vitest/node";
import { startRekorV1 } from "./rekor-v1.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of the real Rekor v1. */
    rekorV1: string;
  }
}

/** Starts the real servers once for all test files, and stops them after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const rekor = await startRekorV1();
  project.provide("rekorV1", rekor.url);
  return () => rekor.close();
}
