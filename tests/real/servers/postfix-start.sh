#!/bin/bash
# Postfix (Debian) under DIRECTORY: SMTP in, and submission (STARTTLS, AUTH by Dovecot), both on loopback.
# usage: postfix-start.sh DIRECTORY DOVECOT_DIRECTORY (that Dovecot must run).
# Mail to *@centro.test goes to Dovecot by LMTP, except desconocido*@centro.test: refused with 550 5.1.1 at RCPT.
# Nothing leaves the machine: *@rebota.test comes back as a DSN, *@demora.test stays queued, and everything else
# lands in the mailbox sumidero@centro.test.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: postfix-start.sh DIRECTORY DOVECOT_DIRECTORY}")
DOVECOT=$(realpath -m "${2:?usage: postfix-start.sh DIRECTORY DOVECOT_DIRECTORY}")
[ "$(id -u)" = 0 ] || die "Postfix changes users: run as root"
if ! dpkg-query -Wf '${Status}' postfix 2>/dev/null | grep -q 'ok installed'; then
  echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
fi
install postfix
runs "$D/spool/pid/master.pid" master && exec cat "$D/env"

setting() { sed -n "s|^$1=||p" "$DOVECOT/env"; }
LMTP=lmtp:inet:127.0.0.1:$(setting LMTP_PORT)
mkdir -p "$D"/{etc,spool,data}
chown postfix: "$D/data"
[ -s "$D/ports" ] || free_ports 2 >"$D/ports"
read -r SMTP SUBMISSION <"$D/ports"
printf 'if !/^desconocido/\n/@centro\.test$/ x\nendif\n' >"$D/etc/mailboxes"
printf 'if !/@(centro|rebota|demora)\.test$/\n/./ sumidero@centro.test\nendif\n' >"$D/etc/sink"
cat >"$D/etc/main.cf" <<C
compatibility_level = 3.6
queue_directory = $D/spool
data_directory = $D/data
maillog_file = $D/postfix.log
maillog_file_prefixes = $D
multi_instance_name = postfix-$(cksum <<<"$D" | cut -d' ' -f1)
multi_instance_enable = yes
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = correo.centro.test
mydestination =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = centro.test
virtual_mailbox_maps = regexp:$D/etc/mailboxes
virtual_transport = $LMTP
default_transport = $LMTP
transport_maps = inline:{{demora.test=lmtp:inet:127.0.0.1:9}}
virtual_alias_domains =
virtual_alias_maps = regexp:$D/etc/sink
alias_maps =
smtp_dns_support_level = disabled
lmtp_dns_support_level = disabled
message_size_limit = 62914560
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtpd_relay_restrictions = permit_mynetworks,permit_sasl_authenticated,reject
smtpd_tls_cert_file = $(setting CA_FILE)
smtpd_tls_key_file = $(setting CERTIFICATE_KEY)
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = $(setting SASL_SOCKET)
C
submission=(-o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes -o mynetworks=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject)
cat >"$D/etc/master.cf" <<C
127.0.0.1:$SMTP inet n - n - - smtpd
127.0.0.1:$SUBMISSION inet n - n - - smtpd ${submission[*]}
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
lmtp      unix  - - n - - lmtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
showq     unix  n - n - - showq
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
C
postfix -c "$D/etc" start >&2 || { tail "$D/postfix.log" >&2; exit 1; }
wait_port "$SMTP"
cat >"$D/env" <<C
HOST=127.0.0.1
SMTP_PORT=$SMTP
SUBMISSION_PORT=$SUBMISSION
DOMAIN=centro.test
SINK=sumidero@centro.test
CA_FILE=$(setting CA_FILE)
CONFIG_DIR=$D/etc
LOG=$D/postfix.log
C
cat "$D/env"
