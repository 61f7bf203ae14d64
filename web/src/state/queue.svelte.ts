// Jobs that run or wait, kept up to date by one stream of events at a time.
import { api } from '../api/client';
import { watchJob } from '../api/events';
import { hasEnded, type Job, type JobRequest } from '../api/types';
import { catalogue } from './catalogue.svelte';
import { gallery } from './gallery.svelte';
import { notices } from './notices.svelte';

const POLL_MS = 4000;
const RETRY_MS = 2000;
const KEPT_ENDED = 50;

type EndListener = (job: Job) => void;

class Queue {
  jobs = $state<Job[]>([]);
  ended = $state<Job[]>([]); // since the page was opened, newest first
  #listeners = new Set<EndListener>();
  #wake: (() => void) | null = null;
  #isFollowing = false;

  get running(): Job | undefined {
    return this.jobs.find((job) => job.state === 'running');
  }

  onEnd(listener: EndListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async submit(request: JobRequest): Promise<Job> {
    const job = await api.submit(request);
    this.#put(job);
    this.#wake?.();
    return job;
  }

  async cancel(id: number): Promise<void> {
    const job = await api.cancel(id);
    if (hasEnded(job)) this.#end(job);
    else this.#put(job);
  }

  async follow(): Promise<void> {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    for (;;) {
      try {
        await this.#refresh();
        const first = this.jobs[0];
        if (first) await this.#watch(first.id);
        else await this.#sleep(POLL_MS);
      } catch {
        await this.#sleep(RETRY_MS); // the banner or the login tells why
      }
    }
  }

  async #refresh(): Promise<void> {
    const jobs = await api.queue();
    const missing = this.jobs.filter((job) => !jobs.some((other) => other.id === job.id));
    this.jobs = jobs;
    for (const job of missing) this.#end(await api.job(job.id));
  }

  async #watch(id: number): Promise<void> {
    const abort = new AbortController();
    const poll = setInterval(() => void this.#refresh().catch(() => abort.abort()), POLL_MS);
    try {
      await watchJob(id, (job) => (hasEnded(job) ? this.#end(job) : this.#put(job)), abort.signal);
    } finally {
      clearInterval(poll);
    }
  }

  #put(job: Job): void {
    if (this.ended.some((other) => other.id === job.id)) return;
    const at = this.jobs.findIndex((other) => other.id === job.id);
    this.jobs = at < 0 ? [...this.jobs, job] : this.jobs.with(at, job);
    const newest = job.images.at(-1);
    if (newest && !gallery.images.some((image) => image.id === newest.id))
      void gallery.refresh().catch(() => {});
  }

  #end(job: Job): void {
    this.jobs = this.jobs.filter((other) => other.id !== job.id);
    if (!hasEnded(job) || this.ended.some((other) => other.id === job.id)) return;
    this.ended = [job, ...this.ended].slice(0, KEPT_ENDED);
    if (job.state === 'done') catalogue.learn(job);
    if (job.state === 'failed') notices.add('error', job.error?.message ?? `Job ${job.id} failed.`);
    for (const warning of job.warnings) notices.add('info', warning);
    void gallery.refresh().catch(() => {});
    void catalogue.refreshModels().catch(() => {});
    for (const listener of this.#listeners) listener(job);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }
}

export const queue = new Queue();
