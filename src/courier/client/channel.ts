// SPDX-License-Identifier: Apache-2.0
import { excerpt } from "../../log/excerpt.ts";
import type { RawEntry } from "../../log/rekor-v1.ts";
import { Conversation, type CourierPipe } from "./conversation.ts";
import { channelBroken } from "./conversation.ts";

/**
 * Who could sign: the SPKI PEM of the signing key, or whom the identity token names; or why they cannot. Nothing when no
 * secret was given.
 */
export interface Ready {
  readonly publicKey?: string | undefined;
  readonly identity?: { readonly issuer: string; readonly identity: string } | undefined;
  readonly signerProblem?: string | undefined;
}

/** The bytes that a registry served and the media type it gave them. */
export interface ServedManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** A statement and where it is to be recorded. */
export interface RecordRequest {
  /** The log and its API: Rekor v1 or v2. */
  readonly log: { readonly url: string; readonly api: 1 | 2 };
  /** The certificate authority; needed when the build signs with an identity token. */
  readonly fulcio?: string;
  /** URLs of timestamp authorities; Rekor v2 needs one. */
  readonly timestamps: readonly string[];
  /** The exact bytes of the in-toto statement. */
  readonly statement: Uint8Array;
}

/** The UUID of the entry in a Rekor v1 log; or, of a Rekor v2 log, the whole bundle v0.3, which nobody else keeps. */
export type Recorded = { readonly uuid: string } | { readonly bundle: unknown };

interface Deadline {
  readonly signal: AbortSignal;
}

/**
 * The frontend's end of the channel. Nothing that comes through it is trusted, and one line that breaks the protocol
 * ends it. All methods throw CourierError.
 */
export class CourierChannel {
  readonly #conversation: Conversation;

  constructor(pipe: CourierPipe) {
    this.#conversation = new Conversation(pipe);
  }

  /** The courier's first line. */
  async ready({ signal }: Deadline): Promise<Ready> {
    const { publicKey, identity, signerProblem } = await this.#conversation.ready(signal);
    return { publicKey, identity, signerProblem: signerProblem && excerpt(signerProblem, 1024) };
  }

  /**
   * Every entry that the log has under `hash`, each once; with `identity`, at least those whose certificate names it;
   * with `including`, also that one. `onEntries` gets them as they come.
   */
  async find(
    what: {
      readonly log: string;
      readonly hash: string;
      readonly identity?: string;
      readonly including?: string;
    },
    { signal, onEntries }: Deadline & { readonly onEntries?: (entries: readonly RawEntry[]) => void },
  ): Promise<RawEntry[]> {
    const entries: RawEntry[] = [];
    const take = (some: readonly RawEntry[]) => {
      entries.push(...some);
      onEntries?.(some);
    };
    await this.#conversation.ask({ ask: "find", ...what }, "found", { signal, take });
    return entries;
  }

  /** What the registry serves everybody under this tag or digest. */
  async manifest(
    what: {
      readonly registry: string;
      readonly repository: string;
      readonly tag: string;
      readonly plainHttp: boolean;
    },
    { signal }: Deadline,
  ): Promise<ServedManifest> {
    const answer = await this.#conversation.ask({ ask: "manifest", ...what }, "manifest", { signal });
    return { bytes: Buffer.from(answer.bytes, "base64"), mediaType: answer.mediaType };
  }

  /** A blob as the registry serves it to everybody; whether it has this digest is for the caller to see. */
  async blob(
    what: {
      readonly registry: string;
      readonly repository: string;
      readonly digest: string;
      readonly plainHttp: boolean;
      readonly maxBytes: number;
    },
    { signal }: Deadline,
  ): Promise<Buffer> {
    const { maxBytes } = what;
    const answer = await this.#conversation.ask({ ask: "blob", ...what }, "blob", { signal });
    const blob = Buffer.from(answer.bytes, "base64");
    if (blob.length > maxBytes) {
      throw this.#broken(`brought a blob of ${blob.length} bytes where at most ${maxBytes} were asked for`);
    }
    return blob;
  }

  /** Signs the statement, appends it to the log, and gives what leads to it there. */
  async record(
    { log, fulcio, timestamps, statement }: RecordRequest,
    { signal }: Deadline,
  ): Promise<Recorded> {
    const base64 = Buffer.from(statement).toString("base64");
    const request = {
      ask: "record" as const,
      log: { url: log.url, api: log.api },
      fulcio,
      timestamps: [...timestamps],
      statement: base64,
    };
    if (log.api === 1) {
      const { uuid } = await this.#conversation.ask(request, "recorded", { signal });
      return { uuid };
    }
    const { bundle } = await this.#conversation.ask(request, "bundle", { signal });
    try {
      return { bundle: JSON.parse(bundle) as unknown };
    } catch {
      throw this.#broken("said a bundle that is not JSON");
    }
  }

  /** One file of a TUF repository; undefined when the mirror has none of this name. */
  async file(
    what: {
      readonly mirror: string;
      readonly path: string;
      readonly maxBytes: number;
      /** Whether the mirror may be asked over http although it is not this machine. */
      readonly plainHttp?: boolean;
    },
    { signal }: Deadline,
  ): Promise<Buffer | undefined> {
    const request = { ask: "file" as const, ...what };
    const { maxBytes } = what;
    const { bytes } = await this.#conversation.ask(request, "file", { signal });
    if (bytes === null) return undefined;
    const file = Buffer.from(bytes, "base64");
    if (file.length > maxBytes) {
      throw this.#broken(`brought a file of ${file.length} bytes where at most ${maxBytes} were asked for`);
    }
    return file;
  }

  /** Ends the courier; what is pending fails. */
  close(): void {
    this.#conversation.break(channelBroken("was closed"));
  }

  #broken(what: string): Error {
    const error = channelBroken(what);
    this.#conversation.break(error);
    return error;
  }
}
