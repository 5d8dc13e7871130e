"""A child of `test_migrate`: a node that brings the database up to date when told to; prints whether it did it."""

from __future__ import annotations

import sys

from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate

if __name__ == "__main__":
    with Database(sys.argv[1], pool_size=1) as database:
        print("ready", flush=True)
        sys.stdin.readline()
        print(migrate(database), flush=True)
