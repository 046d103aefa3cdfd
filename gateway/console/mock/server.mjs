// A stand-in gateway for developing and testing single screens: demo data of a restaurant, a boiler plant and a
// workshop, kept in memory. `node mock/server.mjs [PORT]`; any user, password "demo"; the name chooses the role.
import http from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { world } from "./world.mjs";

const port = Number(process.argv[2] ?? 8099);
const dist = join(fileURLToPath(new URL("..", import.meta.url)), "dist");
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
const demo = world();
const sessions = new Map();
const streams = new Set();

export const changed = (name) => streams.forEach((res) => res.write(`event: ${name}\ndata: {}\n\n`));
setInterval(() => changed("tick"), 5000).unref();

function json(res, status, body, headers = {}) {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(body === undefined ? "" : JSON.stringify(body));
}

async function bodyOf(req) {
  let text = "";
  for await (const chunk of req) text += chunk;
  return text ? JSON.parse(text) : {};
}

async function files(res, path) {
  const name = path === "/" ? "/index.html" : path;
  try {
    const data = await readFile(join(dist, normalize(name)));
    res.writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream", "content-security-policy": CSP });
    res.end(data);
  } catch {
    res.writeHead(404, { "content-type": "text/plain" });
    res.end("not found");
  }
}

async function session(req, res, key) {
  if (req.method === "DELETE") { sessions.delete(key); return json(res, 204); }
  if (req.method === "GET") return sessions.has(key) ? json(res, 200, sessions.get(key)) : json(res, 401, { error: "sign in first" });
  const { user, password } = await bodyOf(req);
  if (password !== "demo") return json(res, 401, { error: "user or password is not right" });
  const role = ["inspector", "admin"].includes(user) ? user : "reviewer";
  const id = Math.random().toString(36).slice(2);
  sessions.set(id, demo.user(user, role));
  return json(res, 200, sessions.get(id), { "set-cookie": `session=${id}; HttpOnly; SameSite=Strict; Path=/` });
}

const server = http.createServer(async (req, res) => {
  const url = new URL(req.url, "http://mock");
  if (!url.pathname.startsWith("/api/")) return files(res, url.pathname);
  const key = /session=(\w+)/.exec(req.headers.cookie ?? "")?.[1];
  if (url.pathname === "/api/session") return session(req, res, key);
  const user = sessions.get(key);
  if (!user) return json(res, 401, { error: "sign in first" });
  if (url.pathname === "/api/events") {
    res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    res.write("event: tick\ndata: {}\n\n");
    streams.add(res);
    req.on("close", () => streams.delete(res));
    return undefined;
  }
  const answer = demo.answer(req.method, url, req.method === "GET" ? {} : await bodyOf(req), user);
  if (!answer) return json(res, 404, { error: "没有找到所要的内容 · there is no such thing", code: "not_found", message: { zh: "没有找到所要的内容", en: "there is no such thing" }, fix: { zh: "检查编号", en: "check the id" } });
  if (answer.bytes) { changed("case"); res.writeHead(200, { "content-type": answer.type, "content-length": answer.bytes.length, "cache-control": "no-store" }); return res.end(answer.bytes); }
  if (answer.file) { res.writeHead(200, { "content-type": "application/zip", "content-disposition": `attachment; filename="${answer.name}"` }); return res.end(answer.file); }
  if (req.method !== "GET") changed("case");
  return json(res, answer.status ?? 200, answer.body);
});
server.listen(port, "127.0.0.1", () => console.log(`mock gateway on port ${server.address().port}`));
