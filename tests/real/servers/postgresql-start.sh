#!/bin/bash
# PostgreSQL (Debian) with a cluster of its own on a free loopback port; nobody needs a password.
# usage: postgresql-start.sh DIRECTORY; prints HOST, PORT and USER (a superuser). See launch.py for the contract.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: postgresql-start.sh DIRECTORY}")
mkdir -p "$D"
. "$(dirname "$0")/postgresql-common.sh"
if [ ! -x "$bin/initdb" ]; then
  # Debian would start a cluster for the whole machine; ours is private and goes with the checkout.
  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  install postgresql
  . "$(dirname "$0")/postgresql-common.sh"
fi
user=$([ "$(id -u)" = 0 ] && echo postgres || id -un)
# The server's user must be able to walk to its data, wherever the checkout is: so that lies in the temporary folder.
if [ ! -d "$(cat "$D/home" 2>/dev/null)" ]; then
  mktemp -d "${TMPDIR:-/tmp}/inbox-postgresql-XXXXXX" >"$D/home"
  [ "$(id -u)" != 0 ] || chown postgres "$(cat "$D/home")"
fi
home=$(cat "$D/home")
if [ ! -s "$home/data/PG_VERSION" ]; then
  as "$bin/initdb" -D "$home/data" -U "$user" -A trust -E UTF8 --no-locale >"$D/initdb.log" 2>&1 ||
    die "$(tail -5 "$D/initdb.log")"
  printf '%s\n' "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" 'max_connections = 60' \
    >>"$home/data/postgresql.conf"
fi
[ -s "$D/port" ] || free_ports 1 >"$D/port"
if ! as "$bin/pg_ctl" -D "$home/data" status >/dev/null 2>&1; then
  as "$bin/pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 -o "-p $(cat "$D/port")" start >/dev/null 2>&1 </dev/null ||
    die "$(tail -5 "$home/log")"
fi
printf 'HOST=127.0.0.1\nPORT=%s\nUSER=%s\n' "$(cat "$D/port")" "$user"
