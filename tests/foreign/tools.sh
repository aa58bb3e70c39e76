# Sourced. Installs what is missing, where there is a way to; what is still missing afterwards is
# told by the suites themselves.
install_tools() {
  local wanted=() sudo=
  command -v mosquitto_sub >/dev/null || wanted+=(mosquitto-clients)
  PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null || wanted+=(mosquitto)
  command -v openssl >/dev/null || wanted+=(openssl)
  command -v cc >/dev/null || wanted+=(build-essential)
  pkg-config --exists libmodbus 2>/dev/null || wanted+=(pkg-config libmodbus-dev)
  python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3 python3-venv)
  if [ ${#wanted[@]} -gt 0 ] && command -v apt-get >/dev/null; then
    [ "$(id -u)" = 0 ] || sudo=sudo
    { $sudo apt-get update -q && $sudo apt-get install -qy "${wanted[@]}"; } || true
  fi
}
