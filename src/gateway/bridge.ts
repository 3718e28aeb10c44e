// SPDX-License-Identifier: Apache-2.0
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type MethodDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { moby } from "../../gen/gateway.js";
import { encodeWarning, type Warning } from "./warning.ts";

const api = moby.buildkit.v1.frontend;

/** BuildKit's own limit for one message, in bytes. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

interface Codec<Message, Properties> {
  encode(message: Properties): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

function method<Req, ReqProperties, Res, ResProperties>(
  name: string,
  request: Codec<Req, ReqProperties>,
  response: Codec<Res, ResProperties>,
  stream = false,
): MethodDefinition<ReqProperties, Res> {
  return {
    path: `/moby.buildkit.v1.frontend.LLBBridge/${name}`,
    requestStream: stream,
    responseStream: stream,
    requestSerialize: (message) => Buffer.from(request.encode(message).finish()),
    responseDeserialize: (bytes) => response.decode(bytes),
    requestDeserialize: () => {
      throw new Error(`${name} is only called here, not served`);
    },
    responseSerialize: () => {
      throw new Error(`${name} is only called here, not served`);
    },
  };
}

const methods = {
  ping: method("Ping", api.PingRequest, api.PongResponse),
  inputs: method("Inputs", api.InputsRequest, api.InputsResponse),
  solve: method("Solve", api.SolveRequest, api.SolveResponse),
  resolveImageConfig: method(
    "ResolveImageConfig",
    api.ResolveImageConfigRequest,
    api.ResolveImageConfigResponse,
  ),
  readFile: method("ReadFile", api.ReadFileRequest, api.ReadFileResponse),
  readDir: method("ReadDir", api.ReadDirRequest, api.ReadDirResponse),
  return: method("Return", api.ReturnRequest, api.ReturnResponse),
  newContainer: method("NewContainer", api.NewContainerRequest, api.NewContainerResponse),
  releaseContainer: method("ReleaseContainer", api.ReleaseContainerRequest, api.ReleaseContainerResponse),
  execProcess: method("ExecProcess", api.ExecMessage, api.ExecMessage, true),
  warn: method("Warn", api.WarnRequest, api.WarnResponse),
};

export type SolveRequest = moby.buildkit.v1.frontend.SolveRequest.$Properties;
export type ResolveImageConfigRequest = moby.buildkit.v1.frontend.ResolveImageConfigRequest.$Properties;
export type ResolvedImage = moby.buildkit.v1.frontend.ResolveImageConfigResponse;
export type NewContainerRequest = moby.buildkit.v1.frontend.NewContainerRequest.$Properties;
/** An entry of a directory. `mode` is that of Go's os.FileMode, with the kind of the entry in its upper bits. */
export interface DirectoryEntry {
  readonly name: string;
  readonly mode: number;
  /** In bytes. */
  readonly size: number;
}
export type ExecMessage = moby.buildkit.v1.frontend.ExecMessage;
export type ExecStream = ClientDuplexStream<
  moby.buildkit.v1.frontend.ExecMessage.$Properties,
  moby.buildkit.v1.frontend.ExecMessage
>;

/**
 * BuildKit's side of a build, as its gateway API offers it to a frontend (LLBBridge). Each method is one call; a
 * failed one rejects with grpc-js' ServiceError.
 */
export class Bridge {
  readonly #client: Client;

  /** `target` is what gRPC dials, such as `unix:/path`. */
  constructor(target: string) {
    this.#client = new Client(target, credentials.createInsecure(), {
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
    });
    // Dials now rather than at the first call.
    this.#client.getChannel().getConnectivityState(true);
  }

  /** The ids of what this BuildKit's gateway and LLB can do, such as `gateway.evaluate` and `file.symlink.create`. */
  async capabilities(): Promise<ReadonlySet<string>> {
    const { FrontendAPICaps: gateway, LLBCaps: llb } = await this.#call(methods.ping, {});
    const enabled = [...(gateway ?? []), ...(llb ?? [])].filter(({ Enabled }) => Enabled);
    return new Set(enabled.map(({ ID }) => ID ?? ""));
  }

  /** The definitions that `bake` links in as named contexts, each encoded. */
  async inputs(): Promise<Record<string, Uint8Array>> {
    return (await this.#call(methods.inputs, {})).Definitions ?? {};
  }

  /** Solves a definition or runs a nested frontend. Answers the encoded Result. */
  async solve(request: SolveRequest): Promise<Uint8Array> {
    const { result } = await this.#call(methods.solve, {
      ...request,
      allowResultReturn: true,
      allowResultArrayRef: true,
    });
    return result ?? new Uint8Array();
  }

  /** Asks for the digest and config of an image, as the daemon sees it. */
  resolveImageConfig(request: ResolveImageConfigRequest): Promise<ResolvedImage> {
    return this.#call(methods.resolveImageConfig, request);
  }

  /** Has the client show a warning, beside the step that it is about and again when the build has ended. */
  async warn(warning: Warning): Promise<void> {
    await this.#call(methods.warn, encodeWarning(warning));
  }

  /** At most `length` bytes of a file in a result, from `offset` on; none behind its end. Solves the result first. */
  async readFile(
    ref: string,
    { path, offset, length }: { readonly path: string; readonly offset: number; readonly length: number },
  ): Promise<Uint8Array> {
    const Range = { Offset: offset, Length: length };
    return (await this.#call(methods.readFile, { Ref: ref, FilePath: path, Range })).Data ?? new Uint8Array();
  }

  /** The entries of a directory in a result whose names match a pattern as in .dockerignore. Solves the result first. */
  async readDirectory(
    ref: string,
    { path, pattern }: { readonly path: string; readonly pattern: string },
  ): Promise<DirectoryEntry[]> {
    const { entries } = await this.#call(methods.readDir, {
      Ref: ref,
      DirPath: path,
      IncludePattern: pattern,
    });
    return (entries ?? []).map((entry) => ({
      name: entry.path ?? "",
      mode: entry.mode ?? 0,
      size: Number(entry.size ?? 0),
    }));
  }

  /** Ends the build with an encoded Result. */
  async returnResult(result: Uint8Array): Promise<void> {
    await this.#call(methods.return, { result });
  }

  /** Ends the build with an encoded google.rpc.Status. */
  async returnError(error: Uint8Array): Promise<void> {
    await this.#call(methods.return, { error });
  }

  async newContainer(request: NewContainerRequest): Promise<void> {
    await this.#call(methods.newContainer, request);
  }

  async releaseContainer(containerId: string): Promise<void> {
    await this.#call(methods.releaseContainer, { ContainerID: containerId });
  }

  execProcess(): ExecStream {
    const { path, requestSerialize, responseDeserialize } = methods.execProcess;
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  }

  close(): void {
    this.#client.close();
  }

  #call<Req, Res>(definition: MethodDefinition<Req, Res>, request: Req): Promise<Res> {
    return new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = definition;
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        (error: ServiceError | null, response?: Res) => {
          if (error) reject(error);
          else if (response === undefined) reject(new Error(`BuildKit answered ${path} with nothing`));
          else resolve(response);
        },
      );
    });
  }
}
