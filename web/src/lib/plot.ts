// The same picture with one or two settings changed: what the values of an axis mean. As --plot of the command line.
import type { JobRequest } from '../api/types';

export const AXES = {
  steps: { name: 'Steps', example: '4, 8, 20 or 10-50:10' },
  cfg_scale: { name: 'Guidance', example: '1, 3, 7.5 or 2-8:2' },
  seed: { name: 'Seed', example: '1-4' },
  sampler: { name: 'Sampler', example: 'euler, dpmpp_2m, ddim' },
  schedule: { name: 'Schedule', example: 'karras, discrete' },
  strength: { name: 'Strength', example: '0.3, 0.5, 0.7' },
  prompt: { name: 'Words of the prompt', example: 'red | blue | dark green' },
} as const;

export type AxisKey = keyof typeof AXES;
export interface Axis {
  key: AxisKey | '';
  text: string;
}
export interface Cell {
  label: string;
  change: (request: JobRequest) => JobRequest;
}

const MOST_VALUES = 50;

function split(text: string): string[] {
  return text
    .split(text.includes('|') ? '|' : ',')
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

// "1-4" and "10-50:10" as all of their numbers.
function expand(value: string, name: string): number[] {
  const range = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?$/.exec(value);
  if (!range) {
    const number = Number(value);
    if (Number.isNaN(number)) throw new Error(`${name}: "${value}" is no number.`);
    return [number];
  }
  const [low, high, by] = [Number(range[1]), Number(range[2]), Number(range[3] ?? 1)];
  if (by <= 0 || high < low || (high - low) / by > MOST_VALUES) {
    throw new Error(`${name}: "${value}" is no range of at most ${MOST_VALUES} numbers that goes up.`);
  }
  const count = Math.floor((high - low) / by + 1e-9) + 1;
  return Array.from({ length: count }, (_, at) => Number((low + at * by).toPrecision(12)));
}

function replaced(request: JobRequest, from: string, to: string): JobRequest {
  return {
    ...request,
    prompt: (request.prompt ?? '').replaceAll(from, to),
    negative_prompt: (request.negative_prompt ?? '').replaceAll(from, to),
  };
}

// Throws an Error that says what is wrong with the values.
export function cellsOf(axis: Axis, prompt: string): Cell[] {
  if (axis.key === '') return [];
  const { key } = axis;
  const { name, example } = AXES[key];
  const values = split(axis.text);
  if (values.length === 0) throw new Error(`${name}: there are no values; for instance ${example}.`);
  if (values.length > MOST_VALUES)
    throw new Error(`${name}: ${values.length} values, at most ${MOST_VALUES}.`);
  if (key === 'prompt') {
    const from = values[0] ?? '';
    if (!prompt.includes(from)) throw new Error(`${name}: "${from}" comes first, but is not in the prompt.`);
    return values.map((to) => ({ label: to, change: (request) => replaced(request, from, to) }));
  }
  if (key === 'sampler' || key === 'schedule') {
    return values.map((value) => ({ label: value, change: (request) => ({ ...request, [key]: value }) }));
  }
  const numbers = values.flatMap((value) => expand(value, name));
  return numbers.map((value) => ({
    label: `${name} ${value}`,
    change: (request) => ({ ...request, [key]: value }),
  }));
}
