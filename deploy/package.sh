#!/usr/bin/env bash
# Makes Debian packages of built programs: deploy/package.sh [ARCH...], all three by default. They
# land in target/debian. What deploy/build.sh has built is packaged, nothing is compiled here.
#
#     DEB_VERSION=0.1.0-1   another version than that of Cargo.toml
#     BINARY=FILE           another program than target/<triple>/release/sitepilot; one ARCH only
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/targets.sh

readonly CARGO_DEB=3.8.0
tools=$PWD/target/tools

if [ "$("$tools/bin/cargo-deb" --version 2>/dev/null)" != "cargo-deb $CARGO_DEB" ]; then
  cargo install --locked --root "$tools" --target-dir "$tools/build" cargo-deb --version "$CARGO_DEB"
  rm -rf "$tools/build"
fi

version=${DEB_VERSION:-$(sed -n '0,/^version = /s/^version = "\(.*\)"/\1/p' Cargo.toml)-1}
# Packages of one commit are alike byte for byte.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

debian_changelog() {
  cat <<END
sitepilot ($version) stable; urgency=medium

  * See changelog.gz.

 -- The sitepilot authors <sitepilot@example.com>  $(LC_ALL=C date -uRd "@$SOURCE_DATE_EPOCH")
END
}

# The licences of all crates, and that none is missing: cargo names them once more by itself.
licences() {
  local triple=$1 file=$2 crate
  python3 deploy/licences.py "$triple" >"$file"
  while read -r crate; do
    grep -qF -- "$crate  " "$file" || { echo "no licence of $crate" >&2; return 1; }
  done < <(cargo tree --locked --edges normal,no-proc-macro --target "$triple" --prefix none --format '{p}' |
    sed -n 's/^\([^ ]*\) v\([^ ]*\).*/\1 \2/p' | grep -v '^sitepilot ' | sort -u)
  gzip -9n "$file"
}

# Lays what goes into a package where cargo-deb looks for what was built.
stage() {
  local triple=$1 binary=$2 release=$3
  rm -rf "$release"
  mkdir -p "$release"
  cp "$binary" "$release/sitepilot"
  gzip -9n <CHANGELOG.md >"$release/changelog.gz"
  licences "$triple" "$release/third-party-licences"
  debian_changelog | gzip -9n >"$release/changelog.Debian.gz"
}

package() {
  local arch=$1 triple binary stage=$PWD/target/package/$1
  triple=$(triple_of "$arch")
  binary=${BINARY:-$BUILT/$triple/release/sitepilot}
  [ -f "$binary" ] || { echo "$binary: not there; hint: deploy/build.sh $arch" >&2; return 1; }
  stage "$triple" "$binary" "$stage/$triple/release"
  CARGO_TARGET_DIR=$stage "$tools/bin/cargo-deb" --quiet --no-build --no-strip \
    --target "$triple" --deb-version "$version" --output target/debian/ ${BINARY:+--fast}
  rm -rf "$stage"
}

[ $# -gt 0 ] || set -- "${ARCHES[@]}"
[ -z "${BINARY:-}" ] || [ $# = 1 ] || { echo "BINARY is of one ARCH" >&2; exit 64; }
mkdir -p target/debian
for arch; do package "$(arch_of "$arch")"; done
