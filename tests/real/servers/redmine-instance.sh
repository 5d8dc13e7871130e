# What start and stop of a Redmine in directory $D share (source it after common.sh).

# The Debian instance that belongs to $D: two checkouts must not share one.
INSTANCE=inbox-$(printf %s "$D" | cksum | cut -d' ' -f1)

# lives: whether its puma runs (a stale pid file may name a stranger; puma changes its name as it goes).
lives() {
  runs "$D/puma.pid" && grep -aq puma "/proc/$(cat "$D/puma.pid")/cmdline"
}
