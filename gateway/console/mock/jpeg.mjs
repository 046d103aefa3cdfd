// A JPEG of plain 8 x 8 squares (baseline, only DC coefficients): a picture that is pixelated all over, made without a library.
// Enough for the mock's cameras; every decoder reads it (ITU-T T.81).

const BITS = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]; // T.81 table K.3: how many codes of each length for sizes 0 to 11
const DC_STEP = 8; // quantisation of DC, so that a coefficient is a square's value less 128

const codes = (() => {
  const all = [];
  let code = 0;
  for (const [i, count] of BITS.entries()) { for (let n = 0; n < count; n += 1) all.push({ code: code++, length: i + 1 }); code <<= 1; }
  return all;
})();

function segment(marker, ...bytes) { return [0xff, marker, (bytes.length + 2) >> 8, (bytes.length + 2) & 255, ...bytes]; }

function heads(width, height) {
  const component = (id) => [id, 0x11, 0];
  return [
    0xff, 0xd8,
    ...segment(0xdb, 0, ...Array.from({ length: 64 }, () => DC_STEP)),
    ...segment(0xc0, 8, height >> 8, height & 255, width >> 8, width & 255, 3, ...component(1), ...component(2), ...component(3)),
    ...segment(0xc4, 0x00, ...BITS, ...Array.from({ length: 12 }, (_, size) => size)),
    ...segment(0xc4, 0x10, 1, ...Array(15).fill(0), 0), // AC: one code, "no more"
    ...segment(0xda, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0),
  ];
}

class Bits {
  constructor() { this.bytes = []; this.held = 0; this.count = 0; }
  put(value, length) {
    this.held = (this.held << length) | value;
    this.count += length;
    while (this.count >= 8) {
      this.count -= 8;
      const byte = (this.held >> this.count) & 255;
      this.bytes.push(byte);
      if (byte === 255) this.bytes.push(0);
    }
    this.held &= (1 << this.count) - 1;
  }
  end() { if (this.count) this.put((1 << (8 - this.count)) - 1, 8 - this.count); return this.bytes; }
}

/** `colour(x, y)` gives [red, green, blue] of the square in column x and row y. */
export function jpeg(columns, rows, colour) {
  const bits = new Bits(), before = [0, 0, 0];
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const [r, g, b] = colour(x, y);
      const ycc = [0.299 * r + 0.587 * g + 0.114 * b - 128, -0.1687 * r - 0.3313 * g + 0.5 * b, 0.5 * r - 0.4187 * g - 0.0813 * b];
      ycc.forEach((value, i) => {
        const level = Math.max(-128, Math.min(127, Math.round(value))), step = level - before[i];
        before[i] = level;
        const size = step === 0 ? 0 : 32 - Math.clz32(Math.abs(step));
        bits.put(codes[size].code, codes[size].length);
        if (size) bits.put(step > 0 ? step : step + (1 << size) - 1, size);
        bits.put(0, 1);
      });
    }
  }
  return Buffer.from([...heads(columns * 8, rows * 8), ...bits.end(), 0xff, 0xd9]);
}
