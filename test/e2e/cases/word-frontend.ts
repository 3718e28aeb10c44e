// SPDX-License-Identifier: Apache-2.0
// A frontend of another kind than Dockerfile's, for tests: its files have one line `image NAME` and one line `run WORDS`.
// It asks BuildKit for the image, makes LLB of both lines, solves it, and returns that. `--lie` leaves the question out and
// takes the digest that is written behind the name.
import { moby, pb } from "../../../gen/gateway.js";
import { Bridge } from "../../../src/gateway/bridge.ts";
import { readBuildOptions } from "../../../src/gateway/options.ts";
import { readResult } from "../../../src/gateway/result.ts";
import { stdioStream } from "../../../src/gateway/stdio.ts";
import { sha256 } from "../../../src/image/digest.ts";
import { localTree } from "../../../src/llb/local-tree.ts";

const bridge = new Bridge(stdioStream());
const { options, sessionId } = readBuildOptions(process.env);
const filename = options["filename"] ?? "Dockerfile";
const tree = localTree({ name: "dockerfile", sessionId, paths: [filename] });
const [file] = readResult(await bridge.solve({ Definition: tree })).refs;
const bytes = await bridge.readFile(file?.id ?? "", { path: filename, offset: 0, length: 65_536 });
const words = new Map(
  Buffer.from(bytes)
    .toString()
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => [line.split(" ", 1)[0] ?? "", line.slice(line.indexOf(" ") + 1)]),
);
const name = words.get("image") ?? "";
const identifier = process.argv.includes("--lie") ? `docker-image://${name}` : await resolved(name);
const run = ["/bin/sh", "-c", words.get("run") ?? "true"];
const source = pb.Op.encode({ source: { identifier } }).finish();
const exec = pb.Op.encode({
  inputs: [{ digest: sha256(source), index: 0 }],
  exec: execOf(run),
}).finish();
const end = pb.Op.encode({ inputs: [{ digest: sha256(exec), index: 0 }] }).finish();
const definition = pb.Definition.encode({
  def: [source, exec, end],
  metadata: {
    [sha256(source)]: { caps: { "source.image": true } },
    [sha256(exec)]: {
      description: { "llb.customname": `run ${run[2]}` },
      caps: { "exec.meta.base": true, "exec.mount.bind": true },
    },
  },
}).finish();
await bridge.returnResult(await bridge.solve({ Definition: definition }));
process.exit(0);

async function resolved(image: string): Promise<string> {
  const request = { Source: { identifier: `docker-image://${image}` }, LogName: `look at ${image}` };
  const api = moby.buildkit.v1.frontend;
  const answer = await bridge.forward(
    "ResolveSourceMeta",
    api.ResolveSourceMetaRequest.encode(request).finish(),
  );
  return api.ResolveSourceMetaResponse.decode(answer).Source?.identifier ?? "";
}

/** An encoded ExecOp (BuildKit, solver/pb): these arguments in the first input's filesystem. */
function execOf(args: readonly string[]): Uint8Array {
  const meta = pb.Meta.encode({ args: [...args], env: ["PATH=/bin"], cwd: "/" }).finish();
  const mount = pb.Mount.encode({ input: 0, dest: "/", output: 0 }).finish();
  const field = (number: number, value: Uint8Array) =>
    Buffer.concat([Buffer.from([(number << 3) | 2]), varint(value.length), value]);
  return Buffer.concat([field(1, meta), field(2, mount)]);
}

function varint(value: number): Buffer {
  return value < 128
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value & 127) | 128]), varint(value >> 7)]);
}
