// The mask as strokes of a brush, so that each can be undone. Sizes and points are in pixels of the image.

export interface Stroke {
  erases: boolean;
  width: number;
  points: [number, number][];
  coversAll?: boolean;
}

class Mask {
  strokes = $state.raw<Stroke[]>([]);
  #undone = $state.raw<Stroke[]>([]);
  brush = $state(80); // a share of 1000 of the image's longer side
  erases = $state(false);

  get isEmpty(): boolean {
    const cleared = this.strokes.findLastIndex((stroke) => stroke.erases && stroke.coversAll);
    return !this.strokes.some((stroke, at) => at > cleared && !stroke.erases);
  }
  get canUndo(): boolean {
    return this.strokes.length > 0;
  }
  get canRedo(): boolean {
    return this.#undone.length > 0;
  }

  add(stroke: Stroke): void {
    this.strokes = [...this.strokes, stroke];
    this.#undone = [];
  }

  undo(): void {
    const last = this.strokes.at(-1);
    if (!last) return;
    this.strokes = this.strokes.slice(0, -1);
    this.#undone = [...this.#undone, last];
  }

  redo(): void {
    const last = this.#undone.at(-1);
    if (!last) return;
    this.#undone = this.#undone.slice(0, -1);
    this.strokes = [...this.strokes, last];
  }

  // All at once, and it can be undone like a stroke.
  cover(width: number, height: number, erases: boolean): void {
    const middle = height / 2;
    const line: [number, number][] = [[0, middle], [width, middle]]; // prettier-ignore
    this.add({ erases, width: height * 2, points: line, coversAll: true });
  }

  forget(): void {
    this.strokes = [];
    this.#undone = [];
  }
}

export const mask = new Mask();

export function paint(context: CanvasRenderingContext2D, stroke: Stroke, colour: string): void {
  context.globalCompositeOperation = stroke.erases ? 'destination-out' : 'source-over';
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = stroke.width;
  context.lineCap = context.lineJoin = 'round';
  const [first, ...rest] = stroke.points;
  if (!first) return;
  context.beginPath();
  if (rest.length === 0) {
    // A line without length is not drawn, round ends or not.
    context.arc(...first, stroke.width / 2, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  context.moveTo(...first);
  for (const point of rest) context.lineTo(...point);
  context.stroke();
}

// White where the image is to be drawn anew, black elsewhere.
export function drawMask(strokes: Stroke[], width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser cannot draw the mask.');
  for (const stroke of strokes) paint(context, stroke, '#fff');
  context.globalCompositeOperation = 'destination-over';
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  return canvas;
}
