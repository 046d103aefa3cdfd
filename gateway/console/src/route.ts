// Routes live behind '#', so every screen is deep-linkable from any static server.
import { useSyncExternalStore } from "react";

export interface Route { path: string[]; query: URLSearchParams }
const read = () => location.hash.replace(/^#\/?/, "");
const subscribe = (listener: () => void) => {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
};

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}
export function useRoute(): Route { return parse(useSyncExternalStore(subscribe, read)); }
export function href(...path: string[]): string { return `#/${path.map(encodeURIComponent).join("/")}`; }
export function go(target: string) { location.hash = target; }
/** Change one filter without adding a step to the history. */
export function setQuery(name: string, value: string | null) {
  const { path, query } = parse(read());
  if (value) query.set(name, value); else query.delete(name);
  const text = query.toString();
  history.replaceState(null, "", href(...path) + (text ? `?${text}` : ""));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
