// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { deflateSync } from "node:zlib";

/** A git repository with one commit, served by git's plain HTTP protocol. */
export interface GitServer {
  /** The repository's URL with its commit, as a build takes it for a context. */
  readonly context: string;
  close(): Promise<void>;
}

/** Serves these files, all in the root directory, as the commit of branch `main`. */
export async function startGitServer(
  hostname: string,
  files: Readonly<Record<string, string>>,
): Promise<GitServer> {
  const served = new Map<string, Buffer>();
  const add = (kind: string, content: Buffer): string => {
    const object = Buffer.concat([Buffer.from(`${kind} ${content.length}\0`), content]);
    const id = createHash("sha1").update(object).digest("hex");
    served.set(`/repo.git/objects/${id.slice(0, 2)}/${id.slice(2)}`, deflateSync(object));
    return id;
  };
  const entries = Object.entries(files).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const tree = entries.map(([name, text]) =>
    Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.from(add("blob", Buffer.from(text)), "hex")]),
  );
  const who = "Lab <lab@example.test> 1700000000 +0000";
  const commit = add(
    "commit",
    Buffer.from(
      `tree ${add("tree", Buffer.concat(tree))}\nauthor ${who}\ncommitter ${who}\n\nAll there is\n`,
    ),
  );
  served.set("/repo.git/HEAD", Buffer.from("ref: refs/heads/main\n"));
  served.set("/repo.git/info/refs", Buffer.from(`${commit}\trefs/heads/main\n`));

  const server = createServer((incoming, outgoing) => {
    const content = served.get((incoming.url ?? "").replace(/\?.*$/, ""));
    outgoing.writeHead(content === undefined ? 404 : 200).end(content);
  });
  await new Promise<void>((listening) => server.listen(0, hostname, listening));
  const { port } = server.address() as AddressInfo;
  return {
    context: `http://${hostname}:${port}/repo.git#${commit}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
