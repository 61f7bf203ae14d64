// AUTOMATIC1111's API through the client stable-diffusion-api, unmodified.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { startServer } from './server.js';

const { default: StableDiffusionApi } = createRequire(import.meta.url)('stable-diffusion-api');

let server;
let client;
before(async () => {
  server = await startServer(['--user', 'ann:secret']);
  const { hostname, port } = new URL(server.url);
  client = new StableDiffusionApi({ host: hostname, port: Number(port), timeout: 300_000, defaultStepCount: 2 });
  client.setAuth('ann', 'secret');
});
after(() => server?.stop());

const small = { prompt: 'a red bird', width: 64, height: 64, seed: 5 };

async function sizeOf(image) {
  const { width, height } = await image.metadata();
  return `${width}x${height}`;
}

test('draws, whatever the sampler', async () => {
  const result = await client.txt2img({ ...small, batch_size: 2 });
  assert.equal(result.images.length, 2);
  assert.equal(await sizeOf(result.image), '64x64');
  assert.equal(JSON.parse(result.info).steps, 2);
  for (const sampler_name of ['Euler', 'DDIM', 'DPM++ 2M']) {
    assert.equal((await client.txt2img({ ...small, sampler_name })).images.length, 1); // it always sends an eta of 1
  }
});

test('starts from an image, and inpaints', async () => {
  const { image } = await client.txt2img(small);
  const changed = await client.img2img({ ...small, init_images: [image], denoising_strength: 0.5 });
  assert.equal(await sizeOf(changed.image), '64x64');
  const white = { width: 64, height: 64, channels: 3, background: 'white' };
  const mask_image = sharp({ create: white }).png();
  const painted = await client.img2img({ ...small, init_images: [image], mask_image, inpainting_fill: 1 });
  assert.equal(await sizeOf(painted.image), '64x64');
});

test('enlarges with what the server lists', async () => {
  const { image } = await client.txt2img(small);
  const names = (await client.getUpscalers()).map((upscaler) => upscaler.name);
  for (const upscaler_1 of ['Lanczos', 'real-esrgan-x4']) {
    assert.ok(names.includes(upscaler_1), `${names}`);
    const large = await client.extraSingle({ image, upscaler_1, upscaling_resize: 2 });
    assert.equal(await sizeOf(large.image), '128x128');
  }
  assert.ok((await client.getRealesrganModels()).some((model) => model.name === 'real-esrgan-x4'));
});

test('asks what an image was made with', async () => {
  const { image } = await client.txt2img(small);
  assert.match((await client.pngInfo(image)).info, /^a red bird\n.*Seed: 5/);
});

test('reads and changes settings', async () => {
  assert.equal(await client.getCurrentModel(), 'sd1-tiny.ckpt');
  await client.setOptions({ CLIP_stop_at_last_layers: 2 });
  assert.equal((await client.getOptions()).CLIP_stop_at_last_layers, 2);
  await client.refreshCheckpoints();
  assert.equal((await client.getSdModels())[0].model_name, 'sd1-tiny');
});

test('looks at progress and lists', async () => {
  assert.equal((await client.getProgress()).progress, 0);
  assert.ok((await client.getSamplers()).some((sampler) => sampler.name === 'Euler a'));
  assert.deepEqual(await client.getHypernetworks(), []);
  assert.deepEqual(await client.getFaceRestorers(), []);
  assert.deepEqual(await client.getPromptStyles(), []);
  assert.equal((await client.getCmdFlags()).api, true);
});

test('errors reach the caller', async () => {
  await assert.rejects(client.txt2img({ ...small, sampler_name: 'none' }), (error) => {
    assert.equal(error.response.status, 422);
    assert.deepEqual(error.response.data.detail[0].loc, ['body', 'sampler_name']);
    return true;
  });
});
