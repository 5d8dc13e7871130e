"""`make live`: a configured destination against the real installation. A program: `make test` has no part in it."""
