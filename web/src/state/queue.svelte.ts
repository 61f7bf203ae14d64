// Jobs that run or wait, kept up to date by one stream of events at a time, of the job that is shown: a browser opens few
// connections to a server, all tabs together. What others do is asked for.
import { api } from '../api/client';
import { watchJob } from '../api/events';
import { hasEnded, type Job, type JobRequest } from '../api/types';
import { catalogue } from './catalogue.svelte';
import { gallery } from './gallery.svelte';
import { notices } from './notices.svelte';

const POLL_MS = 1000;
const SLOW_POLL_MS = 4000; // of an empty queue, or of one that takes long to send
const MANY = 50;
const RETRY_MS = 2000;
const KEPT_ENDED = 50;

type EndListener = (job: Job) => void;

class Queue {
  jobs = $state<Job[]>([]);
  ended = $state<Job[]>([]); // since the page was opened, newest first
  #sent = new Set<number>();
  #listeners = new Set<EndListener>();
  #wake: (() => void) | null = null;
  #isFollowing = false;

  get running(): Job[] {
    return this.jobs.filter((job) => job.state === 'running');
  }

  // Of those that run: the last one sent from here, or else the first.
  get shown(): Job | undefined {
    const own = this.running.filter((job) => this.#sent.has(job.id));
    return own.at(-1) ?? this.running[0];
  }

  onEnd(listener: EndListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async submit(request: JobRequest): Promise<Job> {
    const job = await api.submit(request);
    this.#sent.add(job.id);
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
        const job = this.shown ?? this.jobs[0];
        if (job) await this.#watch(job.id);
        else await this.#sleep(SLOW_POLL_MS);
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

  // Until it ends, or another one is to be shown.
  async #watch(id: number): Promise<void> {
    const abort = new AbortController();
    let wantsOther = false;
    const look = async (): Promise<void> => {
      await this.#refresh();
      wantsOther = this.shown !== undefined && this.shown.id !== id;
      if (wantsOther) abort.abort();
    };
    const pollMs = this.jobs.length > MANY ? SLOW_POLL_MS : POLL_MS;
    const poll = setInterval(() => void look().catch(() => abort.abort()), pollMs);
    try {
      await watchJob(id, (job) => (hasEnded(job) ? this.#end(job) : this.#put(job)), abort.signal);
    } catch (fault) {
      if (!wantsOther) throw fault;
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
