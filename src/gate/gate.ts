// SPDX-License-Identifier: Apache-2.0
import { moby } from "../../gen/gateway.js";
import { type Bridge, encodeSolve } from "../gateway/bridge.ts";
import { readResult } from "../gateway/result.ts";
import { CallError, UNAVAILABLE, UNIMPLEMENTED, UNKNOWN } from "../gateway/status.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { type Definition, readDefinition } from "../llb/definition.ts";
import { type ImageSource, imageSources, schemeOf, TAGLESS_SCHEMES } from "../llb/image-sources.ts";
import { MAX_CALLS, MAX_REFS } from "./bounds.ts";
import { knownCapabilities } from "./capabilities.ts";
import { passDefinition, type PassedDefinition, refuseOwnSecrets } from "./definition-gate.ts";
import { GateError } from "./gate-error.ts";
import type { ImportedCaches } from "./imported-caches.ts";
import type { JudgedImages } from "./judged-images.ts";
import { decodeStrictly } from "./strict-message.ts";

const api = moby.buildkit.v1.frontend;

/** How a conversion ended: with an encoded Result that passed the last look, or with an encoded google.rpc.Status. */
export type Returned = { readonly result: Uint8Array } | { readonly error: Uint8Array };

/** The Dockerfile as the conversion read it. */
export interface ReadDockerfile {
  readonly data: Uint8Array;
  /** The path that it has in what it was read from: `Dockerfile`, `app/Dockerfile`. */
  readonly path: string;
  /** BuildKit's name for what it was read from, and what that is. */
  readonly ref: string;
  readonly definition: Definition;
}

/** What a gate is opened with. */
export interface GateContext {
  readonly bridge: Bridge;
  readonly images: JudgedImages;
  readonly caches: ImportedCaches;
  /** BuildKit's encoded answer to a Ping. */
  readonly pong: Promise<Uint8Array>;
  /** The build's encoded inputs by name: definitions that other builds put into this one. */
  readonly inputs: Promise<Readonly<Record<string, Uint8Array>>>;
  /** The build's options. */
  readonly options: Readonly<Record<string, string>>;
  /** Whether the conversion answers with text alone: then it may look at images unjudged, and use none. */
  readonly isTextRequest: boolean;
  /** Is told of the Dockerfile when it has been read; what it throws ends the conversion. */
  readonly onDockerfile: (dockerfile: ReadDockerfile) => void;
}

/** A ref of the conversion's: what it may read from, run, and return. */
type OpenRef =
  | { readonly kind: "passed"; readonly definition: Definition; readonly images: readonly ImageSource[] }
  /** Never sent to BuildKit, because a refused image is in it. */
  | { readonly kind: "withheld" };

/** What the gate does with a call of one method. */
type Rule = (gate: Gate, request: Uint8Array) => Promise<Uint8Array>;

/**
 * The gate's one table: what becomes of each method of BuildKit's gateway API (LLBBridge) when a conversion calls it. A
 * method that is not in it is refused.
 */
const RULES: Readonly<Record<string, Rule>> = {
  Ping: async (gate) => knownCapabilities(await gate.context.pong),
  Inputs: (gate) => gate.inputs(),
  ResolveSourceMeta: (gate, request) => gate.resolveSource(request),
  ResolveImageConfig: (gate, request) => gate.resolveImageConfig(request),
  Solve: (gate, request) => gate.solve(request),
  ReadFile: (gate, request) => gate.readFile(request),
  ReadDir: (gate, request) => gate.read("ReadDir", request, api.ReadDirRequest),
  StatFile: (gate, request) => gate.read("StatFile", request, api.StatFileRequest),
  Evaluate: (gate, request) => gate.read("Evaluate", request, api.EvaluateRequest),
  Warn: (gate, request) => gate.warn(request),
  Return: (gate, request) => gate.return(request),
};

/** Which attributes an image source may have: all are about how to get what its digest names. */
const IMAGE_ATTRIBUTES = new Set([
  "image.resolvemode",
  "image.layerlimit",
  "image.checksum",
  "image.recordtype",
]);

/**
 * Every question of one conversion, answered by us: BuildKit hears those that pass, images are judged before they are
 * answered, and what is returned is looked at once more. What the conversion does not get here it does not have.
 */
export class Gate {
  readonly context: GateContext;
  /** The answer of the conversion, held until everything is judged. */
  readonly returned: Promise<Returned>;
  readonly #refs = new Map<string, OpenRef>();
  readonly #definitions: Definition[] = [];
  #calls = 0;
  #isClosed = false;
  #isDockerfileRead = false;
  #answer: (returned: Returned) => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(context: GateContext) {
    this.context = context;
    this.returned = new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
    });
    // Whoever waits for it hears of it; a conversion that is given up has nobody who does.
    this.returned.catch(() => undefined);
  }

  /** The definitions that the conversion solved, in its order. */
  get definitions(): readonly Definition[] {
    return this.#definitions;
  }

  /**
   * Answers one call. Throws CallError for the conversion to see. What ends the build (a forged question, a check that cannot
   * be made) rejects `returned` too.
   */
  async answer(method: string, request: Uint8Array): Promise<Uint8Array> {
    const rule = Object.hasOwn(RULES, method) ? RULES[method] : undefined;
    try {
      if (this.#isClosed) throw new CallError(UNAVAILABLE, "the conversion is over");
      if ((this.#calls += 1) > MAX_CALLS)
        throw new GateError(`the conversion asks more than ${MAX_CALLS} times`);
      if (rule === undefined) throw new CallError(UNIMPLEMENTED, `unknown method ${method}`);
      return await rule(this, request);
    } catch (error) {
      if (error instanceof CallError) throw error;
      this.#fail(error);
      throw new CallError(UNKNOWN, error instanceof Error ? error.message : String(error));
    }
  }

  /** Refuses every call from now on. */
  close(): void {
    this.#isClosed = true;
  }

  async inputs(): Promise<Uint8Array> {
    const { images } = this.context;
    const definitions = await this.context.inputs;
    const read = Object.values(definitions).map(readDefinition);
    for (const definition of read) refuseOwnSecrets(definition);
    await images.judgeLinked(imageSources(read));
    return api.InputsResponse.encode({ Definitions: { ...definitions } }).finish();
  }

  async resolveSource(bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeStrictly(api.ResolveSourceMetaRequest, bytes, "a ResolveSourceMeta");
    const identifier = request.Source?.identifier ?? "";
    const scheme = schemeOf(identifier);
    if (TAGLESS_SCHEMES.has(scheme)) return this.context.bridge.forward("ResolveSourceMeta", bytes);
    if (scheme !== "docker-image") throw unknownSource(identifier);
    if (request.Image?.AttestationChain || request.Image?.ResolveAttestations?.length)
      throw new GateError("the conversion asks for the attestations of an image, which are not passed on");
    if (this.context.isTextRequest) return this.context.bridge.forward("ResolveSourceMeta", bytes);
    const { reference, config } = await this.context.images.resolve({
      reference: parseImage(identifier.slice(identifier.indexOf("://") + 3)),
      platform: request.Platform ?? undefined,
      mode: this.#resolveMode(request.ResolveMode),
      logName: request.LogName ?? "",
      by: "ResolveSourceMeta",
    });
    return api.ResolveSourceMetaResponse.encode({
      // Named contexts and the SBOM generator get into the definition by this name.
      Source: {
        identifier: `docker-image://${formatReference(reference)}`,
        attrs: { ...request.Source?.attrs },
      },
      Image: { Digest: reference.digest ?? "", Config: config },
    }).finish();
  }

  async resolveImageConfig(bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeStrictly(api.ResolveImageConfigRequest, bytes, "a ResolveImageConfig");
    // The other resolver is that of OCI layouts, which the client has and no tag names.
    if (request.ResolverType || this.context.isTextRequest)
      return this.context.bridge.forward("ResolveImageConfig", bytes);
    const { reference, config } = await this.context.images.resolve({
      reference: parseImage(request.Ref ?? ""),
      platform: request.Platform ?? undefined,
      mode: this.#resolveMode(request.ResolveMode),
      logName: request.LogName ?? "",
      by: "ResolveImageConfig",
    });
    return api.ResolveImageConfigResponse.encode({
      Digest: reference.digest ?? "",
      Config: config,
      Ref: formatReference(reference),
    }).finish();
  }

  async solve(bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeStrictly(api.SolveRequest, bytes, "a Solve");
    if (request.Frontend || Object.keys(request.FrontendInputs ?? {}).length > 0)
      throw new GateError(
        `the conversion asks for another frontend (${JSON.stringify(request.Frontend ?? "")}), which would resolve images unseen`,
      );
    if (this.#refs.size >= MAX_REFS) throw new GateError(`the conversion solves more than ${MAX_REFS} times`);
    const passed = passDefinition(request.Definition ?? new Uint8Array(), this.context.images);
    refuseAttributes(passed);
    this.#definitions.push(passed.definition);
    if (passed.isRefused) return this.#withhold(request.Definition ?? new Uint8Array());
    const { Definition, CacheImports, Evaluate } = request;
    await this.context.caches.pass(CacheImports ?? []);
    const solved = await this.context.bridge.forward(
      "Solve",
      encodeSolve({
        Definition: Definition ?? null,
        CacheImports: CacheImports ?? [],
        Evaluate: Evaluate ?? false,
      }),
    );
    const { refs } = readResult(api.SolveResponse.decode(solved).result ?? new Uint8Array());
    for (const { id } of refs) {
      if (id !== "")
        this.#refs.set(id, { kind: "passed", definition: passed.definition, images: passed.images });
    }
    return solved;
  }

  async readFile(bytes: Uint8Array): Promise<Uint8Array> {
    const request = decodeStrictly(api.ReadFileRequest, bytes, "a ReadFile");
    const { definition } = this.#passed(request.Ref ?? "");
    const answer = await this.context.bridge.forward("ReadFile", bytes);
    const path = request.FilePath ?? "";
    if (!this.#isDockerfileRead && this.#isDockerfile(path, Number(request.Range?.Length ?? 0))) {
      this.#isDockerfileRead = true;
      const data = api.ReadFileResponse.decode(answer).Data ?? new Uint8Array();
      this.context.onDockerfile({ data, path, ref: request.Ref ?? "", definition });
    }
    return answer;
  }

  /** Passes on a question about a ref that the conversion has. */
  async read(
    method: string,
    bytes: Uint8Array,
    codec: { decode(reader: never): { readonly Ref?: string | null } },
  ): Promise<Uint8Array> {
    const { Ref: ref } = decodeStrictly(codec as never, bytes, `a ${method}`) as {
      readonly Ref?: string | null;
    };
    this.#passed(ref ?? "");
    return this.context.bridge.forward(method, bytes);
  }

  async warn(bytes: Uint8Array): Promise<Uint8Array> {
    decodeStrictly(api.WarnRequest, bytes, "a Warn");
    return this.context.bridge.forward("Warn", bytes);
  }

  /** The last look: each ref and each attestation is one that passed, and so is every definition that comes with them. */
  async return(bytes: Uint8Array): Promise<Uint8Array> {
    const { result, error } = decodeStrictly(api.ReturnRequest, bytes, "a Return");
    if (error) this.#answer({ error });
    else this.#answer({ result: this.#lastLook(result ?? new Uint8Array()) });
    return new Uint8Array();
  }

  #lastLook(result: Uint8Array): Uint8Array {
    const { images, isTextRequest } = this.context;
    for (const { id, definition, place } of readResult(result).refs) {
      if (id === "" && definition.length === 0) continue;
      if (isTextRequest) throw new GateError(`the conversion returns a ${place} where text was asked for`);
      const ref = this.#refs.get(id);
      if (ref === undefined) throw new GateError(`the conversion returns a ${place} that it did not solve`);
      const { isRefused } = passDefinition(definition, images);
      // The build ends with the refusal.
      if (isRefused || ref.kind === "withheld") continue;
      if (!ref.images.every((image) => images.isAnswered(image)))
        throw new GateError(`the conversion returns a ${place} with an unjudged image`);
    }
    return result;
  }

  /** What stands for a solve with a refused image in it. BuildKit never hears of it, so nothing can run it. */
  #withhold(definition: Uint8Array): Uint8Array {
    const id = `withheld-${this.#refs.size}`;
    this.#refs.set(id, { kind: "withheld" });
    const result = api.Result.encode({ ref: { id, def: definition } }).finish();
    return api.SolveResponse.encode({ result }).finish();
  }

  #passed(id: string): Extract<OpenRef, { kind: "passed" }> {
    const ref = this.#refs.get(id);
    if (ref === undefined) throw new GateError("the conversion reads from something that it did not solve");
    if (ref.kind === "withheld")
      throw new CallError(UNKNOWN, "it has an image that is refused, so nothing of it is run or read");
    const runs = ref.definition.operations.some(({ op }) => op.exec || op.build);
    if (runs && this.context.images.areRefused)
      throw new CallError(UNKNOWN, "the build has an image that is refused, so nothing of it is run");
    return ref;
  }

  /** A frontend that runs in a container does not get the mode in its questions, only among its options. */
  #resolveMode(asked: string | null | undefined): string {
    if (asked && asked !== "default") return asked;
    return this.context.options["image-resolve-mode"] || asked || "";
  }

  /** BuildKit's frontend tries the name in small letters too; a Dockerfile that is a whole HTTP context is called so. */
  #isDockerfile(path: string, length: number): boolean {
    const filename = this.context.options["filename"] || "Dockerfile";
    if (path === "context") return length === 0 || length > SNIFFED_BYTES;
    return path === filename || path === filename.replace(/Dockerfile$/, "dockerfile");
  }
}

/** As much of an HTTP context is read to tell whether it is an archive. */
const SNIFFED_BYTES = 1024;

function parseImage(text: string): ReturnType<typeof parseReference> {
  try {
    return parseReference(text);
  } catch (cause) {
    throw new CallError(UNKNOWN, cause instanceof Error ? cause.message : String(cause));
  }
}

function unknownSource(identifier: string): GateError {
  return new GateError(
    `the conversion asks for a source of a kind that cannot be judged: ${JSON.stringify(identifier.slice(0, 200))}`,
  );
}

function refuseAttributes({ definition: { operations } }: PassedDefinition): void {
  for (const { op } of operations) {
    if (!op.source?.identifier?.startsWith("docker-image://")) continue;
    const unknown = Object.keys(op.source.attrs ?? {}).find((name) => !IMAGE_ATTRIBUTES.has(name));
    if (unknown !== undefined)
      throw new GateError(
        `an image source has the attribute ${JSON.stringify(unknown)}, which this version does not know`,
      );
  }
}
