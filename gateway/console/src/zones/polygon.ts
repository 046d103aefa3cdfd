// Corners of a zone, as shares of the picture's width and height. The same conditions as the agent's (camera/watch/zone.rs). Pure.

export type Corner = [number, number];
export type Trouble = { is: "corners"; n: number } | { is: "outside"; n: number } | { is: "crosses"; n: number; m: number } | { is: "small" };

export const CORNERS_MIN = 3, CORNERS_MAX = 32;
const SIZE_MIN = 0.001;

/** A share with three decimals, within the picture. */
export const share = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000;
export const corner = (x: number, y: number): Corner => [share(x), share(y)];

/** What the agent would refuse, counted from 1; null if it would not. */
export function trouble(corners: Corner[]): Trouble | null {
  const n = corners.length;
  if (n < CORNERS_MIN || n > CORNERS_MAX) return { is: "corners", n };
  const outside = corners.findIndex(([x, y]) => !(x >= 0 && x <= 1 && y >= 0 && y <= 1));
  if (outside >= 0) return { is: "outside", n: outside + 1 };
  for (let i = 0; i < n; i += 1) {
    for (let j = i + 1; j < n; j += 1) {
      const areNeighbours = j === i + 1 || (i === 0 && j === n - 1);
      if (!areNeighbours && meet(corners[i]!, corners[(i + 1) % n]!, corners[j]!, corners[(j + 1) % n]!)) return { is: "crosses", n: i + 1, m: j + 1 };
    }
  }
  return area(corners) < SIZE_MIN ? { is: "small" } : null;
}

/** The share of the picture that is in it. */
export function area(corners: Corner[]): number {
  const twice = corners.reduce((sum, [ax, ay], i) => { const [bx, by] = corners[(i + 1) % corners.length]!; return sum + ax * by - bx * ay; }, 0);
  return Math.abs(twice) / 2;
}

/** True if two stretches have a point in common. */
function meet(a: Corner, b: Corner, c: Corner, d: Corner): boolean {
  const side = (p: Corner, q: Corner, r: Corner) => (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
  const [abc, abd, cda, cdb] = [side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)];
  if (abc * abd < 0 && cda * cdb < 0) return true;
  const between = (p: Corner, q: Corner, r: Corner) => [0, 1].every((i) => Math.min(p[i]!, q[i]!) <= r[i]! && r[i]! <= Math.max(p[i]!, q[i]!));
  return (abc === 0 && between(a, b, c)) || (abd === 0 && between(a, b, d)) || (cda === 0 && between(c, d, a)) || (cdb === 0 && between(c, d, b));
}

export const movedCorner = (corners: Corner[], at: number, x: number, y: number): Corner[] => corners.map((old, i) => (i === at ? corner(x, y) : old));
export const withoutCorner = (corners: Corner[], at: number): Corner[] => (corners.length > CORNERS_MIN ? corners.filter((_, i) => i !== at) : corners);

/** The middle of the edge after a corner. */
export function middle(corners: Corner[], after: number): Corner {
  const [a, b] = [corners[after]!, corners[(after + 1) % corners.length]!];
  return corner((a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
}
export const withMiddle = (corners: Corner[], after: number): Corner[] => (corners.length < CORNERS_MAX ? [...corners.slice(0, after + 1), middle(corners, after), ...corners.slice(after + 1)] : corners);

/** The whole polygon moved as far as it stays within the picture. */
export function moved(corners: Corner[], dx: number, dy: number): Corner[] {
  const within = (d: number, of: 0 | 1) => { const all = corners.map((c) => c[of]); return Math.min(1 - Math.max(...all), Math.max(-Math.min(...all), d)); };
  const [x, y] = [within(dx, 0), within(dy, 1)];
  return corners.map((c) => corner(c[0] + x, c[1] + y));
}
