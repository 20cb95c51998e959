// The arithmetic of a plot: round numbers on an axis, and lines through points
// some of which are missing.

/** A point is null where nothing was measured. */
export type Points = readonly (number | null)[];

/** The largest value of all series, 0 without any. */
export function peak(series: readonly Points[]): number {
  let max = 0;
  for (const points of series) for (const p of points) if (p !== null && p > max) max = p;
  return max;
}

/**
 * Round numbers from 0 to the first one that is not below max, about `wanted` of
 * them. Base is 10 for counts; for bytes it is 1024, and steps are powers of two.
 */
export function ticks(max: number, wanted = 4, base = 10): number[] {
  if (!(max > 0)) return [0, 1];
  const rough = max / wanted;
  const step = base === 1024 ? Math.max(1, 2 ** Math.ceil(Math.log2(rough))) : decimalStep(rough);
  const all: number[] = [];
  for (let i = 0; ; i++) {
    all.push(round(i * step));
    if (i * step >= max) return all;
  }
}

function decimalStep(rough: number): number {
  const ten = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find(n => n * ten >= rough) ?? 10) * ten;
}

// 3 * 0.1 shall be 0.3.
function round(n: number): number {
  return Number(n.toPrecision(12));
}

/** The moments of full multiples of `every` in [from, to], both in milliseconds of the local day. */
export function timeTicks(from: number, to: number, every: number): number[] {
  const offset = new Date(from).getTimezoneOffset() * 60_000;
  const all: number[] = [];
  for (let t = Math.ceil((from - offset) / every) * every + offset; t <= to; t += every) all.push(t);
  return all;
}

/** SVG path data of a line; where a point is missing the line is interrupted. */
export function line(points: Points, x: (i: number) => number, y: (v: number) => number): string {
  let d = '';
  let down = false;
  points.forEach((p, i) => {
    if (p === null) {
      down = false;
      return;
    }
    // A lone point between two gaps is drawn as a dot: a line of no length.
    d += `${down ? 'L' : 'M'}${x(i).toFixed(1)} ${y(p).toFixed(1)}`;
    if (!down && (points[i + 1] ?? null) === null) d += 'h0.1';
    down = true;
  });
  return d;
}

/** The same line closed down to a floor, once for every stretch without a gap. */
export function area(points: Points, x: (i: number) => number, y: (v: number) => number, floor: number): string {
  let d = '';
  let start = -1;
  for (let i = 0; i <= points.length; i++) {
    const p = points[i] ?? null;
    if (p !== null && start < 0) {
      start = i;
      d += `M${x(i).toFixed(1)} ${floor}`;
    }
    if (p !== null) d += `L${x(i).toFixed(1)} ${y(p).toFixed(1)}`;
    if (p === null && start >= 0) {
      d += `L${x(i - 1).toFixed(1)} ${floor}Z`;
      start = -1;
    }
  }
  return d;
}

/** Counts of a step as so many per second. */
export function rates(points: Points, stepMs: number): (number | null)[] {
  return points.map(p => (p === null ? null : p / (stepMs / 1000)));
}
