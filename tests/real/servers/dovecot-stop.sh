#!/bin/bash
# Ends the Dovecot of dovecot-start.sh by its pid; `--wipe` also deletes its mail, ports and certificates.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: dovecot-stop.sh DIRECTORY [--wipe]}")
end "$D/run/master.pid" dovecot
rm -f "$D/run/master.pid"
[ "${2:-}" != --wipe ] || rm -rf "$D"
