// What there is to choose from.
import { api } from '../api/client';
import type { Choice, Job, JobRequest, Model, Task, Upscaler } from '../api/types';
import { load, save } from './storage';

type Defaults = Pick<JobRequest, 'width' | 'height' | 'steps' | 'cfg_scale' | 'sampler' | 'schedule'>;
const DEFAULT_KEYS = ['width', 'height', 'steps', 'cfg_scale', 'sampler', 'schedule'] as const;

class Catalogue {
  models = $state<Model[]>([]);
  samplers = $state<Choice[]>([]);
  schedules = $state<Choice[]>([]);
  upscalers = $state<Upscaler[]>([]);
  isLoaded = $state(false);
  // By the model's file: what it fills in for settings that are left open, learned from its jobs.
  #defaults = $state<Record<string, Defaults>>(load('model-defaults', {}));

  async refresh(): Promise<void> {
    try {
      [this.models, this.samplers, this.schedules, this.upscalers] = await Promise.all([
        api.models(),
        api.samplers(),
        api.schedules(),
        api.upscalers(),
      ]);
      this.isLoaded = true;
    } catch {
      setTimeout(() => void this.refresh(), 3000); // the banner tells why
    }
  }

  async refreshModels(): Promise<void> {
    this.models = await api.models();
  }

  model(name: string): Model | undefined {
    return this.models.find((model) => model.name === name) ?? this.models.find((model) => model.default);
  }

  can(task: Task): boolean {
    return this.models.some((model) => model.tasks.includes(task));
  }

  defaultsOf(name: string): Defaults {
    return this.#defaults[this.model(name)?.file ?? ''] ?? {};
  }

  learn(job: Job): void {
    if (!job.settings || job.request.task === 'upscale') return;
    const known: Defaults = { ...this.#defaults[job.model] };
    for (const key of DEFAULT_KEYS) {
      if (job.request[key] === undefined && job.settings[key] !== undefined) {
        Object.assign(known, { [key]: job.settings[key] });
      }
    }
    this.#defaults = { ...this.#defaults, [job.model]: known };
    save('model-defaults', this.#defaults);
  }
}

export const catalogue = new Catalogue();
