#!/bin/bash
# Ends the Redmine of redmine-start.sh by its pid; `--wipe` also deletes its data, port and Debian's instance.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: redmine-stop.sh DIRECTORY [--wipe]}")
. "$(dirname "$0")/redmine-instance.sh"
! lives || end "$D/puma.pid"
[ "${2:-}" != --wipe ] || rm -rf "$D" "/etc/redmine/$INSTANCE" /var/{lib,log,cache}/redmine/"$INSTANCE"
