# Sourced. Packages: made of any program, and brought to the machine under test.

# Where packages lie on that machine.
depot=/var/cache/sitepilot-test

# Makes a package of a program that was built for this machine, and prints where it is.
package_of() {
  local program=$1 version=$2 architecture
  architecture=$(dpkg --print-architecture)
  # Without what a debugger wants, like what is shipped.
  strip -o "$work/program" "$program"
  BINARY=$work/program DEB_VERSION=$version bash "$root/deploy/package.sh" "$architecture" >&2
  printf '%s\n' "$root/target/debian/sitepilot_${version}_$architecture.deb"
}

# Puts a package, and whatever it needs of Debian, where it can be installed without a network.
fetch_dependencies() {
  mkdir -p "$machine$depot"
  cp "$1" "$machine$depot/"
  expect 'the machine knows what there is to install' in_tree apt-get update -q
  expect 'what the package needs is there' \
    in_tree apt-get install -qy --download-only "$depot/$(basename "$1")"
}

# Installs a package as people do. Its words are kept in $installed.
install_package() {
  cp "$1" "$machine$depot/"
  installed=$(inside apt-get install -qy --allow-downgrades "$depot/$(basename "$1")" 2>&1) || {
    printf '%s\n' "$installed" >&2
    fail "$(basename "$1") cannot be installed"
  }
  say "$(basename "$1") is installed"
}

# Removes or purges it. Its words are kept in $removed.
remove_package() {
  removed=$(inside apt-get "$1" -qy sitepilot 2>&1) || {
    printf '%s\n' "$removed" >&2
    fail "apt-get $1"
  }
  say "apt-get $1 is done"
}
