// SPDX-License-Identifier: Apache-2.0
const actions = new Set<() => void>();
let installed = false;

/**
 * Runs a synchronous action when this process exits or is told to (SIGINT, SIGTERM, SIGHUP). Returns a function
 * that takes the action back. The last one registered runs first.
 */
export function atExit(action: () => void): () => void {
  install();
  actions.add(action);
  return () => actions.delete(action);
}

function install(): void {
  if (installed) return;
  installed = true;
  process.on("exit", runAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      runAll();
      // Dies of the same signal, unless somebody else in this process handles it.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}

function runAll(): void {
  for (const action of [...actions].toReversed()) {
    actions.delete(action);
    try {
      action();
    } catch (error) {
      process.stderr.write(`lab: cleaning up: ${String(error)}\n`);
    }
  }
}
