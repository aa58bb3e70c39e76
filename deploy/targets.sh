# What is built and packaged: Debian's names and Rust's. To be sourced.

readonly ARCHES=(amd64 arm64 armhf)
# Where programs are built.
readonly BUILT=${CARGO_TARGET_DIR:-$PWD/target}

triple_of() {
  case $1 in
    amd64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    armhf) echo armv7-unknown-linux-gnueabihf ;;
    *) echo "$1: not a target; known: ${ARCHES[*]}, or their triples" >&2; return 64 ;;
  esac
}

# Takes either name.
arch_of() {
  local arch
  for arch in "${ARCHES[@]}"; do
    if [ "$1" = "$arch" ] || [ "$1" = "$(triple_of "$arch")" ]; then echo "$arch"; return; fi
  done
  triple_of "$1"
}
