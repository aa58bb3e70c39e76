# Sourced. A machine of our own: a copy of a clean tree that is written to and thrown away, booted
# as a container with its own network, in which nothing but the loopback is.

# The machine that stands.
machine=
leader=
keeper=
machines=$work/machines/$$

# Lays a throw-away layer over a tree.
lay_out() {
  local name=$1 tree=$2 base=$machines/$1
  mkdir -p "$base/upper" "$base/work" "$base/root"
  if mount -t overlay overlay -o "lowerdir=$tree,upperdir=$base/upper,workdir=$base/work" "$base/root" \
    2>/dev/null; then
    at_end "umount '$base/root'; rm -rf '$machines'"
  else
    cp -a "$tree/." "$base/root/"
    at_end "rm -rf '$machines'"
  fi
  machine=$base/root
  # A machine is known by its own name, and finds what it installs by the names of this one.
  printf '%s\n' "$name" >"$machine/etc/hostname"
  cp -L /etc/resolv.conf "$machine/etc/resolv.conf"
}

# Runs a command in the tree while the machine is not booted, with the network of this one.
in_tree() {
  systemd-nspawn -q -D "$machine" --register=no --keep-unit --console=pipe --resolv-conf=off \
    --setenv=LC_ALL="$LC_ALL" --setenv=DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# Boots it; fails if it does not come up.
boot() {
  local log=$machines/console.log
  systemd-nspawn -q -D "$machine" -b --console=pipe --register=no --keep-unit --private-network \
    --resolv-conf=off --link-journal=no </dev/null >"$log" 2>&1 &
  keeper=$!
  at_end shut_down
  local tries=240
  until leader=$(leader_of "$keeper") && enter && answers; do
    tries=$((tries - 1))
    if [ $tries -eq 0 ] || ! kill -0 "$keeper" 2>/dev/null; then
      tail -n 30 "$log" >&2
      return 1
    fi
    sleep 0.5
  done
  say 'the machine is up'
}

# The first process of a container.
leader_of() { pgrep -P "$1" | head -n 1 | grep .; }

# What brings a command to the machine.
on_the_machine=(false)

enter() {
  on_the_machine=(nsenter --target "$leader" --all --wdns=/root -- /usr/bin/env -i
    PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL="$LC_ALL" DEBIAN_FRONTEND=noninteractive)
}

answers() {
  local state
  state=$(inside systemctl is-system-running 2>/dev/null) || true
  [ "$state" = running ] || [ "$state" = degraded ]
}

# The journal of the service and the last words of all peers.
tell_what_is_known() {
  [ -z "$leader" ] || inside journalctl --no-pager -n 60 -u sitepilot >&2
  [ ! -d "$machines/peers" ] || tail -n 15 "$machines"/peers/*.news >&2
}

# Runs a command on the machine.
inside() { "${on_the_machine[@]}" "$@"; }

# Runs a command of this machine on the network of that one.
beside() { nsenter --target "$leader" --net -- "$@"; }

shut_down() {
  [ -n "$keeper" ] || return 0
  # Asks the machine to power off.
  kill -TERM "$keeper" 2>/dev/null
  local tries=60
  while kill -0 "$keeper" 2>/dev/null; do
    tries=$((tries - 1))
    if [ $tries -eq 0 ]; then
      [ -z "$leader" ] || kill -KILL "$leader" 2>/dev/null
      kill -KILL "$keeper" 2>/dev/null
    fi
    sleep 0.5
  done
  wait "$keeper" 2>/dev/null
  keeper= leader=
}
