// AUTOMATIC1111's API through the client node-sd-webui, unmodified.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { startServer } from './server.js';

const { default: sdwebui, SamplingMethod } = createRequire(import.meta.url)('node-sd-webui');

let server;
let client;
before(async () => {
  server = await startServer();
  client = sdwebui({ apiUrl: server.url });
});
after(() => server?.stop());

const small = { prompt: 'a red bird', width: 64, height: 64, steps: 2, seed: 5 };

async function sizeOf(base64) {
  const { width, height } = await sharp(Buffer.from(base64, 'base64')).metadata();
  return `${width}x${height}`;
}

test('draws', async () => {
  const settings = { ...small, negativePrompt: 'blurry', samplingMethod: SamplingMethod.Euler_A, cfgScale: 5 };
  const { images, info } = await client.txt2img({ ...settings, batchSize: 2, batchCount: 2 });
  assert.equal(images.length, 4);
  assert.equal(await sizeOf(images[0]), '64x64');
  assert.deepEqual(JSON.parse(info).all_seeds, [5, 6, 7, 8]);
  assert.equal(JSON.parse(info).sampler_name, 'Euler a');
});

test('knows older names of samplers', async () => {
  for (const samplingMethod of [SamplingMethod.DPMPlusPlus_2M_Karras, SamplingMethod.LMS_Karras, SamplingMethod.PLMS]) {
    const { images } = await client.txt2img({ ...small, samplingMethod });
    assert.equal(images.length, 1);
  }
});

test('draws larger in a second pass, and variations', async () => {
  const hires = { steps: 2, denoisingStrength: 0.7, upscaler: 'Latent', upscaleBy: 2 };
  const { images } = await client.txt2img({ ...small, hires });
  assert.equal(await sizeOf(images[0]), '128x128');
  const { info } = await client.txt2img({ ...small, variationSeed: 9, variationSeedStrength: 0.5 });
  assert.equal(JSON.parse(info).subseed, 9);
});

test('starts from an image', async () => {
  const { images } = await client.txt2img(small);
  const { images: again, parameters } = await client.img2img({ ...small, prompt: 'a blue bird', imageData: images });
  assert.equal(await sizeOf(again[0]), '64x64');
  assert.notEqual(again[0], images[0]);
  assert.equal(parameters.init_images, undefined);
});

test('reads the settings of an image', async () => {
  const { images } = await client.txt2img({ ...small, negativePrompt: 'blurry' });
  const info = await client.pngInfo({ imageData: images[0] });
  assert.equal(info.prompt, 'a red bird');
  assert.equal(info.negativePrompt, 'blurry');
  assert.equal(info.steps, 2);
});

test('errors reach the caller', async () => {
  await assert.rejects(client.txt2img({ ...small, steps: 0 }), /Unprocessable/);
  await assert.rejects(client.pngInfo({ imageData: 'x' }), /Unprocessable/);
});
