# Sourced. Commands as they are written down for people, so that what is shown here is what they
# are told.

# The commands of a section of a document, without remarks: commands_in FILE TITLE.
commands_in() {
  awk -v title="$2" '$0 == title { on = 1; next } on && !code && /^#/ { exit } on && /^```/ { code = !code; next } on && code' \
    "$root/$1" | sed 's/  *#.*//'
}

# The one of them that has the words, with what a person puts in for others:
# command_of FILE TITLE WORDS [OTHER=PUT]...
command_of() {
  local file=$1 title=$2 words=$3 found put
  shift 3
  found=$(commands_in "$file" "$title" | grep -F -- "$words") || fail "$file does not say how: $words"
  [ "$(wc -l <<<"$found")" = 1 ] || fail "$file says it more than once: $words"
  for put; do found=${found//"${put%%=*}"/${put#*=}}; done
  printf '%s\n' "$found"
}

# Does it on the machine, as root at home.
follow() {
  say "\$ $1" >&2
  inside sh -c "cd && $1"
}

# Who is root already needs no sudo, and the machine has none.
stand_in_for_sudo() {
  cat >"$machine/usr/local/bin/sudo" <<'SUDO'
#!/bin/sh
[ "$1" = -u ] || exec "$@"
user=$2
shift 2
exec runuser -u "$user" -- "$@"
SUDO
  chmod 0755 "$machine/usr/local/bin/sudo"
}
