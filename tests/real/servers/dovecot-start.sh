#!/bin/bash
# Dovecot 2.3 (Debian) under DIRECTORY: IMAP (plain and STARTTLS), IMAPS, LMTP and a SASL socket for Postfix.
# usage: dovecot-start.sh DIRECTORY. Any user may log in with the printed password; a mailbox comes to be when
# used. Only users of rebota.test don't exist: what Postfix hands over for them comes back as a DSN.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: dovecot-start.sh DIRECTORY}")
[ "$(id -u)" = 0 ] || die "Dovecot changes users for its mailboxes: run as root"
install dovecot-imapd dovecot-lmtpd openssl
case $(dovecot --version) in 2.3.*) ;; *) die "the configuration is for Dovecot 2.3, here is $(dovecot --version)" ;; esac
runs "$D/run/master.pid" dovecot && exec cat "$D/env"

mkdir -p "$D"/{run,mail}
chown mail: "$D/mail"
# A restart keeps ports, password and certificate: clients under test reconnect to the same server.
[ -s "$D/ports" ] || free_ports 3 >"$D/ports"
read -r IMAP IMAPS LMTP <"$D/ports"
[ -s "$D/password" ] || head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$D/password"
for name in server stranger; do # the stranger's certificate is for tests that must not trust the server
  [ -s "$D/$name.pem" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$name.test" \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$D/$name.key" -out "$D/$name.pem" 2>/dev/null
done
: >"$D/nobody" # what the first passdb leaves out is looked up here, and is not there
cat >"$D/dovecot.conf" <<C
base_dir = $D/run
log_path = $D/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <$D/server.pem
ssl_key = <$D/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:$D/mail/%u
passdb {
  driver = static
  args = password=$(cat "$D/password")
  username_filter = !*@rebota.test
}
passdb {
  driver = passwd-file
  args = $D/nobody
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$D/mail/%u
}
namespace inbox {
  inbox = yes
}
service anvil {
  # No growing delays for everybody on this address after one test's refused log-in.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = $IMAP
  }
  inet_listener imaps {
    port = $IMAPS
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = $LMTP
  }
}
service auth {
  unix_listener postfix-auth {
    mode = 0666
  }
}
C
dovecot -c "$D/dovecot.conf" >&2
wait_port "$IMAP"
wait_port "$LMTP"
cat >"$D/env" <<C
HOST=127.0.0.1
IMAP_PORT=$IMAP
IMAPS_PORT=$IMAPS
LMTP_PORT=$LMTP
PASSWORD=$(cat "$D/password")
CA_FILE=$D/server.pem
STRANGER_CA_FILE=$D/stranger.pem
CERTIFICATE_KEY=$D/server.key
CONF=$D/dovecot.conf
MAIL_DIR=$D/mail
SASL_SOCKET=$D/run/postfix-auth
LOG=$D/dovecot.log
C
cat "$D/env"
