# Shared by the start and stop scripts of this folder (source it): packages, free ports, pids.

die() { echo "$*" >&2; exit 1; }

# install PACKAGE...: Debian packages that are missing, by apt-get; nothing happens when all are there.
install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -Wf '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || die "needs the Debian packages ${missing[*]}, and there is no apt-get"
  [ "$(id -u)" = 0 ] || die "needs the Debian packages ${missing[*]}; install them as root"
  local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
  export DEBIAN_FRONTEND=noninteractive
  "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2 ||
    { "${apt[@]}" update >&2 && "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2; } ||
    die "could not install ${missing[*]}"
}

# free_ports COUNT: that many free loopback ports on one line, below the range of outgoing connections, so that a
# server can be stopped and find its port free again.
free_ports() {
  python3 -c 'import random, socket, sys
free = []
while len(free) < int(sys.argv[1]):
    try:
        free.append(socket.create_server(("127.0.0.1", random.randrange(15000, 32000))))
    except OSError:
        pass
print(*(one.getsockname()[1] for one in free))' "$1"
}

# runs PID_FILE [NAME]: whether the process of the pid file lives (and is called NAME: a stale file may name a stranger).
runs() {
  local pid
  pid=$(tr -d ' \n' 2>/dev/null <"$1") && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
  [ $# = 1 ] || [ "$(cat "/proc/$pid/comm")" = "$2" ]
}

# wait_port PORT [SECONDS]: until something listens there.
wait_port() {
  local _
  for _ in $(seq $((${2:-10} * 10))); do
    (echo >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
  die "nothing listens on 127.0.0.1:$1"
}

# end PID_FILE [NAME]: TERM, then KILL after ten seconds.
end() {
  runs "$@" || return 0
  local pid _
  pid=$(tr -d ' \n' <"$1")
  kill "$pid"
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid"
}
