// Draws a frame and what is known of it: boxes with words, zones, and that there is nothing where there is nothing.
import type { Marked, Outline } from "./clip.ts";

export interface Size { width: number; height: number }
type Ink = CanvasRenderingContext2D;

const BOX = "#4aa3df", BAD_BOX = "#ff5a4d", ZONE = "#f2c14e", DARK = "rgba(12, 22, 28, .82)";
const FONT = "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'WenQuanYi Micro Hei', sans-serif";

/** What a rule may be about, as against what is only seen. */
export const isFinding = (name: string) => !["person", "persons", "mask", "hat", "helmet", "vest"].includes(name);

type Rect = { left: number; top: number; right: number };
const LABEL_HEIGHT = 18;

/** Writes a label where no other one of this frame stands: downwards from its place until it is free. */
function label(ink: Ink, text: string, x: number, y: number, size: Size, back: string, front: string, taken: Rect[]) {
  ink.font = `600 12px ${FONT}`;
  const width = ink.measureText(text).width + 8, height = LABEL_HEIGHT;
  const left = Math.max(0, Math.min(x, size.width - width));
  let top = Math.max(0, Math.min(y, size.height - height));
  for (let hit; (hit = taken.find((r) => r.left < left + width && left < r.right && Math.abs(r.top - top) < height)) && top < size.height - height;) top = hit.top + height + 1;
  taken.push({ left, top, right: left + width });
  ink.fillStyle = back;
  ink.fillRect(left, top, width, height);
  ink.fillStyle = front;
  ink.textBaseline = "middle";
  ink.fillText(text, left + 4, top + height / 2 + 0.5);
}

export function drawZones(ink: Ink, size: Size, zones: Outline[], words: (zone: Outline) => string) {
  const taken: Rect[] = [];
  for (const zone of zones) {
    if (zone.polygon.length < 3) continue;
    ink.beginPath();
    zone.polygon.forEach(([x, y], i) => (i === 0 ? ink.moveTo(x * size.width, y * size.height) : ink.lineTo(x * size.width, y * size.height)));
    ink.closePath();
    ink.fillStyle = "rgba(242, 193, 78, .10)";
    ink.fill();
    ink.strokeStyle = ZONE;
    ink.lineWidth = 2;
    ink.setLineDash([]);
    ink.stroke();
    const [x, y] = [...zone.polygon].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]!;
    label(ink, words(zone), x * size.width + 4, y * size.height - 22, size, ZONE, "#2a2000", taken);
  }
}

/** Boxes of an earlier look are dashed: they may be a little beside what they mean. */
export function drawBoxes(ink: Ink, size: Size, boxes: Marked[], isEarlier: boolean, words: (box: Marked) => string) {
  const taken: Rect[] = [];
  for (const box of boxes) {
    const { left, top, right, bottom } = box.area, colour = box.classes.some(isFinding) ? BAD_BOX : BOX;
    ink.strokeStyle = colour;
    ink.lineWidth = 2;
    ink.setLineDash(isEarlier ? [6, 4] : []);
    ink.strokeRect(left * size.width, top * size.height, (right - left) * size.width, (bottom - top) * size.height);
    ink.setLineDash([]);
    label(ink, words(box), left * size.width, top * size.height - 19, size, colour, colour === BOX ? "#04202f" : "#2b0400", taken);
  }
}

/** Says over a darkened picture that nothing is known here. */
export function drawAbsence(ink: Ink, size: Size, text: string) {
  ink.fillStyle = "rgba(12, 22, 28, .72)";
  ink.fillRect(0, 0, size.width, size.height);
  ink.strokeStyle = "rgba(255, 255, 255, .16)";
  ink.lineWidth = 6;
  ink.beginPath();
  for (let x = -size.height; x < size.width; x += 26) { ink.moveTo(x, size.height); ink.lineTo(x + size.height, 0); }
  ink.stroke();
  ink.font = `600 15px ${FONT}`;
  const width = ink.measureText(text).width + 24;
  ink.fillStyle = DARK;
  ink.fillRect((size.width - width) / 2, size.height / 2 - 18, width, 36);
  ink.fillStyle = "#fff";
  ink.textBaseline = "middle";
  ink.textAlign = "center";
  ink.fillText(text, size.width / 2, size.height / 2, size.width - 16);
  ink.textAlign = "start";
}
