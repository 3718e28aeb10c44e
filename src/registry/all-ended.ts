// SPDX-License-Identifier: Apache-2.0

/** Waits for all to end, and then throws what the first of them threw: nothing goes on behind a run that ended. */
export async function allEnded(work: readonly Promise<unknown>[]): Promise<void> {
  const ended = await Promise.allSettled(work);
  const failed = ended.find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Does the work for all items, `atOnce` at a time. After the first failure, which is thrown, none is begun. */
export async function fewAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  let isOver = false;
  const worker = async () => {
    for (let next = rest.next(); next.done !== true && !isOver; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  await allEnded(Array.from({ length: atOnce }, worker));
}
