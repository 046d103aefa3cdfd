// What a zone can be and what can be watched for in it: the agent's fixed lists (edge-agent/src/camera/watch, zone.rs and class.rs). Pure.

export const KINDS = ["special_room", "food_preparation", "cooking", "dish_up", "dish_washing", "storage", "waste", "work_area", "danger_zone", "entrance", "escape_route", "yard", "sales_floor", "fire_control_room"] as const;
const FOOD = ["special_room", "food_preparation", "cooking", "dish_up", "dish_washing"];

/** `needs` is the table of `[camera.look]` that names the model for it; `own` that none is shipped. */
interface Watched { name: string; needs?: string; own?: boolean; belongs: (kind: string) => boolean }
const isFood = (kind: string) => FOOD.includes(kind);
export const WATCHED: Watched[] = [
  { name: "no_mask", needs: "mask", belongs: isFood },
  { name: "no_hat", needs: "hat", own: true, belongs: isFood },
  { name: "no_helmet", needs: "helmet", belongs: (kind) => !isFood(kind) },
  { name: "no_vest", needs: "vest", belongs: (kind) => !isFood(kind) },
  { name: "smoking", needs: "smoking", own: true, belongs: () => true },
  { name: "in_danger_zone", belongs: (kind) => kind === "danger_zone" },
  { name: "after_hours", belongs: () => true },
  { name: "understaffed", belongs: (kind) => kind === "fire_control_room" },
];
/** What watches the allowed hours. */
export const AFTER_HOURS = "after_hours";
export const watchable = (kind: string) => WATCHED.filter((watched) => watched.belongs(kind));

/** Places of Art. 8 as people write them; the agent knows more words and has the last one. */
const FORBIDDEN = /客房|包间|包厢|雅间|宿舍|休息室|休息间|卫生间|洗手间|厕所|浴室|淋浴|更衣|哺乳|母婴室|试衣|\b(guest ?rooms?|private dining|dorm(itory|itories|s)?|rest ?rooms?|toilets?|wc|lavatory|washroom|bath(room|house)?|showers?|changing rooms?|locker rooms?|nursing room|fitting rooms?)\b/i;
export const isForbidden = (name: string) => FORBIDDEN.test(name.replace(/[_-]/g, " "));

/** `06:00-23:00`; over midnight where the end is before the begin. */
export function isHours(text: string): boolean {
  const found = /^(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)$/.exec(text);
  if (!found) return false;
  const [h1, m1, h2, m2] = found.slice(1).map(Number) as [number, number, number, number];
  const [from, to] = [h1 * 60 + m1, h2 * 60 + m2];
  return m1 < 60 && m2 < 60 && from < 1440 && to <= 1440 && from !== to;
}
