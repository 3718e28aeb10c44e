// SPDX-License-Identifier: Apache-2.0

/** How far a run is, of whatever it does. `total` may grow on the way. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

/** Where progress is shown: standard error, or what stands for it. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  /** The terminal's width in characters. */
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Progress for people: one line that is redrawn on a terminal, a line now and then elsewhere. */
export interface ProgressDisplay {
  /** Shows how far it is; cheap enough to be called for each tag. */
  update(progress: Progress): void;
  /** Runs what writes lines to the same terminal, with the bar out of the way. */
  aside(write: () => void): void;
  /** Takes the bar away. Nothing is shown from then on. */
  end(): void;
}

const REDRAW_MS = 100;
const LINE_MS = 30_000;
/** Each tenth is a line, but a run of few tags is not a line for each of them. */
const TENTH_MS = 5_000;
/** Before, a rate would be a guess. */
const SETTLED_MS = 1_000;
const MAX_BAR = 40;
const MIN_BAR = 8;
const DEFAULT_COLUMNS = 80;

/**
 * Opens the display of one run. `now` is in milliseconds; `what` is counted, in the plural. Shows nothing when it is to be
 * quiet.
 */
export function showProgress(
  stream: ProgressStream,
  {
    now,
    quiet,
    what = "tags",
  }: { readonly now: () => number; readonly quiet: boolean; readonly what?: string },
): ProgressDisplay {
  if (quiet) return { update() {}, aside: (write) => write(), end() {} };
  return stream.isTTY === true ? bar(stream, now, what) : lines(stream, now, what);
}

function bar(stream: ProgressStream, now: () => number, what: string): ProgressDisplay {
  const begun = now();
  let drawn = -Infinity;
  let shown: Progress | undefined;
  let isOver = false;
  // Back to the line's start, and away with what is there.
  const wipe = () => void (drawn > -Infinity && stream.write("\r\u001b[K"));
  const draw = () => {
    if (shown === undefined || isOver) return;
    drawn = now();
    stream.write(`\r${barText(shown, { ms: drawn - begun, columns: stream.columns, what })}\u001b[K`);
  };
  return {
    update(progress) {
      shown = progress;
      if (now() - drawn >= REDRAW_MS) draw();
    },
    aside(write) {
      wipe();
      write();
      if (drawn > -Infinity) draw();
    },
    end() {
      if (!isOver) wipe();
      isOver = true;
    },
  };
}

function lines(stream: ProgressStream, now: () => number, what: string): ProgressDisplay {
  const begun = now();
  let said = begun;
  let tenths = 0;
  let isOver = false;
  return {
    update(progress) {
      const passed = now() - said;
      const reached = progress.total === 0 ? 0 : Math.floor((10 * progress.done) / progress.total);
      if (isOver || (passed < LINE_MS && (reached <= tenths || passed < TENTH_MS))) return;
      said = now();
      tenths = reached;
      stream.write(`${textOf(progress, said - begun, what)}\n`);
    },
    aside: (write) => write(),
    end() {
      isOver = true;
    },
  };
}

/** `[######......] 50% 1200 of 2400 tags, 40.0/s, 30 s left`, never wider than the terminal. */
function barText(
  progress: Progress,
  { ms, columns, what }: { ms: number; columns: number | undefined; what: string },
): string {
  // In the last column some terminals begin a new line, and a bar that is redrawn would leave the old one there.
  const room = Math.max((columns || DEFAULT_COLUMNS) - 1, 0);
  const text = textOf(progress, ms, what);
  const width = Math.min(room - text.length - 3, MAX_BAR);
  if (width < MIN_BAR) return text.slice(0, room);
  const full = Math.floor(shareOf(progress) * width);
  return `[${"#".repeat(full)}${".".repeat(width - full)}] ${text}`;
}

function textOf(progress: Progress, ms: number, what: string): string {
  const { done, total } = progress;
  const parts = [`${Math.floor(100 * shareOf(progress))}% ${done} of ${total} ${what}`];
  if (ms >= SETTLED_MS && done > 0) {
    const rate = (1_000 * done) / ms;
    parts.push(`${rate.toFixed(1)}/s`);
    if (done < total) parts.push(`${duration(Math.ceil((total - done) / rate))} left`);
  }
  return parts.join(", ");
}

function shareOf({ done, total }: Progress): number {
  return total === 0 ? 0 : Math.min(done / total, 1);
}

/** `45 s`, `3 min 20 s`, `2 h 5 min`. */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
