# Installs missing packages and builds; sourced by ./run and ./test. Everything it prints goes to standard error.

easel_root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
source "$easel_root/tools/packages.sh"

say() { printf 'easel: %s\n' "$*" >&2; }

give_up() {
  say "$@"
  exit 1
}

# missing_packages NAME...: those that are not installed, one a line.
missing_packages() {
  dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk -v wanted="$*" '
      $2 == "installed" { installed[$1] = 1 }
      END { count = split(wanted, names, " "); for (i = 1; i <= count; ++i) if (!(names[i] in installed)) print names[i] }'
}

# apt ARGS...: quiet apt-get that asks nothing and waits for another one to finish.
apt() {
  local command=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@")
  [ "$(id -u)" = 0 ] || command=(sudo "${command[@]}")
  "${command[@]}"
}

# require_packages NAME...: installs what is missing; the system is not touched when nothing is.
require_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "this is neither Debian nor Ubuntu: please see that these packages, or their like, are installed: $*"
    return
  fi
  local missing log
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  local by_hand="apt-get update && apt-get install ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      give_up "these packages are missing and there is no sudo; as root, run: $by_hand"
    say "system packages are missing and get installed with sudo, which may ask for your password"
    sudo true || give_up "without them easel cannot be built; ask an administrator to run: $by_hand"
  fi
  say "installing system packages; this takes a few minutes: ${missing[*]}"
  log=$(mktemp)
  if ! { apt update && apt install --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    give_up "the packages could not be installed (log: $log); is there a network connection?" \
      "To try by hand, as root: $by_hand"
  fi
  rm -f "$log"
}

# Compilers at once: one per processor, as far as memory goes (the largest source takes about 1.2 GB).
build_jobs() {
  local by_memory by_processor
  by_memory=$(awk '/^MemAvailable:/ { print int($2 / 1200000) }' /proc/meminfo)
  by_processor=$(nproc)
  local jobs=$((by_memory < by_processor ? by_memory : by_processor))
  echo $((jobs > 1 ? jobs : 1))
}

# Passes ninja's progress on: a line that changes on a terminal, every 25th step otherwise; keeps all in the log $1.
show_progress() {
  local line step width=80
  [ -t 2 ] && width=$(tput cols 2>/dev/null || echo 80)
  while IFS= read -r line; do
    printf '%s\n' "$line" >&3
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (Building|Linking|Generating) ]] || continue
    step=${BASH_REMATCH[1]}
    if [ -t 2 ]; then
      line="easel: building $line"
      printf '\r\033[K%s' "${line:0:width-1}" >&2
    elif [ "$step" = 1 ] || [ $((step % 25)) = 0 ] || [ "$step" = "${BASH_REMATCH[2]}" ]; then
      say "building $step of ${BASH_REMATCH[2]}"
    fi
  done 3>"$1"
  [ ! -t 2 ] || printf '\r\033[K' >&2
}

# configure PRESET OPTION...
configure() {
  local folder=$easel_root/build/$1 log=$easel_root/build/$1/configure.log
  mkdir -p "$folder"
  if ! (cd "$easel_root" && cmake --preset "$1" "${@:2}") >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    give_up "the build could not be set up (log: $log); if it stems from another system, remove $folder and try again"
  fi
}

# is_configured PRESET [CACHE-ENTRY...]: the build folder is set up, by the presets as they are, and holds these entries.
is_configured() {
  local folder=$easel_root/build/$1 entry
  [ "$folder/build.ninja" -nt "$easel_root/CMakePresets.json" ] || return 1
  for entry in "${@:2}"; do
    grep -qxF "$entry" "$folder/CMakeCache.txt" || return 1
  done
}

# build PRESET TARGET...: quiet when all is up to date.
build() {
  local folder=$easel_root/build/$1 log=$easel_root/build/$1/build.log
  # Set -o pipefail makes the pipeline fail where ninja fails.
  if ! (set -o pipefail && ninja -C "$folder" -j "$(build_jobs)" "${@:2}" 2>&1 | show_progress "$log"); then
    grep -vE '^(\[|--|ninja: |\S*\/(c\+\+|g\+\+|clang\+\+) )' "$log" | head -n 80 >&2
    give_up "the build failed (log: $log); if sources changed under it, run it again or remove $folder"
  fi
}

# A build folder that was copied or moved here from elsewhere cannot be used.
discard_foreign_build() {
  local cache=$easel_root/build/$1/CMakeCache.txt
  [ -f "$cache" ] || return 0
  grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$easel_root" "$cache" || rm -rf "${easel_root:?}/build/$1"
}

# One build at a time in this tree; the lock is released when the shell ends or execs.
lock_build() {
  mkdir -p "$easel_root/build"
  exec {build_lock}>"$easel_root/build/.lock"
  flock -n "$build_lock" && return
  say "waiting for another build in this folder"
  flock "$build_lock"
}

unlock_build() { exec {build_lock}>&-; }
