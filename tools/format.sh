#!/usr/bin/env bash
# tools/format.sh [--check]: formats all C++ sources in place, or names those that are not formatted.
# Versions of clang-format differ in small things, so it has to be the one that Debian 12 has.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$formatter" ] || ! "$formatter" --version | grep -q 'version 14\.'; then
  echo "format: clang-format 14 is needed (Debian, Ubuntu: apt-get install clang-format-14)" >&2
  exit 1
fi

mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run --Werror)
shopt -s nullglob
find easel/ cli/ tests/ tools/ {server,bench,fuzz}*/ \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
  xargs -0 --max-args=20 --max-procs="$(nproc)" "$formatter" "${mode[@]}"
