#!/usr/bin/env bash
# Builds the release program without containers, side by side for all targets that are given:
# deploy/build.sh [TARGET...], by Debian's names or Rust's; all three by default. It lands in
# target/<triple>/release/sitepilot and runs on Debian 11 and later.
#
# Needs: rustup's Rust, Python 3 with venv, readelf. The compiler for what is written in C is
# zig's; it brings the C libraries of all targets in all versions.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/targets.sh

readonly ZIG=0.17.1 ZIGBUILD=0.24.0
# That of Debian 11.
readonly GLIBC=2.31
# Boards have little flash. The aim is 10 MB (docs/benchmarks.md); what is beyond this was not meant.
readonly MAX_BYTES=12000000
# The C library and its parts.
readonly LIBRARIES='^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux[-a-z0-9]*\.so\.[0-9])$'

zig=$PWD/target/tools/zig-$ZIG-$ZIGBUILD
if [ ! -e "$zig/done" ]; then
  rm -rf "$zig"
  python3 -m venv "$zig"
  "$zig/bin/pip" install --quiet "ziglang==$ZIG" "cargo-zigbuild==$ZIGBUILD"
  touch "$zig/done"
fi

# What would make it fail elsewhere, and what would make it too large.
check() {
  local program=$1 needs newest bytes
  needs=$(readelf -dW "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -Ev "$LIBRARIES" || true)
  [ -z "$needs" ] || { echo "$program: needs more than the C library: $needs" >&2; return 1; }
  newest=$(readelf -VW "$program" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
  [ "$(printf '%s\n' "$newest" "$GLIBC" | sort -V | tail -n 1)" = "$GLIBC" ] ||
    { echo "$program: needs glibc $newest, wanted $GLIBC at most" >&2; return 1; }
  bytes=$(stat -c %s "$program")
  [ "$bytes" -lt "$MAX_BYTES" ] || { echo "$program: $bytes bytes, wanted $MAX_BYTES at most" >&2; return 1; }
  echo "$program: $bytes bytes, glibc $newest"
}

[ $# -gt 0 ] || set -- "${ARCHES[@]}"
triples=()
for target; do
  arch=$(arch_of "$target")
  triples+=("$(triple_of "$arch")")
done
installed=$(rustup target list --installed)
for triple in "${triples[@]}"; do
  grep -qx "$triple" <<<"$installed" || rustup target add "$triple"
done
wanted=("${triples[@]/#/--target=}")
PATH=$zig/bin:$PATH cargo zigbuild --release --locked --bin sitepilot "${wanted[@]/%/.$GLIBC}"
for triple in "${triples[@]}"; do check "$BUILT/$triple/release/sitepilot"; done
