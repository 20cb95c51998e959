// A plot of the last hour, drawn as SVG.
import {useSignal} from '@preact/signals';
import {useEffect, useId, useRef} from 'preact/hooks';
import {area, line, peak, ticks, timeTicks, type Points} from '../lib/axis';
import {clock} from '../lib/format';
import {t} from '../state/settings';

export interface Series {
  label: string;
  points: Points;
}

interface PlotProps {
  title: string;
  unit: string;
  /** One or two; the first is drawn with its area. */
  series: Series[];
  from: number;
  step: number;
  /** 1024 for bytes. */
  base?: 10 | 1024;
  /** A value in words, and on the axis. */
  say: (value: number) => string;
  mark: (value: number) => string;
}

const height = 190;
const pad = {top: 10, right: 10, bottom: 24, left: 60};
const quarter = 15 * 60_000;

export function Plot({title, unit, series, from, step, base = 10, say, mark}: PlotProps) {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const width = useSignal(560);
  /** Index of the point that is read out; the newest one without a pointer. */
  const at = useSignal<number | undefined>(undefined);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry) width.value = Math.max(240, Math.round(entry.contentRect.width));
    });
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  const length = series[0]?.points.length ?? 0;
  const right = width.value - pad.right;
  const floor = height - pad.bottom;
  const levels = ticks(peak(series.map(s => s.points)), 4, base);
  const top = levels.at(-1) as number;
  const x = (i: number) => pad.left + (i / Math.max(1, length - 1)) * (right - pad.left);
  const y = (v: number) => floor - (v / top) * (floor - pad.top);
  const times = timeTicks(from, from + (length - 1) * step, width.value < 420 ? 2 * quarter : quarter);

  const last = newest(series);
  const read = at.value === undefined ? last : Math.min(at.value, length - 1);
  const point = (event: PointerEvent) => {
    const left = event.clientX - (box.current?.getBoundingClientRect().left ?? 0);
    const i = Math.round(((left - pad.left) / (right - pad.left)) * (length - 1));
    at.value = Math.max(0, Math.min(length - 1, i));
  };
  const keys: Record<string, number> = {ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -length, End: length};
  const spoken = `${clock(from + read * step)} ${series.map(s => `${s.label}: ${told(s.points[read] ?? null, say)}`).join(', ')}`;

  return (
    <figure class="card plot">
      <figcaption class="row spread">
        <h2 id={id}>{title} <span class="hint">{unit}</span></h2>
        <time class="hint">{at.value === undefined ? t('usage.now') : clock(from + read * step)}</time>
      </figcaption>
      <ul class="legend">
        {series.map((s, k) => (
          <li key={s.label} class={`series-${k}`}><i /> {s.label} <strong>{told(s.points[read] ?? null, say)}</strong></li>
        ))}
      </ul>
      <div
        ref={box} class="canvas" tabIndex={0} role="slider" aria-labelledby={id} aria-valuemin={0} aria-valuemax={Math.max(0, length - 1)} aria-valuenow={read} aria-valuetext={spoken}
        onPointerMove={point} onPointerDown={point} onPointerLeave={() => { at.value = undefined; }} onBlur={() => { at.value = undefined; }}
        onKeyDown={event => {
          const by = keys[event.key];
          if (event.key === 'Escape') at.value = undefined;
          if (by === undefined) return;
          event.preventDefault();
          at.value = Math.max(0, Math.min(length - 1, read + by));
        }}
      >
        <svg viewBox={`0 0 ${width.value} ${height}`} width={width.value} height={height} aria-hidden="true">
          {levels.map(v => (
            <g key={v} class="grid">
              <line x1={pad.left} x2={right} y1={y(v)} y2={y(v)} />
              <text x={pad.left - 8} y={y(v)} dy="0.32em" text-anchor="end">{mark(v)}</text>
            </g>
          ))}
          {times.map(ms => (
            <g key={ms} class="grid">
              <line x1={x((ms - from) / step)} x2={x((ms - from) / step)} y1={floor} y2={floor + 4} />
              <text x={x((ms - from) / step)} y={floor + 18} text-anchor="middle">{clock(ms).slice(0, 5)}</text>
            </g>
          ))}
          {series.map((s, k) => (
            <g key={s.label} class={`series-${k}`}>
              {k === 0 && <path class="area" d={area(s.points, x, y, floor)} />}
              <path class="line" d={line(s.points, x, y)} />
            </g>
          ))}
          {at.value !== undefined && (
            <g class="cursor">
              <line x1={x(read)} x2={x(read)} y1={pad.top} y2={floor} />
              {series.map((s, k) => {
                const v = s.points[read] ?? null;
                return v === null ? null : <circle key={s.label} class={`series-${k}`} cx={x(read)} cy={y(v)} r="4" />;
              })}
            </g>
          )}
        </svg>
      </div>
    </figure>
  );
}

function told(value: number | null, say: (value: number) => string): string {
  return value === null ? t('usage.none') : say(value);
}

/** The index of the last point that was measured. */
function newest(series: Series[]): number {
  return Math.max(0, ...series.map(s => s.points.findLastIndex(p => p !== null)));
}
