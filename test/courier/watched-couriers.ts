// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect } from "vitest";
import { courierProgram, type CourierProcess } from "./courier-process.ts";

/** Build secrets by name. */
export type Secrets = Readonly<Record<string, string>>;

/** Starts couriers in whose output nothing of their secrets may be. */
export interface WatchedCouriers {
  open(secrets: Secrets, env?: Readonly<Record<string, string>>): CourierProcess;
  /** The couriers of the running test. */
  readonly opened: readonly CourierProcess[];
}

/**
 * For the file that calls it: every courier that a test opens is closed after it, has then said nothing on standard
 * error, and no piece of its secrets anywhere.
 */
export function watchedCouriers(): WatchedCouriers {
  const { start } = courierProgram();
  const watched: { readonly courier: CourierProcess; readonly secrets: Secrets }[] = [];
  afterEach(async () => {
    for (const { courier, secrets } of watched.splice(0)) {
      courier.channel.close();
      await courier.ended;
      const output = courier.said() + courier.complained();
      for (const [name, secret] of Object.entries(secrets)) {
        const seen = pieces(secret).find((piece) => output.includes(piece));
        expect(seen, `a piece of ${name} is in the output`).toBeUndefined();
      }
      expect(courier.complained()).toBe("");
    }
  });
  return {
    open(secrets, env = {}) {
      const courier = start({ secrets, env });
      watched.push({ courier, secrets });
      return courier;
    },
    get opened() {
      return watched.map(({ courier }) => courier);
    },
  };
}

/** Every run of 20 characters of a secret; of shorter ones base64 of other texts has the same by chance. */
export function pieces(secret: string): string[] {
  // Which server was asked may be said, and what stands around a key is no secret.
  const bare = secret
    .replace(/^https?:\/\/[^/]*/, "")
    .replace(/-----.*?-----/g, "")
    .replaceAll("\n", "");
  return Array.from({ length: Math.max(bare.length - 19, 0) }, (_, at) => bare.slice(at, at + 20));
}
