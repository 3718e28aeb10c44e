// SPDX-License-Identifier: Apache-2.0
import { pb } from "../../gen/gateway.js";
import { sha256 } from "../image/digest.ts";
import { DefinitionError } from "./definition.ts";

/** A command that is run in an image. What is not in `proxies` and `title` makes up the key under which BuildKit keeps its output. */
export interface Command {
  readonly args: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  /** The proxies of the process, which BuildKit hands on and leaves out of the key. */
  readonly proxies: { readonly http: string; readonly https: string; readonly none: string };
  /** The directory that it writes to, an absolute path. Nothing else of what it writes is kept. */
  readonly output: string;
  /** What the build's progress calls it; all commands of one title are one line there. */
  readonly title: string;
}

/**
 * An encoded definition of the directory that a command fills. `image` is the encoded definition of the filesystem that it runs in,
 * which it cannot write to. It has the network that RUN steps have, and no secrets. Equal commands give equal bytes. Throws
 * DefinitionError for an image that cannot be read.
 */
export function commandOutput(image: Uint8Array, { args, env, proxies, output, title }: Command): Uint8Array {
  const { steps, metadata, root, platform } = readImage(image);
  const exec = pb.ExecOp.encode({
    meta: {
      args: [...args],
      env: [...env],
      cwd: "/",
      proxy_env: { http_proxy: proxies.http, https_proxy: proxies.https, no_proxy: proxies.none },
    },
    mounts: [
      { input: 0, dest: "/", output: -1, readonly: true, mountType: pb.MountType.BIND },
      { input: -1, dest: output, output: 0, mountType: pb.MountType.BIND },
    ],
    network: pb.NetMode.UNSET,
  }).finish();
  const op = pb.Op.encode({ inputs: [root], exec, ...(platform && { platform }) }).finish();
  const digest = sha256(op);
  const end = pb.Op.encode({ inputs: [{ digest, index: 0 }] }).finish();
  return pb.Definition.encode({
    def: [...steps, op, end],
    metadata: {
      ...metadata,
      [digest]: {
        description: { "llb.customname": title },
        caps: { "exec.meta.base": true, "exec.mount.bind": true },
        progress_group: { id: title, name: title },
      },
    },
  }).finish();
}

interface Image {
  /** Its operations without the last, which only says which of them is the image. */
  readonly steps: readonly Uint8Array[];
  readonly metadata: NonNullable<pb.Definition["metadata"]>;
  readonly root: pb.Input.$Properties;
  readonly platform: pb.Platform.$Properties | undefined;
}

function readImage(image: Uint8Array): Image {
  try {
    const { def = [], metadata } = pb.Definition.decode(image);
    const steps = def.slice(0, -1);
    const [root] = pb.Op.decode(def.at(-1) ?? new Uint8Array()).inputs ?? [];
    const made = steps.find((each) => sha256(each) === root?.digest);
    if (root === undefined || made === undefined)
      throw new DefinitionError("the LLB of an image does not say which of its operations is the image");
    return { steps, metadata: metadata ?? {}, root, platform: pb.Op.decode(made).platform ?? undefined };
  } catch (cause) {
    if (cause instanceof DefinitionError) throw cause;
    throw new DefinitionError("the LLB of an image does not decode", { cause });
  }
}
