// Makes src/api/schema.d.ts from the gateway's openapi.json. With --check it changes nothing and fails on drift.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../openapi.json", import.meta.url);
const target = new URL("../src/api/schema.d.ts", import.meta.url);
const head = "// Generated from gateway/openapi.json by `npm run generate`. Do not edit.\n\n";
const made = head + astToString(await openapiTS(JSON.parse(await readFile(source, "utf8"))));

if (process.argv.includes("--check")) {
  const present = await readFile(target, "utf8").catch(() => "");
  if (present !== made) {
    console.error("src/api/schema.d.ts is not what gateway/openapi.json says; run `npm run generate` and commit it");
    process.exit(1);
  }
} else {
  await writeFile(target, made);
}
