# Sourced. A site as one would find it in the field, and what goes on there.

# The config of a site with one pile that has a password and one that registers, and its secrets.
write_site() {
  local etc=$machine/etc/sitepilot name
  for name in one.password=one registration.code=WELCOME registration.password=door \
    cloud.code=SIMCODE cloud.password=cloud; do
    printf '%s\n' "${name#*=}" >"$etc/${name%%=*}"
  done
  cat >"$etc/site.toml" <<CONFIG
# As it was commissioned.
[site]
code = "3101150012"
name = "Hongqiao P1"
timezone = "Asia/Shanghai"
data_dir = "/var/lib/sitepilot"

[broker]
listen = "0.0.0.0:1883"

[broker.registration]
open = false
code_file = "/etc/sitepilot/registration.code"
username = "register"
password_file = "/etc/sitepilot/registration.password"

[[pile]]
code = "3101150012000001"
serial = "ZD240117001"
revision = "1.10"
kind = "dc"
connectors = [1, 2]
password_file = "/etc/sitepilot/one.password"

[[pile]]
code = "3101150012000002"
serial = "ZD240117002"
revision = "1.10"
kind = "dc"
connectors = [3, 4]

[[uplink]]
name = "cloud"
kind = "charger"
revision = "1.10"
url = "mqtt://127.0.0.1:$cloud_port"
part_number = "SITEPILOT-1"
serial = "SP-000123"
vendor = "ACME"
registration_code_file = "/etc/sitepilot/cloud.code"
username = "default"
password_file = "/etc/sitepilot/cloud.password"
primary = true

[http]
listen = "127.0.0.1:8080"
CONFIG
  inside chown -R root:sitepilot /etc/sitepilot
  inside find /etc/sitepilot -type f -exec chmod 0640 '{}' +
}

# Everything about the config: names, owners, modes, contents.
config_as_it_is() {
  inside find /etc/sitepilot -printf '%p %M %u:%g %T@\n' | sort
  inside find /etc/sitepilot -type f -exec sha256sum '{}' + | sort
}

start_pile() {
  local name=$1
  shift
  start_peer "$name" "$program" sim pile --speed 30 --seed "${#peer_process[@]}" "$@"
  await_news "$name" Booted
}

# Begins an order at a connector of a pile, with a card that the cloud accepts.
begin() {
  local pile=$1 connector=$2 before
  before=$(grep -c OrderStarted "$peers/$pile.news") || true
  tell "$pile" start "$connector" CARD1
  await_news "$pile" OrderStarted $((before + 1))
}

# Ends it, and waits until the site has answered for it.
finish() {
  local pile=$1 connector=$2 before
  before=$(grep -c OrderAnswered "$peers/$pile.news") || true
  tell "$pile" stop "$connector"
  await_news "$pile" OrderAnswered $((before + 1))
}

charge() {
  begin "$@"
  sleep 2
  finish "$@"
}

export_orders() { inside sitepilot orders export --format csv; }

# Orders of a state, or of any, as the site tells.
orders() {
  local state=${1:-}
  inside sitepilot orders list --json ${state:+--state "$state"} |
    python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'
}

orders_are() { [ "$(orders "${2:-}")" = "$1" ]; }

# Orders that have ended, as they are exported, in their own order.
ended_orders() {
  export_orders | python3 -c '
import csv, sys
for row in sorted(csv.DictReader(sys.stdin), key=lambda row: row["id"]):
    if row["ended_at"]:
        print(row)
'
}

healthy() { beside curl -fsS http://127.0.0.1:8080/healthz; }

main_process() { inside systemctl show --value --property MainPID sitepilot; }
