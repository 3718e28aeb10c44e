// SPDX-License-Identifier: Apache-2.0
import type { GoModule } from "./go-programs.ts";

/** The Merkle tree below Rekor v1: its server, the signer that sequences the leaves, and what makes a tree. */
export const TRILLIAN: GoModule = {
  name: "trillian",
  path: "github.com/google/trillian",
  version: "v1.7.3",
  packages: ["cmd/trillian_log_server", "cmd/trillian_log_signer", "cmd/createtree"],
  // Leaves out the other databases.
  tags: "mysql",
};

export const REKOR_V1: GoModule = {
  name: "rekor",
  path: "github.com/sigstore/rekor",
  version: "v1.5.4",
  packages: ["cmd/rekor-server"],
};
