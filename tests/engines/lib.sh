# Sourced by the scripts beside it: where engines are installed, and how one is started on loopback.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${VINTNER_ENGINES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vintner-engines}
mkdir -p "$cache"

die() { echo "$*" >&2; exit 1; }

# usage: the comment at the top of the script, where an argument is missing
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# installed COMMAND PACKAGE: by apt where COMMAND is missing
installed() {
  command -v "$1" >/dev/null && return
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || die "$1 is needed: install it (Debian's package $2)"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"; } >&2
}

# pinned FILE: the folder in the cache for what FILE pins; another FILE, another folder
pinned() { echo "$cache/$(basename "$1")-$(sha256sum "$1" | cut -c 1-16)"; }

# locked NAME COMMAND...: one at a time on this machine, so that two runs do not install the same thing at once
locked() { local lock=$cache/$1.lock; shift; (flock 9; "$@") 9>"$lock"; }

# launch DIR COMMAND...: in the background, in a session of its own; what it says goes to DIR/log, its id to DIR/pid
launch() {
  local dir=$1; shift
  [ ! -e "$dir/log" ] || mv "$dir/log" "$dir/log.before"
  setsid "$@" >"$dir/log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$dir/pid"
}

# until_ready SECONDS DIR COMMAND...: waits until COMMAND succeeds, as long as the engine of DIR lives
until_ready() {
  local turns=$(($1 * 10)) dir=$2; shift 2
  while ! "$@" 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || { tail -5 "$dir/log" >&2; die "the engine ended: see $dir/log"; }
    [ $((turns -= 1)) -gt 0 ] || { tail -5 "$dir/log" >&2; kill "$pid"; die "the engine is not ready: see $dir/log"; }
    sleep 0.1
  done
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

# certificate NAME ARGUMENT...: signs NAME.pem with NAME.key
certificate() {
  local name=$1; shift
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$name" -keyout "$name.key" -out "$name.pem" "$@" 2>>log
}

# certificates DIR: an authority in DIR/tls, ca.pem, and what it signed for 127.0.0.1: server and client, each .pem and .key
certificates() {
  [ ! -s "$1/tls/client.pem" ] || return 0
  installed openssl openssl
  mkdir -p "$1/tls"
  cd "$1/tls"
  certificate ca
  for name in server client; do
    certificate "$name" -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE -addext subjectAltName=IP:127.0.0.1
  done
  cd - >/dev/null
}
