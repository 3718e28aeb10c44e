// SPDX-License-Identifier: Apache-2.0
import type { Signer } from "@sigstore/sign";
import { certifyNewKey, type CertifiedKey } from "./certified-key.ts";

/** Which authority certifies, and by which token. */
export interface CertifiedSigner {
  /** As `logUrl` gives it. */
  readonly fulcio: URL;
  /** A token that is good now; asked for only when a new certificate is needed. */
  readonly token: () => Promise<string>;
}

/** Keys of this process that an authority has certified. They live in its memory only. */
export interface CertifiedKeys {
  /** Signs with a certificate that is good for another minute at least. Throws CertificateError, and what `token` throws. */
  signer(request: CertifiedSigner): Promise<Signer>;
}

/** What a certificate must still be good for: the signature, its timestamp and the log's answer. */
const SPARE_MS = 60_000;

/** What keeping certificates takes from outside. */
export interface KeyKeeping {
  readonly now: () => Date;
  /** Milliseconds since some moment, counted on whatever becomes of the clock. */
  readonly elapsedMs: () => number;
  /** The time there is for a certificate, in milliseconds. */
  readonly deadlineMs: number;
}

interface KeptKey extends CertifiedKey {
  readonly askedAt: number;
}

/** One certificate for all records of a build, and a new one when it ends; requests at once share a pending one. */
export function certifiedKeys({ now, elapsedMs, deadlineMs }: KeyKeeping): CertifiedKeys {
  const keys = new Map<string, Promise<KeptKey>>();
  const isGood = ({ askedAt, lifetimeMs, notAfter }: KeptKey) => {
    // By the time that has passed as well: this machine's clock may be an hour behind the authority's.
    const left = Math.min(lifetimeMs - (elapsedMs() - askedAt), notAfter.getTime() - now().getTime());
    return left >= SPARE_MS;
  };
  return {
    async signer({ fulcio, token }) {
      const current = keys.get(fulcio.href);
      if (current !== undefined) {
        const key = await current;
        if (isGood(key)) return key.signer;
        // Somebody else may have seen that too, and asked for a new one.
        if (keys.get(fulcio.href) === current) keys.delete(fulcio.href);
      }
      const pending = keys.get(fulcio.href) ?? certify({ fulcio, token });
      return (await pending).signer;
    },
  };

  async function certified({ fulcio, token }: CertifiedSigner): Promise<KeptKey> {
    const text = await token();
    const askedAt = elapsedMs();
    return { askedAt, ...(await certifyNewKey({ fulcio, token: text, deadlineMs })) };
  }

  function certify(request: CertifiedSigner): Promise<KeptKey> {
    const { fulcio } = request;
    const pending = certified(request);
    keys.set(fulcio.href, pending);
    pending.catch(() => {
      if (keys.get(fulcio.href) === pending) keys.delete(fulcio.href);
    });
    return pending;
  }
}
