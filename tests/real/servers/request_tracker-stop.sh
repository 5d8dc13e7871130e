#!/bin/bash
# Ends the Request Tracker of request_tracker-start.sh by its pid; `--wipe` also deletes its data and port.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: request_tracker-stop.sh DIRECTORY [--wipe]}")
end "$D/rt.pid" rt-server
[ "${2:-}" != --wipe ] || rm -rf "$D"
