// Fetches a clip with its detections, checks it against the manifest, and makes it ready for stepping.
import { api } from "../api/client.ts";
import type { Footage, FootagePart } from "../api/model.ts";
import { inOrder, readDetections, type Detections, type Span } from "./clip.ts";
import { partsOf, type Part, type Parted } from "./multipart.ts";

/** `has` is whether the file has the hash of the manifest; null where the browser offers no SHA-256 (a page without HTTPS). */
export interface Clip { bytes: Uint8Array; frames: Part[]; span: Span; holes: Span[]; announced: number; broken: Parted["broken"]; has: boolean | null; detections: Detections | null }

export const partOf = (footage: Footage, role: FootagePart["role"]) => footage.parts.find((part) => part.role === role);
export const holesOf = (part: FootagePart): Span[] => part.holes.map(([from, to]) => ({ from: from!, to: to! }));

/** The clip; null if there is no frame in it. What was read so far is told to `got`. */
export async function loadClip(footage: Footage, got: (bytes: number) => void, signal: AbortSignal): Promise<Clip | null> {
  const part = partOf(footage, "clip")!, seen = partOf(footage, "detections");
  const bytes = await api.part(footage.id, part, got, signal);
  const detections = seen?.state === "here" ? readDetections(JSON.parse(new TextDecoder().decode(await api.part(footage.id, seen, () => undefined, signal)))) : null;
  const { parts, broken } = partsOf(bytes);
  const frames = inOrder(parts), first = frames[0], last = frames.at(-1);
  if (!first || !last) return null;
  const holes = holesOf(part);
  // A hole may lie before the first frame or after the last one.
  const span = { from: Math.min(first.at, ...holes.map((hole) => hole.from)), to: Math.max(last.at, ...holes.map((hole) => hole.to)) };
  return { bytes, frames, span, holes, announced: part.frames, broken, has: await hasHash(bytes, part.sha256), detections };
}

async function hasHash(bytes: Uint8Array, sha256: string): Promise<boolean | null> {
  if (!crypto.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}
