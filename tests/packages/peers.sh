# Sourced. Simulated piles and a cloud, directed by lines and read by their news. They stand on the
# network of the machine under test and are no part of it.

peers=$machines/peers
# Those that run: process and writing end of what each is told, by name.
declare -A peer_process peer_words

# Starts a program of this machine beside the one under test.
start_peer() {
  local name=$1
  shift
  start_told "$name" nsenter --target "$leader" --net -- "$@"
}

# Starts a command that is told what to do, and says what is new.
start_told() {
  local name=$1 words
  shift
  mkdir -p "$peers"
  rm -f "$peers/$name.words"
  mkfifo "$peers/$name.words"
  exec {words}<>"$peers/$name.words"
  "$@" <"$peers/$name.words" >>"$peers/$name.news" 2>&1 {words}>&- &
  peer_process[$name]=$!
  peer_words[$name]=$words
  at_end "stop_peer '$name'"
}

# Tells a peer what to do.
tell() {
  local name=$1
  shift
  printf '%s\n' "$*" >&"${peer_words[$name]}"
}

stop_peer() {
  local name=$1
  [ -n "${peer_process[$name]:-}" ] || return 0
  kill "${peer_process[$name]}" 2>/dev/null || true
  wait "${peer_process[$name]}" 2>/dev/null || true
  exec {peer_words[$name]}>&-
  unset "peer_process[$name]" "peer_words[$name]"
}

# What a peer has said so often at least.
has_said() {
  local name=$1 pattern=$2 times=${3:-1}
  [ "$(grep -Ec -- "$pattern" "$peers/$name.news")" -ge "$times" ]
}

# Waits for what a peer says.
await_news() {
  local name=$1
  await "$name: $2" has_said "$@"
}

# The last line that has the pattern.
last_news() { grep -E -- "$2" "$peers/$1.news" | tail -n 1; }

# A broker of the cloud's, on the loopback, and the cloud behind it. The cloud remembers its orders
# as long as it runs; the broker may go and come back.
cloud_port=1884

start_broker() {
  mkdir -p "$peers"
  printf 'listener %s 127.0.0.1\nallow_anonymous true\nuser root\n' $cloud_port >"$peers/mosquitto.conf"
  start_peer broker env PATH="$PATH:/usr/sbin" mosquitto -c "$peers/mosquitto.conf"
}

start_cloud() {
  start_broker
  start_peer cloud "$1" sim backend --broker mqtt://127.0.0.1:$cloud_port --interval 5
  await_news broker SIM-BACKEND
}

# The cloud's books, as it tells them.
books() {
  local before=0 tries=40
  before=$(grep -c '^orders ' "$peers/cloud.news") || true
  tell cloud books
  until has_said cloud '^orders ' $((before + 1)); do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail 'the cloud tells nothing of its books'
    sleep 0.1
  done
  last_news cloud '^orders '
}

# Whether the cloud has exactly so many orders, settled, none altered or doubled.
books_say() { [ "$(books)" = "orders $1, settled $1, altered [], doubled []" ]; }
