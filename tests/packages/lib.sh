# Sourced by every scenario: where things are, how they are told, and what is taken down at the end.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${SITEPILOT_PACKAGES:-$root/target/packages}
mkdir -p "$work"

# What people read, and what programs say, whatever the machine's language is.
export LC_ALL=C.UTF-8

scenario=${scenario:-packages}

say() { printf '  %s %4ds: %s\n' "$scenario" "$SECONDS" "$*"; }

fail() {
  printf '\nFAILED %s: %s\n' "$scenario" "$*" >&2
  exit 1
}

# Runs a command and tells what it was to show; its output is shown only if it does not.
expect() {
  local what=$1 said
  shift
  if said=$("$@" 2>&1); then
    say "$what"
  else
    printf '%s\n' "$said" >&2
    fail "$what ($*)"
  fi
}

# The opposite: the command has to fail.
expect_not() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then fail "$what ($*)"; fi
  say "$what"
}

# Fails unless both files hold the same.
expect_same() {
  diff -u "$2" "$3" >&2 || fail "$1"
  say "$1"
}

# Fails unless the text has the pattern.
expect_text() {
  local what=$1 pattern=$2 text=$3
  grep -Eq -- "$pattern" <<<"$text" || {
    printf '%s\n' "$text" >&2
    fail "$what: there is no /$pattern/"
  }
  say "$what"
}

# Half seconds until what never happens is given up.
patience=${PATIENCE:-240}

# Waits for something that happens by itself.
await() {
  local what=$1 tries=$patience
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "waited in vain: $what ($*)"
    sleep 0.5
  done
  say "$what"
}

# Commands to be run at the end, the last one first, however the end comes.
endings=()

at_end() { endings=("$*" "${endings[@]}"); }

wind_up() {
  local status=$? ending
  trap - EXIT INT TERM
  set +e
  [ $status -eq 0 ] || tell_what_is_known
  for ending in "${endings[@]}"; do eval "$ending"; done
  exit $status
}

# What a scenario knows that may say why it failed.
tell_what_is_known() { :; }

trap wind_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
