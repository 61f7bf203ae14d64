// `easel serve` in a process of its own, on a free port, with the tiny checkpoint of the tests.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const kStartSeconds = 120; // more than any start takes, also on a busy machine

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run these tests with ctest -L clients`);
  return value;
}

export async function startServer(options = []) {
  const folder = mkdtempSync(join(tmpdir(), 'easel-clients-'));
  const model = join(required('EASEL_SOURCE_DIR'), 'tests/golden/models/sd1-tiny.ckpt');
  const program = spawn(
    required('EASEL_PROGRAM'),
    ['serve', '--ckpt', model, '--port', '0', '--data-dir', folder, '--threads', '2', ...options],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, EASEL_MODELS: join(model, '../../upscale') } },
  );
  const ended = new Promise((resolve) => program.on('exit', resolve));
  const stop = async () => {
    program.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { url: await addressOf(program, ended), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function addressOf(program, ended) {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error('easel serve does not begin')), kStartSeconds * 1000);
    ended.then((status) => reject(new Error(`easel serve ended with ${status}`)));
    program.stdout.on('data', (bytes) => {
      text += bytes;
      const address = text.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (!address) return;
      clearTimeout(timer);
      resolve(address[0]);
    });
  });
}
