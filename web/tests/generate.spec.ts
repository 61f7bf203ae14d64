import { expect, test } from './support/test';

test('draws a picture and shows how far it is', async ({ home }) => {
  await home.getByLabel('Prompt', { exact: true }).fill('a red bird on a branch');
  await expect(home.getByTestId('tokens-prompt')).toHaveText('6 / 75 tokens');
  await home.getByLabel('Steps').fill('60');
  await home.getByRole('button', { name: 'Generate' }).click();
  await expect(home.getByRole('progressbar')).toBeVisible();
  await expect(home.getByAltText('What it looks like so far')).toBeVisible();
  await expect(home.getByTestId('progress-detail')).toHaveText(/step \d+ of 60/);

  const result = home.getByRole('region', { name: 'Result' });
  const image = result.getByAltText('a red bird on a branch');
  await expect(image).toBeVisible();
  await expect(result).toContainText('128 × 128');
  expect(await image.evaluate((node: HTMLImageElement) => node.naturalWidth)).toBe(128);
  await expect(home.getByLabel('Steps')).toHaveValue('60');
  await home.getByLabel('Steps').fill('');
  await expect(home.getByRole('spinbutton', { name: 'Width' })).toHaveAttribute('placeholder', 'auto (128)'); // learned from the job
});

test('cancels the running job and those that wait', async ({ home }) => {
  await home.getByLabel('Prompt', { exact: true }).fill('a purple boat at night');
  await home.getByLabel('Steps').fill('1000');
  const button = home.getByRole('button', { name: 'Generate' });
  for (let i = 0; i < 3; ++i) {
    await button.click();
    await expect(button).toBeEnabled();
  }
  await expect(home.getByRole('region', { name: 'Queue' })).toContainText('2 jobs waiting');
  await home.getByRole('button', { name: 'Cancel all of them' }).click();
  await expect(home.getByRole('region', { name: 'Queue' })).toBeHidden();
  await home.getByRole('button', { name: 'Cancel', exact: true }).click();
  await expect(home.getByRole('progressbar')).toBeHidden();

  await home.getByRole('link', { name: 'Jobs' }).click();
  await expect(home.getByText('cancelled', { exact: true })).toHaveCount(3);
});

test('Ctrl+Enter draws, and settings outlive the visit', async ({ home }) => {
  const prompt = home.getByLabel('Prompt', { exact: true });
  await prompt.fill('a yellow house in the snow');
  await home.getByLabel('Steps').fill('2');
  await home.getByLabel('Seed', { exact: true }).fill('1234');
  await home.getByRole('spinbutton', { name: 'Images' }).fill('2');
  await home.getByLabel('Sampler').selectOption('euler');
  await home.getByLabel('Invisible watermark').uncheck();
  await prompt.press('Control+Enter');
  const result = home.getByRole('region', { name: 'Result' });
  await expect(result.getByAltText('a yellow house in the snow')).toHaveCount(2);

  await home.reload();
  await expect(prompt).toHaveValue('a yellow house in the snow');
  await expect(home.getByLabel('Sampler')).toHaveValue('euler');
  await expect(home.getByLabel('Invisible watermark')).not.toBeChecked();
  await home.getByRole('button', { name: 'A random seed each time' }).click();
  await expect(home.getByLabel('Seed', { exact: true })).toHaveValue('');
  await home.getByRole('button', { name: 'The seed of the newest image' }).click();
  await expect(home.getByLabel('Seed', { exact: true })).toHaveValue('1235');
});

test('a second pass enlarges what the first one drew', async ({ home }) => {
  await home.getByLabel('Prompt', { exact: true }).fill('a green tree in the snow');
  await home.getByLabel('Steps').fill('2');
  await home.getByText('More settings').click();
  const upscaler = home.getByLabel('Enlarged by');
  await expect(upscaler).toBeHidden();
  await home.getByLabel('Second pass, times as large').fill('2');
  await upscaler.selectOption('lanczos');
  await home.getByRole('button', { name: 'Generate' }).click();
  const result = home.getByRole('region', { name: 'Result' });
  await expect(result.getByAltText('a green tree in the snow')).toBeVisible();
  await expect(result).toContainText('256 × 256');
});
