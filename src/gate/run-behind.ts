// SPDX-License-Identifier: Apache-2.0
import { type Conversion, ConversionError } from "../conversion/conversion.ts";
import { formatReference } from "../image/reference.ts";
import type { Gate, Returned } from "./gate.ts";

/** How long a conversion may compute without a question, in milliseconds. The longest seen took a twentieth of it. */
const MAX_SILENCE_MS = 10_000;

/**
 * Runs a conversion behind the gate and gives its answer. Throws what the gate refuses, and ConversionError for a conversion
 * that ends without an answer or asks nothing for too long. The conversion has ended when this has. `signal` gives it up.
 */
export async function runBehind(gate: Gate, conversion: Conversion, signal: AbortSignal): Promise<Returned> {
  let open = 0;
  let silence: NodeJS.Timeout | undefined;
  let onSilence: (error: ConversionError) => void = () => undefined;
  const silent = new Promise<ConversionError>((resolve) => (onSilence = resolve));
  const listen = (): void => {
    silence = setTimeout(() => onSilence(tooSilent(gate)), MAX_SILENCE_MS);
  };
  listen();
  conversion.serve(async (method, request) => {
    open += 1;
    clearTimeout(silence);
    try {
      return await gate.answer(method, request);
    } finally {
      open -= 1;
      if (open === 0) listen();
    }
  });
  const givenUp = new Promise<ConversionError>((resolve) => {
    signal.addEventListener("abort", () => resolve(new ConversionError("the conversion was given up")), {
      once: true,
    });
  });
  const failed = Promise.race([conversion.ended, silent, givenUp]).then((error) => {
    throw error;
  });
  failed.catch(() => undefined);
  try {
    return await Promise.race([gate.returned, failed]);
  } finally {
    gate.close();
    clearTimeout(silence);
    await conversion.end();
    clearTimeout(silence);
  }
}

function tooSilent({ context: { images } }: Gate): ConversionError {
  const last = images.all.findLast(({ onbuild }) => onbuild.length > 0);
  const reason =
    last === undefined
      ? ""
      : `; image "${formatReference(last.judgement.reference)}" has ONBUILD instructions, and when they lead back to itself the conversion never ends`;
  return new ConversionError(
    `the conversion asked nothing for ${MAX_SILENCE_MS / 1000} s and has no answer, so it was ended${reason}`,
  );
}
