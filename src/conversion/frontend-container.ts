// SPDX-License-Identifier: Apache-2.0
import { Writable } from "node:stream";
import * as v from "valibot";
import { pb } from "../../gen/gateway.js";
import type { Bridge } from "../gateway/bridge.ts";
import { ContainerError, type ContainerOptions, startContainer } from "../gateway/container.ts";
import { Http2Error } from "../gateway/http2-frame.ts";
import { serveGateway } from "../gateway/server.ts";
import { joined } from "../gateway/stdio.ts";
import { sha256 } from "../image/digest.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import { type Conversion, ConversionError } from "./conversion.ts";

/** A judged image whose program converts Dockerfiles, or files of its own syntax. */
export interface FrontendImage {
  /** With its digest. */
  readonly reference: Reference;
  /** Its configuration, as JSON. */
  readonly config: Uint8Array;
  readonly environment: Readonly<Record<string, string>>;
}

/** How long its end is waited for, in milliseconds: BuildKit cancels what runs when we return. */
const MAX_END_MS = 2_000;

const Config = v.object({
  config: v.object({
    Entrypoint: v.nullish(v.array(v.string()), []),
    Cmd: v.nullish(v.array(v.string()), []),
    Env: v.nullish(v.array(v.string()), []),
    WorkingDir: v.nullish(v.string(), ""),
  }),
});

/**
 * Starts a frontend image in a container of its own, without a network and without secrets. Throws ConversionError for an
 * image that is no frontend, or that BuildKit does not start within `startMs`, and CallError when BuildKit refuses it.
 */
export async function startFrontendContainer(
  bridge: Bridge,
  { reference, config, environment }: FrontendImage,
  startMs?: number,
): Promise<Conversion> {
  const name = `the frontend "${formatReference(reference)}"`;
  const { Entrypoint, Cmd, Env, WorkingDir } = readConfig(config, name);
  const args = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  if (args.length === 0) throw new ConversionError(`${name} has no entrypoint, so it is no frontend`);
  const own = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
  const options: ContainerOptions = {
    name,
    rootfs: imageDefinition(reference),
    writable: true,
    args,
    directory: WorkingDir || "/",
    env: [...(Env ?? []), ...own],
    network: false,
    secrets: [],
  };
  const container = await startContainer(bridge, options, startMs).catch((cause: unknown) => {
    throw cause instanceof ContainerError ? new ConversionError(cause.message, { cause }) : cause;
  });
  const input = new Writable({
    write(bytes: Uint8Array, _, done) {
      container.write(bytes);
      done();
    },
  });
  const stream = joined(container.output, input);
  const ended = new Promise<ConversionError>((resolve) => {
    const failed = ({ message }: Error): void => resolve(new ConversionError(`${name}: ${message}`));
    container.output.once("error", failed);
    // It does not keep to the protocol.
    stream.on("error", (error) => {
      if (error instanceof Http2Error) failed(error);
    });
    container.output.once("end", () => resolve(new ConversionError(`${name} ended without an answer`)));
  });
  return {
    serve: (answer) => serveGateway(stream, answer),
    ended,
    async end() {
      container.close();
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, MAX_END_MS).unref())]);
    },
  };
}

function readConfig(config: Uint8Array, name: string): v.InferOutput<typeof Config>["config"] {
  try {
    return v.parse(Config, JSON.parse(new TextDecoder().decode(config))).config;
  } catch (cause) {
    throw new ConversionError(`${name} has a configuration that is not an image's`, { cause });
  }
}

/** An encoded definition of the image's filesystem. */
function imageDefinition(reference: Reference): Uint8Array {
  const op = pb.Op.encode({
    source: { identifier: `docker-image://${formatReference(reference)}` },
  }).finish();
  const end = pb.Op.encode({ inputs: [{ digest: sha256(op), index: 0 }] }).finish();
  return pb.Definition.encode({ def: [op, end] }).finish();
}
