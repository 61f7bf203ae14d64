#!/usr/bin/env node
// What `easel serve` does under load: 1,000 jobs over 200 connections, which then ask for their state while the jobs
// run. Nothing may be lost. Prints JSON: the times of status calls, and the memory after 50 and after 550 jobs.
//
//   node bench/server_load.mjs build/release/cli/easel [JOBS] [CONNECTIONS] [OPTIONS OF easel serve...]
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer } from './start_server.mjs';

const [program, jobsText = '1000', connectionsText = '200', ...options] = process.argv.slice(2);
if (!program) throw new Error('usage: server_load.mjs PROGRAM [JOBS] [CONNECTIONS] [OPTIONS...]');
const jobCount = Number(jobsText);
const connectionCount = Number(connectionsText);
const memoryLooks = [50, 550]; // finished jobs
const kPauseMs = 1000; // of a connection between two calls
const kWatchMs = 200;

// One connection: its requests go one after the other.
class Connection {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  constructor(url) {
    this.url = url;
  }
  call(method, path, body) {
    return new Promise((resolve, reject) => {
      const outgoing = request(this.url + path, { method, agent: this.#agent }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => resolve({ status: answer.statusCode, json: JSON.parse(Buffer.concat(parts)) }));
        answer.on('error', reject);
      });
      outgoing.on('error', reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
  close() {
    this.#agent.destroy();
  }
}

const residentMegabytes = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;

async function submitAll(connections) {
  const ids = [];
  let next = 0;
  const submitSome = async (connection) => {
    while (next < jobCount) {
      const seed = next++;
      const body = { prompt: 'a red bird', width: 64, height: 64, steps: 1, seed };
      const { status, json } = await connection.call('POST', '/api/v1/jobs', body);
      if (status !== 201) throw new Error(`job ${seed}: status ${status}`);
      ids.push(json.id);
    }
  };
  await Promise.all(connections.map(submitSome));
  if (new Set(ids).size !== jobCount) throw new Error('an id came twice');
  return ids;
}

// Every connection asks for the state of one of the jobs, until all have ended.
async function askUntilDone(connections, ids, state) {
  const times = [];
  const ask = async (connection, index) => {
    await sleep((index * kPauseMs) / connections.length);
    while (!state.isDone) {
      const id = ids[(index * 7919) % ids.length];
      const begin = performance.now();
      const { status } = await connection.call('GET', `/api/v1/jobs/${id}`);
      times.push(performance.now() - begin);
      if (status !== 200) throw new Error(`state of job ${id}: status ${status}`);
      await sleep(kPauseMs);
    }
  };
  await Promise.all(connections.map(ask));
  return times.sort((a, b) => a - b);
}

async function watchMemory(pid, connection, state) {
  const looks = {};
  while (!state.isDone) {
    const { json } = await connection.call('GET', '/api/v1/queue');
    const finished = jobCount - json.jobs.length;
    for (const count of memoryLooks) {
      if (finished >= count && looks[count] === undefined) looks[count] = residentMegabytes(pid);
    }
    state.isDone = finished === jobCount;
    if (!state.isDone) await sleep(kWatchMs);
  }
  looks.all = residentMegabytes(pid);
  return looks;
}

async function countLost(connection, ids) {
  let lost = 0;
  for (const id of ids) {
    const { json } = await connection.call('GET', `/api/v1/jobs/${id}`);
    if (json.state !== 'done' || json.images.length !== 1) ++lost;
  }
  return lost;
}

const round = (value) => Math.round(value * 100) / 100;
const share = (sorted, part) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]);

const folder = mkdtempSync(join(tmpdir(), 'easel-load-'));
const { server, url } = startServer(program, folder, options);
try {
  const address = await url;
  const connections = Array.from({ length: connectionCount }, () => new Connection(address));
  const watcher = new Connection(address);
  const begin = performance.now();
  const ids = await submitAll(connections);
  const submitted = performance.now();
  const state = { isDone: false };
  const [times, memory] = await Promise.all([
    askUntilDone(connections, ids, state),
    watchMemory(server.pid, watcher, state),
  ]);
  const figures = {
    jobs: jobCount,
    connections: connectionCount,
    lost: await countLost(watcher, ids),
    submit_seconds: round((submitted - begin) / 1000),
    run_seconds: round((performance.now() - submitted) / 1000),
    status_calls: times.length,
    status_ms: { p50: share(times, 0.5), p99: share(times, 0.99), most: round(times.at(-1)) },
    resident_mb: Object.fromEntries(Object.entries(memory).map(([key, value]) => [key, round(value)])),
  };
  console.log(JSON.stringify(figures, null, 2));
  process.exitCode = figures.lost === 0 ? 0 : 1;
  for (const connection of [...connections, watcher]) connection.close();
} finally {
  const ended = new Promise((resolve) => server.on('exit', resolve));
  server.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
