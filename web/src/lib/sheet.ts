// Pictures in a labelled grid, as one picture.
import { toPng } from './files';

const GAP = 8;
const LABEL_ROOM = 34;
const FONT = '16px system-ui, sans-serif';

// `files` row by row; null where there is no picture.
export async function drawSheet(columns: string[], rows: string[], files: (Blob | null)[]): Promise<Blob> {
  const pictures = await Promise.all(files.map((file) => (file ? createImageBitmap(file) : null)));
  const width = Math.max(64, ...pictures.map((picture) => picture?.width ?? 0));
  const height = Math.max(64, ...pictures.map((picture) => picture?.height ?? 0));
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser cannot draw the sheet.');
  context.font = FONT;
  const side = rows.length > 1 ? Math.max(...rows.map((row) => context.measureText(row).width)) + 2 * GAP : 0;
  canvas.width = side + columns.length * (width + GAP) + GAP;
  canvas.height = LABEL_ROOM + rows.length * (height + GAP);
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = '#1a211e';
  context.font = FONT;
  context.textBaseline = 'middle';
  const left = (column: number): number => side + GAP + column * (width + GAP);
  const top = (row: number): number => LABEL_ROOM + row * (height + GAP);
  context.textAlign = 'center';
  columns.forEach((label, at) => context.fillText(label, left(at) + width / 2, LABEL_ROOM / 2, width));
  context.textAlign = 'left';
  if (side > 0) rows.forEach((label, at) => context.fillText(label, GAP, top(at) + height / 2));
  pictures.forEach((picture, at) => {
    if (picture) context.drawImage(picture, left(at % columns.length), top(Math.floor(at / columns.length)));
  });
  return toPng(canvas);
}
