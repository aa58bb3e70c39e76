# Sourced. Installs what is missing of Debian's tools, where there is a way to.
install_package_tools() {
  local wanted=() pair
  for pair in debootstrap:debootstrap systemd-nspawn:systemd-container systemd-analyze:systemd lintian:lintian \
    qemu-aarch64-static:qemu-user-static mosquitto:mosquitto curl:curl python3:python3 nsenter:util-linux \
    pgrep:procps readelf:binutils udevadm:udev umockdev-run:umockdev; do
    PATH=$PATH:/usr/sbin command -v "${pair%%:*}" >/dev/null || wanted+=("${pair#*:}")
  done
  python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
  [ ${#wanted[@]} = 0 ] && return
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${wanted[@]}"
}
