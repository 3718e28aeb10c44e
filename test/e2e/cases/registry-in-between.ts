// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sha256 } from "../../../src/image/digest.ts";
import type { Registry } from "../lab/registry.ts";

/** A registry that is the lab's, but for some answers. */
export interface RegistryInBetween {
  /** `hostname:port`, as image references begin. */
  readonly address: string;
  /** From now on our courier, who says that it is no builder, is answered so when it asks for a manifest by this tag. */
  answer(
    tag: string,
    instead: { readonly status: number; readonly body: string; readonly type?: string },
  ): void;
  close(): Promise<void>;
}

/** Starts one in front of the lab's registry. */
export async function startRegistryInBetween(registry: Registry): Promise<RegistryInBetween> {
  const answers = new Map<string, Parameters<RegistryInBetween["answer"]>[1]>();
  const server = createServer((incoming, outgoing) => {
    const tag = /\/manifests\/([\w.-]+)$/.exec(incoming.url ?? "")?.[1];
    const isCourier = incoming.headers["user-agent"] === "tlog-dockerfile";
    const instead = isCourier && tag !== undefined ? answers.get(tag) : undefined;
    if (instead === undefined) return forward(registry, incoming, outgoing);
    outgoing.writeHead(instead.status, {
      "content-type": instead.type ?? "application/json",
      "content-length": Buffer.byteLength(instead.body),
      ...(instead.status === 200 && { "docker-content-digest": sha256(Buffer.from(instead.body)) }),
    });
    outgoing.end(incoming.method === "HEAD" ? undefined : instead.body);
  });
  await new Promise<void>((listening) => server.listen(0, registry.hostname, listening));
  const { port } = server.address() as AddressInfo;
  return {
    address: `${registry.hostname}:${port}`,
    answer: (tag, instead) => void answers.set(tag, instead),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

function forward({ hostname, port }: Registry, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const onward = request(
    { hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers, agent: false },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    },
  );
  onward.on("error", () => outgoing.destroy());
  incoming.pipe(onward);
}
