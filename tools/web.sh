#!/usr/bin/env bash
# tools/web.sh build|check|test [ARGS...]: the web page in web/, with what it needs from the npm registry in web/node_modules.
#   build   makes web/dist anew; it belongs into the commit
#   check   types, format, and whether web/dist is what the sources give
#   test    the page in Chromium, with the program $EASEL_PROGRAM; ARGS go to Playwright
# Exit status 77: what it needs is not installed, so nothing was checked.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root/web"
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1

skip() {
  echo "web: skipped: $*" >&2
  exit 77
}

require_node() {
  local packages="apt-get install nodejs npm"
  command -v node >/dev/null && command -v npm >/dev/null || skip "Node.js is not installed; $packages"
  [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 18')" = true ] ||
    skip "Node.js is $(node --version), expected 18 or newer"
}

# Installs the packages of the lockfile unless they are there already.
install_packages() {
  local stamp=node_modules/.package-lock.json log
  [ ! "$stamp" -nt package-lock.json ] || return 0
  log=$(mktemp)
  if ! npm ci --no-fund --no-audit >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "web: the packages could not be installed (log: $log); is there a network connection?" >&2
    exit 1
  fi
  rm -f "$log"
  touch "$stamp"
}

find_chromium() {
  [ -z "${EASEL_CHROMIUM:-}" ] || return 0
  EASEL_CHROMIUM=$(command -v chromium || command -v google-chrome || true)
  # Ubuntu's chromium-browser is a snap, which sees no files outside the home folder.
  [ -n "$EASEL_CHROMIUM" ] ||
    skip "Chromium is not installed; on Debian: apt-get install chromium; elsewhere set EASEL_CHROMIUM to the program"
  export EASEL_CHROMIUM
}

check() {
  npm run --silent lint
  local fresh
  fresh=$(mktemp -d)
  # shellcheck disable=SC2064 # now, since the variable is gone by then
  trap "rm -rf '$fresh'" EXIT
  EASEL_WEB_OUT=$fresh npm run --silent build -- --logLevel error
  diff -rq "$fresh" dist || {
    echo "web: web/dist is not what the sources give; run tools/web.sh build and commit it" >&2
    exit 1
  }
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  build | check | test) require_node ;;
  *)
    sed -n '2,6p' "$0" | cut -c3- >&2
    exit 2
    ;;
esac
[ "$command" != test ] || find_chromium
mkdir -p "$root/build"
exec {lock}>"$root/build/.web-lock" # several at once would install over each other
flock "$lock"
install_packages
flock --unlock "$lock"
case $command in
  build) npm run --silent build ;;
  check) check ;;
  test) npx --no-install playwright test "$@" ;;
esac
