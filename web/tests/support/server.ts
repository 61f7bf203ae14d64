// `easel serve` in a process of its own, with the starter model and a folder that goes when it ends.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { JobRequest } from '../../src/api/types';

const PROGRAM = process.env['EASEL_PROGRAM'] ?? resolve('../build/release/cli/easel');
const WEB = resolve('dist');
const START_MS = 30_000;

export class EaselServer {
  url = '';
  readonly #folder = mkdtempSync(join(tmpdir(), 'easel-web-'));
  #process: ChildProcess | null = null;

  constructor(
    readonly options: string[] = [],
    readonly environment: Record<string, string> = {},
  ) {}

  async start(port = 0): Promise<this> {
    const args = [
      'serve',
      '--port',
      String(port),
      '--data-dir',
      this.#folder,
      '--web-dir',
      WEB,
      ...this.options,
    ];
    const child = spawn(PROGRAM, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
    this.#process = child;
    this.url = await new Promise<string>((done, fail) => {
      let output = '';
      const timer = setTimeout(() => fail(new Error(`the server did not start: ${output}`)), START_MS);
      const read = (chunk: Buffer): void => {
        output += chunk.toString();
        const url = /http:\/\/[\d.]+:\d+/.exec(output);
        if (!url || !output.includes('Ctrl-C')) return;
        clearTimeout(timer);
        done(url[0]);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.on('exit', (code) => fail(new Error(`the server ended with ${code}: ${output}`)));
    });
    return this;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async kill(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const end = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await end;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async submit(request: JobRequest): Promise<number> {
    const response = await fetch(`${this.url}/api/v1/jobs`, {
      method: 'POST',
      body: JSON.stringify(request),
    });
    return ((await response.json()) as { id: number }).id;
  }

  async isRunning(job: number): Promise<boolean> {
    const response = await fetch(`${this.url}/api/v1/jobs/${job}`);
    return ((await response.json()) as { state: string }).state === 'running';
  }

  // Draws pictures of 64 x 64 pixels in 2 steps, one for each prompt.
  async draw(...prompts: string[]): Promise<void> {
    for (const prompt of prompts) {
      const id = await this.submit({ prompt, seed: 5, steps: 2, width: 64, height: 64 });
      await (await fetch(`${this.url}/api/v1/jobs/${id}/events`)).text(); // ends with the job
    }
  }
}
