# Sourced. The program as it was before the ledger's last migration: what a site in the field has.

# The last commit whose ledger is of schema 3; it called itself 0.1.0.
older_commit=2c2bb21f68d267c113a6024e37d13ae057c645b6
older_version=0.1.0

has_history() { git -C "$root" cat-file -e "$older_commit^{commit}" 2>/dev/null; }

# Prints where that program is, after building it with the dependencies that are compiled already.
older_program() {
  local base=$work/older program=$work/older/target/debug/sitepilot
  if [ ! -x "$program" ]; then
    has_history || fail "commit $older_commit is not there"
    rm -rf "$base"
    mkdir -p "$base/source" "$base/target/debug"
    git -C "$root" archive "$older_commit" | tar -x -C "$base/source"
    borrow_dependencies "$base/target/debug"
    # The example is built for the sake of its features, which are those of the tests: with others
    # the dependencies would be compiled anew.
    (cd "$base/source" && CARGO_TARGET_DIR=$base/target \
      nice cargo build --quiet --locked --bin sitepilot --example doors) >&2
  fi
  printf '%s\n' "$program"
}

# Links what was compiled of others into another target directory, and nothing of ours.
borrow_dependencies() {
  local from=$root/target/debug to=$1
  [ -d "$from/deps" ] || return 0
  cp -a "$from/.fingerprint" "$from/build" "$to/"
  rm -rf "$to"/.fingerprint/sitepilot-*
  mkdir "$to/deps"
  find "$from/deps" -maxdepth 1 -type f ! -name '*sitepilot*' -exec cp -al -t "$to/deps" {} +
}
