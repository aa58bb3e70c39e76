# Sourced. Clean trees of Debian, made once and never written to afterwards.

# The mirror that this machine itself installs from.
mirror() {
  local origin label uri suite
  while IFS='|' read -r origin label uri suite; do
    if [ "$origin" = Debian ] && [ "$label" = Debian ]; then
      printf '%s\n' "$uri"
      return
    fi
  done < <(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(CODENAME)' 'Created-By: Packages')
  fail 'apt knows no mirror of Debian; hint: apt-get update'
}

# Prints the tree of a release, which is made if it is not there. One of another architecture is
# unpacked only: its programs run under emulation, if at all.
tree() {
  local suite=$1 architecture=$2 path=$work/trees/$1-$2 options=(--variant=minbase)
  if [ ! -e "$path.done" ]; then
    rm -rf "$path"
    mkdir -p "$work/trees"
    if [ "$architecture" = "$(dpkg --print-architecture)" ]; then
      # What a Debian machine has, beyond the least.
      options+=(--include=systemd,systemd-sysv,dbus,udev)
    else
      options+=(--foreign)
    fi
    # A mirror that hiccups is asked once more.
    local tries
    for tries in 1 2 3; do
      debootstrap "${options[@]}" --arch="$architecture" "$suite" "$path" "$(mirror)" \
        >"$path.log" 2>&1 && break
      [ "$tries" -lt 3 ] || { tail -n 20 "$path.log" >&2; fail "no tree of $suite for $architecture"; }
      rm -rf "$path"
    done
    # A program of another architecture sees the devices of this machine, not those of its tree.
    case " ${options[*]} " in *' --foreign '*) rm -rf "$path/dev" ;; esac
    touch "$path.done"
  fi
  printf '%s\n' "$path"
}
