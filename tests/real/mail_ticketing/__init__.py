"""The mail adapter through a real Postfix and Dovecot."""
