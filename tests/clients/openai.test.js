// The images API through OpenAI's own client, unmodified.
import assert from 'node:assert/strict';
import buffer from 'node:buffer';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import sharp from 'sharp';
import { startServer } from './server.js';

globalThis.File ??= buffer.File; // Node 18

let server;
let client;
before(async () => {
  server = await startServer(['--api-key', 'secret']);
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret', maxRetries: 0 });
});
after(() => server?.stop());

// Beyond OpenAI's fields: a tiny image in two steps.
const small = { prompt: 'a red bird', size: '64x64', steps: 2, seed: 5 };

async function sizeOf(base64) {
  const { format, width, height } = await sharp(Buffer.from(base64, 'base64')).metadata();
  return `${format} ${width}x${height}`;
}

async function picture(alpha) {
  const image = { width: 64, height: 64, channels: 4, background: { r: 90, g: 20, b: 30, alpha } };
  return toFile(await sharp({ create: image }).png().toBuffer(), 'image.png', { type: 'image/png' });
}

test('generates images in base64', async () => {
  const answer = await client.images.generate({ ...small, n: 2, response_format: 'b64_json' });
  assert.equal(answer.data.length, 2);
  assert.equal(await sizeOf(answer.data[0].b64_json), 'png 64x64');
  assert.notEqual(answer.data[0].b64_json, answer.data[1].b64_json);
  assert.ok(Math.abs(answer.created - Date.now() / 1000) < 3600);
});

test('gives URLs that lead to the images', async () => {
  const answer = await client.images.generate({ ...small, model: 'dall-e-3' });
  const file = await fetch(answer.data[0].url, { headers: { Authorization: 'Bearer secret' } });
  assert.equal(file.headers.get('content-type'), 'image/png');
  const inside = await client.images.generate({ ...small, response_format: 'b64_json' });
  assert.equal(Buffer.from(await file.arrayBuffer()).toString('base64'), inside.data[0].b64_json);
});

test('encodes as asked', async () => {
  const webp = { output_format: 'webp', output_compression: 70, response_format: 'b64_json' };
  const answer = await client.images.generate({ ...small, ...webp });
  assert.equal(await sizeOf(answer.data[0].b64_json), 'webp 64x64');
});

test('edits where the image is transparent', async () => {
  const settings = { ...small, response_format: 'b64_json' };
  const answer = await client.images.edit({ ...settings, image: await picture(1), mask: await picture(0) });
  assert.equal(await sizeOf(answer.data[0].b64_json), 'png 64x64');
});

test('varies an image', async () => {
  const { prompt, ...settings } = small;
  const answer = await client.images.createVariation({ ...settings, image: await picture(1), n: 2 });
  assert.equal(answer.data.length, 2);
});

test('lists models', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes('sd1-tiny'), `${names}`);
  assert.equal((await client.models.retrieve('sd1-tiny')).object, 'model');
});

test('errors are those that the client knows', async () => {
  const wrong = client.images.generate({ ...small, size: 'huge' });
  await assert.rejects(wrong, (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'size');
    assert.equal(error.code, 'invalid_request');
    assert.match(error.message, /512x512/);
    return true;
  });
  await assert.rejects(client.images.generate({ ...small, model: 'none' }), OpenAI.NotFoundError);
  await assert.rejects(client.models.retrieve('none'), OpenAI.NotFoundError);
  const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'guess', maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});
