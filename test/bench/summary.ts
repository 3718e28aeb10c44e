// SPDX-License-Identifier: Apache-2.0

/** What samples come to, in their own unit. */
export interface Summary {
  readonly median: number;
  /** The first and the third quartile: half of the samples lie between them. */
  readonly quartiles: readonly [number, number];
  readonly min: number;
  readonly max: number;
}

/** Sums up at least one sample. Throws RangeError without any. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
    min: quantile(sorted, 0),
    max: quantile(sorted, 1),
  };
}

/** The value below which this share of the samples lies, between the two nearest ones in proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const lower = sorted[Math.floor(place)];
  const upper = sorted[Math.ceil(place)];
  if (lower === undefined || upper === undefined) throw new RangeError("there is no sample to sum up");
  return lower + (upper - lower) * (place - Math.floor(place));
}

/**
 * The exponent k of the curve `c · x^k` that fits these points best: the slope of the straight line through their logarithms. 1 is
 * linear, 2 quadratic. Undefined with fewer than two different x above zero. Points at or below zero are left out.
 */
export function growth(points: readonly (readonly [x: number, y: number])[]): number | undefined {
  const logs = points.filter(([x, y]) => x > 0 && y > 0).map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const meanX = mean(logs.map(([x]) => x));
  const meanY = mean(logs.map(([, y]) => y));
  const spread = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (logs.length < 2 || spread === 0) return undefined;
  return logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
