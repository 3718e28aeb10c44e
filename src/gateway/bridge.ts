// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { moby } from "../../gen/gateway.js";
import { type ExecStream, openExec } from "./exec-stream.ts";
import { Http2Connection } from "./http2-connection.ts";
import type { Headers, Http2Stream, StreamListener } from "./http2-stream.ts";
import { FrameReader, frameOf, MAX_MESSAGE_BYTES } from "./grpc-frame.ts";
import { CallError, failureIn, INTERNAL, UNAVAILABLE } from "./status.ts";
import { encodeWarning, type Warning } from "./warning.ts";

const api = moby.buildkit.v1.frontend;

/** The name of BuildKit's gateway API. */
export const SERVICE = "moby.buildkit.v1.frontend.LLBBridge";

const IMAGE_SCHEME = "docker-image://";

export type SolveRequest = moby.buildkit.v1.frontend.SolveRequest.$Properties;
export type ResolveImageConfigRequest = moby.buildkit.v1.frontend.ResolveImageConfigRequest.$Properties;
/** What BuildKit says of an image, with empty parts where it says nothing. */
export interface ResolvedImage {
  readonly Digest: string;
  /** The image's configuration, as JSON. */
  readonly Config: Uint8Array;
  /** The image that was resolved: by a policy of the client's it can be another one than was asked for. */
  readonly Ref: string;
}
export type NewContainerRequest = moby.buildkit.v1.frontend.NewContainerRequest.$Properties;
/** An entry of a directory. `mode` is that of Go's os.FileMode, with the kind of the entry in its upper bits. */
export interface DirectoryEntry {
  readonly name: string;
  readonly mode: number;
  /** In bytes. */
  readonly size: number;
}

/**
 * BuildKit's side of a build, as its gateway API offers it to a frontend (LLBBridge): gRPC over one HTTP/2 connection on
 * the given stream. Each method is one call; a failed one rejects with CallError.
 */
export class Bridge {
  readonly #stream: Duplex;
  #connection: Http2Connection | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    // Each call that is open hears of it too.
    stream.on("error", () => undefined);
  }

  /** The encoded answer to an encoded request, to pass on what somebody else asks. `method` is such as `Solve`. */
  forward(method: string, request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const reader = new FrameReader();
      let answer: Uint8Array | undefined;
      let failure: CallError | undefined;
      let isAnswered = false;
      const call = this.#open(method, {
        headers(headers: Headers) {
          if (headers["grpc-status"] === undefined) return;
          isAnswered = true;
          failure = failureIn(headers);
        },
        data(chunk) {
          try {
            const [message] = reader.push(chunk);
            answer ??= message;
          } catch (error) {
            reject(error as Error);
            call.reset("CANCEL");
          }
        },
        over(cause) {
          // An answer that comes before BuildKit has taken all of the request needs no more of it.
          call.reset("CANCEL");
          if (cause !== undefined)
            reject(new CallError(UNAVAILABLE, `BuildKit does not answer ${method}: ${cause.message}`));
          else if (failure !== undefined) reject(failure);
          else if (!isAnswered)
            reject(new CallError(UNAVAILABLE, `BuildKit hung up before it answered ${method}`));
          else if (answer === undefined)
            reject(new CallError(INTERNAL, `BuildKit answered ${method} with nothing`));
          else resolve(answer);
        },
      });
      call.write(frameOf(request));
      call.end();
    });
  }

  /** The definitions that `bake` links in as named contexts, each encoded, by name. */
  async inputs(): Promise<Record<string, Uint8Array>> {
    return api.InputsResponse.decode(await this.forward("Inputs", new Uint8Array())).Definitions ?? {};
  }

  /** Solves a definition. Answers the encoded Result. */
  async solve(request: SolveRequest): Promise<Uint8Array> {
    const bytes = encodeSolve(request);
    return api.SolveResponse.decode(await this.forward("Solve", bytes)).result ?? new Uint8Array();
  }

  /** Asks for the digest and config of an image, as the daemon sees it. */
  async resolveImageConfig(request: ResolveImageConfigRequest): Promise<ResolvedImage> {
    const bytes = api.ResolveImageConfigRequest.encode(request).finish();
    const { Digest, Config, Ref } = api.ResolveImageConfigResponse.decode(
      await this.forward("ResolveImageConfig", bytes),
    );
    return { Digest: Digest ?? "", Config: Config ?? new Uint8Array(), Ref: Ref ?? "" };
  }

  /** Asks the same by the call that newer engines have for it; what an error says differs. */
  async resolveImageSource({ Ref, ...others }: ResolveImageConfigRequest): Promise<ResolvedImage> {
    const bytes = api.ResolveSourceMetaRequest.encode({
      Source: { identifier: `${IMAGE_SCHEME}${Ref}` },
      ...others,
    }).finish();
    const { Source, Image } = api.ResolveSourceMetaResponse.decode(
      await this.forward("ResolveSourceMeta", bytes),
    );
    return {
      Digest: Image?.Digest ?? "",
      Config: Image?.Config ?? new Uint8Array(),
      Ref: Source?.identifier?.startsWith(IMAGE_SCHEME) ? Source.identifier.slice(IMAGE_SCHEME.length) : "",
    };
  }

  /** Has the client show a warning, beside the step that it is about and again when the build has ended. */
  async warn(warning: Warning): Promise<void> {
    await this.forward("Warn", api.WarnRequest.encode(encodeWarning(warning)).finish());
  }

  /** At most `length` bytes of a file in a result, from `offset` on; none behind its end. Solves the result first. */
  async readFile(
    ref: string,
    { path, offset, length }: { readonly path: string; readonly offset: number; readonly length: number },
  ): Promise<Uint8Array> {
    const Range = { Offset: offset, Length: length };
    const bytes = api.ReadFileRequest.encode({ Ref: ref, FilePath: path, Range }).finish();
    return api.ReadFileResponse.decode(await this.forward("ReadFile", bytes)).Data ?? new Uint8Array();
  }

  /** The entries of a directory in a result whose names match a pattern as in .dockerignore. Solves the result first. */
  async readDirectory(
    ref: string,
    { path, pattern }: { readonly path: string; readonly pattern: string },
  ): Promise<DirectoryEntry[]> {
    const bytes = api.ReadDirRequest.encode({ Ref: ref, DirPath: path, IncludePattern: pattern }).finish();
    const { entries } = api.ReadDirResponse.decode(await this.forward("ReadDir", bytes));
    return (entries ?? []).map((entry) => ({
      name: entry.path ?? "",
      mode: entry.mode ?? 0,
      size: Number(entry.size ?? 0),
    }));
  }

  /** Ends the build with an encoded Result. */
  async returnResult(result: Uint8Array): Promise<void> {
    await this.forward("Return", api.ReturnRequest.encode({ result }).finish());
  }

  /** Ends the build with an encoded google.rpc.Status. */
  async returnError(error: Uint8Array): Promise<void> {
    await this.forward("Return", api.ReturnRequest.encode({ error }).finish());
  }

  async newContainer(request: NewContainerRequest): Promise<void> {
    await this.forward("NewContainer", api.NewContainerRequest.encode(request).finish());
  }

  async releaseContainer(containerId: string): Promise<void> {
    const bytes = api.ReleaseContainerRequest.encode({ ContainerID: containerId }).finish();
    await this.forward("ReleaseContainer", bytes);
  }

  /** Opens a stream of messages about a process in a container. */
  execProcess(): ExecStream {
    return openExec((listener) => this.#open("ExecProcess", listener));
  }

  close(): void {
    this.#connection?.destroy();
  }

  #open(method: string, listener: StreamListener): Http2Stream {
    this.#connection ??= new Http2Connection(this.#stream, { maxHeaderBytes: MAX_MESSAGE_BYTES }).start();
    return this.#connection.request(
      [
        [":method", "POST"],
        [":scheme", "http"],
        [":authority", "buildkit"],
        [":path", `/${SERVICE}/${method}`],
        ["content-type", "application/grpc"],
        ["te", "trailers"],
      ],
      listener,
    );
  }
}

/** The bytes of a Solve, which always asks for the result itself with all its refs. */
export function encodeSolve(request: SolveRequest): Uint8Array {
  return api.SolveRequest.encode({ ...request, allowResultReturn: true, allowResultArrayRef: true }).finish();
}
