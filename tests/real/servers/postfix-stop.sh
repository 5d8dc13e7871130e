#!/bin/bash
# Ends the Postfix of postfix-start.sh by its pid; `--wipe` also deletes its queue and ports.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: postfix-stop.sh DIRECTORY [--wipe]}")
end "$D/spool/pid/master.pid" master
[ "${2:-}" != --wipe ] || rm -rf "$D"
