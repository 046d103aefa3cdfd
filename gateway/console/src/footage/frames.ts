// Decoded frames of a clip: only a window around the one on screen is held, whatever the length of the clip.
import type { Part } from "./multipart.ts";

/** What is decoded; closed when it leaves the window. */
export interface Picture { width: number; height: number; close(): void }
export type Decode<P extends Picture> = (bytes: Blob) => Promise<P>;

const BACK = 2, AHEAD = 6;
/** The most frames held at once: at 1,920 x 1,080 about 75 MB. */
export const HELD_MAX = BACK + 1 + AHEAD;
/** The most that are being decoded at once. */
export const DECODING_MAX = 3;

/** Decodes what is wanted next, forgets what is far away. */
export class Frames<P extends Picture> {
  private held = new Map<number, P>();
  private coming = new Set<number>();
  private undecodable = new Set<number>();
  private wanted: number[] = [];

  /** `changed` is called whenever a frame was decoded or turned out to be no picture. */
  constructor(private bytes: Uint8Array, readonly parts: Part[], private decode: Decode<P>, private changed: (index: number) => void) {}

  /** The frame, if it is decoded; `broken` if it never can be. */
  get(index: number): P | "broken" | null {
    return this.undecodable.has(index) ? "broken" : (this.held.get(index) ?? null);
  }

  /** From now on frames around `index` are wanted, more of them in the direction of play (1 or -1). */
  look(index: number, direction: 1 | -1) {
    const [back, ahead] = direction === 1 ? [BACK, AHEAD] : [AHEAD, BACK];
    const from = Math.max(0, index - back), to = Math.min(this.parts.length - 1, index + ahead);
    this.wanted = Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n).sort((a, b) => Math.abs(a - index) - Math.abs(b - index));
    for (const [at, picture] of this.held) if (!this.wanted.includes(at)) { picture.close(); this.held.delete(at); }
    this.startNext();
  }

  close() {
    this.wanted = [];
    this.held.forEach((picture) => picture.close());
    this.held.clear();
  }

  get count() { return this.held.size; }

  private startNext() {
    for (const at of this.wanted) {
      if (this.coming.size >= DECODING_MAX) return;
      if (!this.held.has(at) && !this.coming.has(at) && !this.undecodable.has(at)) void this.start(at);
    }
  }

  private async start(at: number) {
    const part = this.parts[at]!;
    this.coming.add(at);
    try {
      const picture = await this.decode(new Blob([this.bytes.slice(part.from, part.to)], { type: part.type || "image/jpeg" }));
      if (this.wanted.includes(at)) this.held.set(at, picture); else picture.close();
    } catch { this.undecodable.add(at); }
    this.coming.delete(at);
    if (this.wanted.includes(at)) this.changed(at);
    this.startNext();
  }
}
