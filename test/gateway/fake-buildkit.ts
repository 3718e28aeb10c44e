// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { moby, pb } from "../../gen/gateway.js";
import { connect } from "node:net";
import { Bridge } from "../../src/gateway/bridge.ts";
import { sha256 } from "../../src/image/digest.ts";

const api = moby.buildkit.v1.frontend;

/** A solve as the fake is asked it, with the definition and inputs still encoded. */
export interface AskedSolve {
  readonly Frontend: string;
  readonly FrontendOpt: Readonly<Record<string, string>>;
  readonly FrontendInputs: Readonly<Record<string, Buffer>>;
  /** Encoded. */
  readonly Definition: Buffer | null;
  readonly Evaluate: boolean;
}

/** What `ResolveImageConfig` is asked. */
export interface AskedImage {
  readonly Ref: string;
  readonly ResolveMode: string;
  readonly Platform: unknown;
}

/** What `NewContainer` is asked. */
export interface AskedContainer {
  readonly ContainerID: string;
  readonly Network: number;
  readonly Mounts: readonly {
    readonly dest: string;
    readonly readonly: boolean;
    readonly mountType: number;
    readonly resultID: string;
    readonly secretOpt: { readonly ID: string; readonly mode: number; readonly optional: boolean } | null;
  }[];
}

/** What `Warn` is asked. */
export interface AskedWarning {
  readonly digest: string;
  readonly level: number;
  readonly short: Buffer;
  readonly detail: readonly Buffer[];
  readonly url: string;
  readonly info: { readonly filename: string; readonly data: Buffer; readonly language: string } | null;
  readonly ranges: readonly {
    readonly start: { readonly line: number };
    readonly end: { readonly line: number };
  }[];
}

type ExecMessage = moby.buildkit.v1.frontend.ExecMessage.$Properties;
/** BuildKit's end of an `ExecProcess` call. */
export type ExecCall = ServerDuplexStream<ExecMessage, ExecMessage>;

/** A gRPC failure as BuildKit sends one: a status with details in the trailer. */
export class FakeFailure extends Error {
  override readonly name = "FakeFailure";
  readonly details: Uint8Array | undefined;
  constructor(message: string, details?: Uint8Array) {
    super(message);
    this.details = details;
  }
}

/** What a file of a solved result holds, or what else has its name there. */
export type FakeFile = string | Uint8Array | { readonly mode: number; readonly content?: string };

export interface FakeBehaviour {
  /** The files of a result by their paths; directories come by themselves. May throw FakeFailure. */
  readonly files?: (ref: string) => Readonly<Record<string, FakeFile>>;
  /** The ids of its capabilities; those of an engine that is new enough when not given. */
  readonly capabilities?: readonly string[];
  readonly llbCapabilities?: readonly string[];
  /** Answers an encoded Result, or throws FakeFailure. */
  readonly solve?: (request: AskedSolve) => Uint8Array | Promise<Uint8Array>;
  /** Answers the digest of an image reference, with its configuration if that matters, or throws FakeFailure. */
  readonly resolve?: (
    request: AskedImage,
  ) => string | { readonly digest: string; readonly config: Uint8Array };
  readonly inputs?: Readonly<Record<string, Uint8Array>>;
  /** May throw FakeFailure. */
  readonly newContainer?: (request: AskedContainer) => void | Promise<void>;
  readonly exec?: (call: ExecCall) => void;
  /** May throw FakeFailure. */
  readonly warn?: (request: AskedWarning) => void;
  /** May throw FakeFailure. */
  readonly return?: (request: { result?: Buffer; error?: Buffer }) => void;
}

/** What the fake heard. */
export interface Heard {
  readonly solves: AskedSolve[];
  readonly resolves: AskedImage[];
  /** What was read of files. */
  readonly reads: { ref: string; path: string; offset: number; length: number }[];
  readonly returned: { result?: Buffer; error?: Buffer }[];
  readonly containers: AskedContainer[];
  /** The ids of containers that were given back. */
  readonly released: string[];
  readonly warnings: AskedWarning[];
}

/**
 * A fake of BuildKit's gateway: a real gRPC server, loaded from our transcription of the protocol, whose answers a
 * test decides. It converts no Dockerfile and runs nothing; what only BuildKit can show is shown by the e2e tests.
 */
export async function startFakeBuildkit(
  behaviour: FakeBehaviour = {},
): Promise<{ bridge: Bridge; heard: Heard; target: string; close(): void }> {
  const heard: Heard = {
    solves: [],
    resolves: [],
    reads: [],
    returned: [],
    containers: [],
    released: [],
    warnings: [],
  };
  const directory = mkdtempSync(join(tmpdir(), "fake-buildkit-"));
  const target = `unix:${join(directory, "s")}`;
  const server = new Server({
    "grpc.max_receive_message_length": 32 << 20,
    "grpc.max_send_message_length": 32 << 20,
  });
  const answer =
    <Req, Res>(handle: (request: Req) => Res | Promise<Res>) =>
    (call: { request: Req }, callback: (error: object | null, response?: Res) => void) => {
      Promise.resolve()
        .then(() => handle(call.request))
        .then(
          (response) => callback(null, response),
          (error: unknown) => callback(failure(error)),
        );
    };
  server.addService(bridgeService(), {
    Ping: answer(() => ({
      FrontendAPICaps: (behaviour.capabilities ?? ["gateway.evaluate", "file.symlink.create"]).map((ID) => ({
        ID,
        Enabled: true,
      })),
      LLBCaps: (behaviour.llbCapabilities ?? []).map((ID) => ({ ID, Enabled: true })),
    })),
    Inputs: answer(() => ({ Definitions: behaviour.inputs ?? {} })),
    Solve: answer(async (request: AskedSolve) => {
      heard.solves.push(request);
      return { result: (await behaviour.solve?.(request)) ?? encodeResult({}) };
    }),
    ResolveImageConfig: answer((request: AskedImage) => {
      heard.resolves.push(request);
      const answered = behaviour.resolve?.(request) ?? "";
      const { digest, config } =
        typeof answered === "string" ? { digest: answered, config: undefined } : answered;
      return { Digest: digest, Ref: request.Ref, ...(config && { Config: config }) };
    }),
    ResolveSourceMeta: answer(
      ({
        Source,
        ResolveMode,
        Platform,
      }: {
        Source: { identifier: string };
        ResolveMode: string;
        Platform: unknown;
      }) => {
        const request = { Ref: Source.identifier.replace("docker-image://", ""), ResolveMode, Platform };
        heard.resolves.push(request);
        const answered = behaviour.resolve?.(request) ?? "";
        const { digest, config } =
          typeof answered === "string" ? { digest: answered, config: undefined } : answered;
        return { Source, Image: { Digest: digest, ...(config && { Config: config }) } };
      },
    ),
    StatFile: answer(({ Ref, Path }: { Ref: string; Path: string }) => {
      const file = behaviour.files?.(Ref)[Path];
      if (file === undefined) throw new FakeFailure(`stat ${Path}: no such file or directory`);
      return { stat: { path: Path, mode: 0o644, size: contentOf(file).length } };
    }),
    ReadDir: answer((request: { Ref: string; DirPath: string; IncludePattern: string }) => ({
      entries: listed(behaviour.files?.(request.Ref) ?? {}, request),
    })),
    ReadFile: answer(
      ({
        Ref,
        FilePath,
        Range,
      }: {
        Ref: string;
        FilePath: string;
        Range: { Offset: number; Length: number };
      }) => {
        const { Offset: offset, Length: length } = Range;
        heard.reads.push({ ref: Ref, path: FilePath, offset, length });
        const file = behaviour.files?.(Ref)[FilePath];
        if (file === undefined) throw new FakeFailure(`open ${FilePath}: no such file or directory`);
        return { Data: contentOf(file).subarray(offset, offset + length) };
      },
    ),
    Return: answer((request: { result?: Buffer; error?: Buffer }) => {
      heard.returned.push(request);
      behaviour.return?.(request);
      return {};
    }),
    NewContainer: answer(async (request: AskedContainer) => {
      heard.containers.push(request);
      await behaviour.newContainer?.(request);
      return {};
    }),
    ReleaseContainer: answer((request: { ContainerID: string }) => {
      heard.released.push(request.ContainerID);
      return {};
    }),
    Warn: answer((request: AskedWarning) => {
      heard.warnings.push(request);
      behaviour.warn?.(request);
      return {};
    }),
    ExecProcess(call: ExecCall) {
      call.on("error", () => undefined);
      behaviour.exec?.(call);
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(target, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  const bridge = new Bridge(connect(target.replace("unix:", "")));
  return {
    bridge,
    heard,
    target,
    close() {
      bridge.close();
      server.forceShutdown();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const DIRECTORY_MODE = 2 ** 31 + 0o755;

/** The entries of a directory with this very name. */
function listed(
  files: Readonly<Record<string, FakeFile>>,
  { DirPath, IncludePattern: pattern }: { DirPath: string; IncludePattern: string },
): object[] {
  const prefix = DirPath === "." ? "" : `${DirPath}/`;
  const within = Object.entries(files).filter(([path]) => path.startsWith(prefix));
  if (prefix !== "" && within.length === 0)
    throw new FakeFailure(`lstat ${DirPath}: no such file or directory`);
  const matches = (name: string) => {
    const [start = "", ...rest] = pattern.split("*");
    return rest.length === 0 ? name === pattern : name.startsWith(start) && name.endsWith(rest.at(-1) ?? "");
  };
  const entries = new Map<string, object>();
  for (const [path, file] of within) {
    const [name = "", ...below] = path.slice(prefix.length).split("/");
    if (!matches(name)) continue;
    const mode = typeof file === "object" && "mode" in file ? file.mode : 0o644;
    const entry =
      below.length > 0 ? { mode: DIRECTORY_MODE, size: 0 } : { mode, size: contentOf(file).length };
    entries.set(name, { path: name, ...entry });
  }
  return [...entries.values()];
}

function contentOf(file: FakeFile): Buffer {
  return Buffer.from(typeof file === "object" && "mode" in file ? (file.content ?? "") : file);
}

/** An encoded Result of one ref with this definition. */
export function resultOf(definition: Uint8Array, metadata: Record<string, Uint8Array> = {}): Uint8Array {
  return encodeResult({ ref: { id: "ref-1", def: definition }, metadata });
}

export function encodeResult(result: moby.buildkit.v1.frontend.Result.$Properties): Uint8Array {
  return api.Result.encode(result).finish();
}

/** An encoded definition of these operations, with a last one that depends on all of them, and this source map. */
export function definitionOf(ops: readonly pb.Op.$Properties[], source?: pb.Source.$Properties): Uint8Array {
  const def = ops.map((op) => pb.Op.encode(op).finish());
  const inputs = def.map((op) => ({ digest: sha256(op), index: 0 }));
  def.push(pb.Op.encode({ inputs }).finish());
  return pb.Definition.encode({ def, ...(source && { Source: source }) }).finish();
}

function failure(error: unknown): object {
  if (!(error instanceof FakeFailure)) return { code: status.INTERNAL, details: String(error) };
  const metadata = new Metadata();
  if (error.details) metadata.set("grpc-status-details-bin", Buffer.from(error.details));
  return { code: status.UNKNOWN, details: error.message, metadata };
}

function bridgeService(): ServiceDefinition {
  const loaded = loadSync("gateway.proto", {
    includeDirs: ["proto"],
    keepCase: true,
    longs: Number,
    defaults: true,
  });
  return loaded["moby.buildkit.v1.frontend.LLBBridge"] as ServiceDefinition;
}
