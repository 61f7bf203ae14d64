import { EaselServer } from './support/server';
import { expect, expectAccessible, test } from './support/test';

test('what the server refuses is told in its words', async ({ home }) => {
  await home.getByLabel('Prompt', { exact: true }).fill('a bird');
  await home.getByRole('spinbutton', { name: 'Width' }).fill('100');
  await home.getByRole('button', { name: 'Generate' }).click();
  await expect(home.getByRole('alert')).toContainText('100');
  await expect(home.getByRole('alert')).toContainText('64');
  await home.getByRole('spinbutton', { name: 'Width' }).fill('64');
  await home.getByRole('spinbutton', { name: 'Height' }).fill('64');
  await home.getByLabel('Steps').fill('2');
  await home.getByRole('button', { name: 'Generate' }).click();
  await expect(home.getByRole('alert')).toHaveCount(0);
});

test('a missing image or mask is asked for', async ({ home }) => {
  await home.getByText('Inpaint', { exact: true }).click();
  await home.getByRole('button', { name: 'Generate' }).click();
  await expect(home.getByRole('alert')).toContainText('Choose an image first');
});

test('a file that is no image is refused', async ({ home }) => {
  await home.getByText('Image', { exact: true }).click();
  const file = { name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no image') };
  await home.getByLabel('Choose an image file').setInputFiles(file);
  await expect(home.getByRole('region', { name: 'Messages' })).toContainText('notes.png is not an image');
});

test('a full queue is told with what helps', async ({ page }) => {
  const server = await new EaselServer(['--max-queue', '1']).start();
  try {
    await server.submit({ prompt: 'a boat', steps: 1000, batch_count: 100 });
    await page.goto(server.url);
    await expect(page.getByRole('progressbar')).toBeVisible();
    await server.submit({ prompt: 'a cat', steps: 2 });
    await page.getByRole('button', { name: 'Generate' }).click();
    await expect(page.getByRole('alert')).toContainText('The queue is full');
  } finally {
    await server.remove();
  }
});

for (const [kind, options] of Object.entries({
  key: ['--api-key', 's3cret'],
  user: ['--user', 'ann:s3cret'],
})) {
  test(`asks for credentials: ${kind}`, async ({ page }) => {
    const server = await new EaselServer(options).start();
    const login = page.getByRole('dialog');
    try {
      await page.goto(server.url);
      await expect(login).toContainText('who you are');
      await expectAccessible(page);
      if (kind === 'user') {
        await login.getByLabel('Name and password').check();
        await login.getByLabel('Name', { exact: true }).fill('ann');
      }
      const secret = login.locator('input[type=password]');
      await secret.fill('wrong');
      await login.getByRole('button', { name: 'Log in' }).click();
      await expect(login.getByRole('alert')).toContainText('did not accept');
      await secret.fill('s3cret');
      await login.getByRole('button', { name: 'Log in' }).click();
      await expect(login).toBeHidden();

      await page.getByLabel('Prompt', { exact: true }).fill('a red bird');
      await page.getByLabel('Steps').fill('2');
      await page.getByRole('button', { name: 'Generate' }).click();
      const image = page.getByRole('region', { name: 'Result' }).getByAltText('a red bird');
      await expect(image).toBeVisible();
      await expect(image).toHaveAttribute('src', /^blob:/);
      await page.reload();
      await expect(image).toBeVisible(); // no second login
    } finally {
      await server.remove();
    }
  });
}
