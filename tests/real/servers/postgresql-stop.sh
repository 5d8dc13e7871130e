#!/bin/bash
# Stops the cluster of postgresql-start.sh; --wipe also deletes it. usage: postgresql-stop.sh DIRECTORY [--wipe]
set -euo pipefail
D=$(realpath -m "${1:?usage: postgresql-stop.sh DIRECTORY [--wipe]}")
. "$(dirname "$0")/postgresql-common.sh"
[ -s "$D/home" ] || exit 0
home=$(cat "$D/home")
! as "$bin/pg_ctl" -D "$home/data" status >/dev/null 2>&1 || as "$bin/pg_ctl" -D "$home/data" -m fast -w stop >/dev/null
[ "${2:-}" != --wipe ] || rm -rf "$home" "$D/home" "$D/port"
