#!/usr/bin/env bash
# The console in a real browser. Against BASE_URL (with CONSOLE_USER and PASSWORD) where given, else against the
# mock gateway on a free port. The console must have been built (npm run build in gateway/console).
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -d gateway/console/node_modules ] || (cd gateway/console && npm ci --no-fund --no-audit)
[ -f gateway/console/dist/index.html ] || (cd gateway/console && npm run build)
if [ -z "${BASE_URL:-}" ]; then
  log=$(mktemp)
  node gateway/console/mock/server.mjs 0 >"$log" &
  mock=$!
  trap 'kill "$mock" 2>/dev/null; rm -f "$log"' EXIT
  until grep -q 'port' "$log"; do kill -0 "$mock"; sleep 0.1; done
  export BASE_URL="http://127.0.0.1:$(sed -n 's/.*port //p' "$log")" CONSOLE_USER=reviewer PASSWORD=demo INSPECTOR=inspector INSPECTOR_PASSWORD=demo ADMIN=admin ADMIN_PASSWORD=demo REVIEWER=reviewer REVIEWER_PASSWORD=demo CREDIT_ACTIONS=1 UNMASK=1
fi
node tests/browser/run.mjs
