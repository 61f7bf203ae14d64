#!/bin/bash
# Runs the tests of this folder: clients from npm, in the versions of package-lock.json, against `easel serve`.
# EASEL_PROGRAM and EASEL_SOURCE_DIR are set by ctest; $1: where to install the clients.
set -euo pipefail
cd "$(dirname "$0")"

installed=$1
for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "$tool is missing; install the packages nodejs and npm (./test does)" >&2
    exit 1
  fi
done

mkdir -p "$installed"
if ! cmp -s package-lock.json "$installed/installed-lock.json"; then
  cp package.json package-lock.json .npmrc "$installed/"
  if ! (cd "$installed" && npm ci --ignore-scripts --loglevel=error >&2); then
    echo "the clients of tests/clients/package-lock.json cannot be installed: npm reaches no registry (npm ping tells" \
      "more); these tests need it once" >&2
    exit 1
  fi
  cp package-lock.json "$installed/installed-lock.json"
fi

# Node looks for packages beside the files that want them.
cp ./*.js "$installed/"
cd "$installed"
exec node --test
