#!/usr/bin/env node
// Whether a job of `easel serve` takes as long as the command line, and gives the same bytes: both in turn, again and
// again, so that a machine that changes its speed changes it for both. Prints JSON. A job's time is the server's own,
// from its beginning to its end with the image on disk; the command line's goes from the open model to the image, by
// its summary: the server opens the model once.
//
//   node bench/server_speed.mjs build/release/cli/easel [ROUNDS] [OPTIONS OF easel txt2img: --ckpt, --steps, ...]
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startServer } from './start_server.mjs';

const [program, roundsText = '10', ...rest] = process.argv.slice(2);
if (!program) throw new Error('usage: server_speed.mjs PROGRAM [ROUNDS] [--ckpt FILE] [--steps N] [--size N]');
const { values } = parseArgs({
  args: rest,
  options: { ckpt: { type: 'string' }, steps: { type: 'string', default: '20' }, size: { type: 'string', default: '128' } },
});
const model = values.ckpt ? ['--ckpt', values.ckpt] : [];
const steps = Number(values.steps);
const size = Number(values.size);
const prompt = 'a red bird on a branch';

async function byCommandLine(folder, seed) {
  const file = join(folder, 'cli.png');
  const settings = ['--steps', `${steps}`, '--width', `${size}`, '--height', `${size}`, '--seed', `${seed}`];
  const run = spawn(program, ['txt2img', '--prompt', prompt, ...settings, ...model, '-o', file, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  run.stdout.on('data', (bytes) => (text += bytes));
  const status = await new Promise((resolve) => run.on('close', resolve));
  if (status !== 0) throw new Error(`easel txt2img ended with ${status}`);
  const { seconds } = JSON.parse(text);
  return { seconds: seconds.total - seconds.open, bytes: readFileSync(file) };
}

// Looks only when the job must be nearly done: this process would take the processors from it meanwhile.
async function byServer(url, seed, expectedSeconds) {
  const body = JSON.stringify({ prompt, steps, width: size, height: size, seed });
  const submitted = await fetch(`${url}/api/v1/jobs`, { method: 'POST', body });
  const { id } = await submitted.json();
  await sleep(expectedSeconds * 0.9 * 1000);
  await (await fetch(`${url}/api/v1/jobs/${id}/events`)).text();
  const job = await (await fetch(`${url}/api/v1/jobs/${id}`)).json();
  if (job.state !== 'done') throw new Error(`job ${id}: ${job.state} ${job.error?.message ?? ''}`);
  const file = await fetch(url + job.images[0].url);
  return { seconds: (new Date(job.ended) - new Date(job.started)) / 1000, bytes: Buffer.from(await file.arrayBuffer()) };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

const folder = mkdtempSync(join(tmpdir(), 'easel-speed-'));
const { server, url } = startServer(program, join(folder, 'data'), model);
try {
  const address = await url;
  const times = { command_line: [], server: [] };
  let different = 0;
  for (let round = 0; round < Number(roundsText); ++round) {
    const one = await byCommandLine(folder, round);
    const other = await byServer(address, round, one.seconds);
    times.command_line.push(one.seconds);
    times.server.push(other.seconds);
    if (!one.bytes.equals(other.bytes)) ++different;
  }
  const figures = {
    rounds: times.server.length,
    different_files: different,
    command_line_seconds: median(times.command_line),
    server_seconds: median(times.server),
    ratio: median(times.server.map((time, i) => time / times.command_line[i])),
    first_job_seconds: times.server[0],
  };
  console.log(JSON.stringify(figures, null, 2));
  process.exitCode = different === 0 ? 0 : 1;
} finally {
  const ended = new Promise((resolve) => server.on('exit', resolve));
  server.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
