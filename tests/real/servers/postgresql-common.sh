# Shared by the two PostgreSQL scripts (source it): where its programs are, and whom it runs as.

bin=$(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin 2>/dev/null | sort -V | tail -1 || true)

# as COMMAND...: the server refuses root, so the system's postgres user runs it then.
as() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}
