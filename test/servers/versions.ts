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

/** Rekor v2 on files, without a database; the program's name is "posix". */
export const REKOR_V2: GoModule = {
  name: "rekor-tiles",
  path: "github.com/sigstore/rekor-tiles/v2",
  version: "v2.3.0",
  packages: ["cmd/rekor-server/posix"],
};

export const FULCIO: GoModule = {
  name: "fulcio",
  path: "github.com/sigstore/fulcio",
  version: "v1.8.8",
  packages: [""],
};

/** The log of certificates (RFC 6962) that Fulcio writes to; its tree is in Trillian. */
export const CERTIFICATE_LOG: GoModule = {
  name: "certificate-log",
  path: "github.com/google/certificate-transparency-go",
  version: "v1.3.3",
  packages: ["trillian/ctfe/ct_server"],
};

export const TIMESTAMP_AUTHORITY: GoModule = {
  name: "timestamp-authority",
  path: "github.com/sigstore/timestamp-authority/v2",
  version: "v2.1.3",
  packages: ["cmd/timestamp-server"],
};
