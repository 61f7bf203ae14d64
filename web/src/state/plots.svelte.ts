// A sheet of pictures with settings changed along two axes: a job for each cell.
import { api, ApiError } from '../api/client';
import { hasEnded, type Job, type StoredImage } from '../api/types';
import { cellsOf, type Axis, type Cell } from '../lib/plot';
import { form } from './form.svelte';
import { generate, messageOf } from './generate.svelte';
import { queue } from './queue.svelte';
import { load, save } from './storage';

export interface PlotJob {
  job: number;
  image: StoredImage | null;
  fault: string; // why there is none
}
export interface Plot {
  columns: string[];
  rows: string[];
  cells: PlotJob[]; // row by row
}

const MOST_CELLS = 200;
const SAME: Cell = { label: '', change: (request) => request };

class Plots {
  isOn = $state(false);
  x = $state<Axis>(load('plot-x', { key: 'steps', text: '4, 8, 20' }));
  y = $state<Axis>(load('plot-y', { key: '', text: '' }));
  current = $state<Plot | null>(load<Plot | null>('plot', null));

  constructor() {
    queue.onEnd((job) => this.#take(job));
  }

  // 0 where the values are wrong; run() says why.
  get count(): number {
    try {
      const [columns, rows] = this.#axes();
      return columns.length * rows.length;
    } catch {
      return 0;
    }
  }

  get problem(): string {
    try {
      this.#axes();
      return '';
    } catch (fault) {
      return messageOf(fault);
    }
  }

  // Whether all of it is in the queue.
  async run(): Promise<boolean> {
    save('plot-x', this.x);
    save('plot-y', this.y);
    generate.error = generate.missing();
    if (generate.error || generate.isSending) return false;
    generate.isSending = true;
    try {
      await this.#submit();
      return true;
    } catch (fault) {
      generate.error = messageOf(fault);
      return false;
    } finally {
      generate.isSending = false;
      this.#keep();
    }
  }

  // After a reload: what became of the cells meanwhile.
  async catchUp(): Promise<void> {
    for (const cell of this.current?.cells ?? []) {
      if (cell.image || cell.fault) continue;
      try {
        const job = await api.job(cell.job);
        if (hasEnded(job)) this.#take(job);
      } catch (fault) {
        if (fault instanceof ApiError && fault.status === 404) cell.fault = 'gone';
      }
    }
  }

  close(): void {
    this.current = null;
    this.#keep();
  }

  #axes(): [Cell[], Cell[]] {
    const { prompt } = form.settings;
    const columns = cellsOf(this.x, prompt);
    const rows = cellsOf(this.y, prompt);
    if (this.x.key !== '' && this.x.key === this.y.key && this.x.key !== 'prompt') {
      throw new Error('Both axes change the same setting.');
    }
    const axes: [Cell[], Cell[]] = [columns.length > 0 ? columns : [SAME], rows.length > 0 ? rows : [SAME]];
    const count = axes[0].length * axes[1].length;
    if (count > MOST_CELLS)
      throw new Error(`${count} pictures are too many for one sheet; at most ${MOST_CELLS}.`);
    return axes;
  }

  async #submit(): Promise<void> {
    const [columns, rows] = this.#axes();
    const request = { ...(await generate.build()), batch_count: 1, batch_size: 1 };
    request.seed ??= Math.floor(Math.random() * 2 ** 32); // the same for all
    this.current = {
      columns: columns.map((cell) => cell.label),
      rows: rows.map((cell) => cell.label),
      cells: [],
    };
    for (const row of rows) {
      for (const column of columns) {
        const job = await queue.submit(row.change(column.change(request)));
        this.current.cells.push({ job: job.id, image: null, fault: '' });
      }
    }
  }

  #take(job: Job): void {
    const cell = this.current?.cells.find((other) => other.job === job.id);
    if (!cell) return;
    cell.image = job.images[0] ?? null;
    if (!cell.image) cell.fault = job.error?.message ?? job.state;
    this.#keep();
  }

  #keep(): void {
    save('plot', this.current);
  }
}

export const plots = new Plots();
