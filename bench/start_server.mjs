// Starts `easel serve` on a free port -> its process, and a promise of its address.
import { spawn } from 'node:child_process';

export function startServer(program, folder, options) {
  const server = spawn(program, ['serve', '--port', '0', '--data-dir', folder, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = new Promise((resolve, reject) => {
    let text = '';
    server.on('exit', (status) => reject(new Error(`easel serve ended with ${status}`)));
    server.stdout.on('data', (bytes) => {
      text += bytes;
      const address = text.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (address) resolve(address[0]);
    });
  });
  return { server, url };
}
