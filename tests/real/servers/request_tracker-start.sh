#!/bin/bash
# Request Tracker 5 (Debian) with REST2 on SQLite under DIRECTORY: a private instance, nothing of /etc is used.
# usage: request_tracker-start.sh DIRECTORY
# Seeded: queue Atencion with the ticket custom field InboxReference; queue Reservada, in which the service account
# has no rights, with the custom field Suelto; service account inbox; agent agente (token and rights).
# Outgoing mail is written to DIRECTORY/var/*.mbox.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: request_tracker-start.sh DIRECTORY}")
mta=(); [ -e /usr/sbin/sendmail ] || mta=(msmtp-mta) # the packages want some MTA; none is used
install "${mta[@]}" dbconfig-no-thanks request-tracker5 rt5-standalone rt5-db-sqlite
runs "$D/rt.pid" rt-server && exec cat "$D/env"

mkdir -p "$D"/{var,mason,session}
[ -s "$D/ports" ] || free_ports 1 >"$D/ports"
read -r PORT <"$D/ports"
cat >"$D/RT_SiteConfig.pm" <<C
\$RT::VarPath = '$D/var';
\$RT::MasonDataDir = '$D/mason';
\$RT::MasonSessionDir = '$D/session';
Set(\$rtname, 'chaco.test');
Set(\$Organization, 'chaco.test');
Set(\$CorrespondAddress, 'rt\@chaco.test');
Set(\$CommentAddress, 'rt-comentario\@chaco.test');
Set(\$WebDomain, '127.0.0.1');
Set(\$WebPort, $PORT);
Set(\$WebBaseURL, 'http://127.0.0.1:$PORT');
Set(\$DatabaseType, 'SQLite');
Set(\$DatabaseName, '$D/var/rt.sqlite');
Set(\$LogToSyslog, undef);
Set(\$LogToSTDERR, 'warning');
Set(\$Timezone, 'UTC');
Set(\$MailCommand, 'mbox');
Set(\$BcryptCost, 5); # tokens are hashed at every request: guessing need not be slow here, tests should not be
1;
C
export RT_SITE_CONFIG=$D/RT_SiteConfig.pm RT_SITE_CONFIG_DIR=/dev/null

seed() {
  rm -f "$D/var/rt.sqlite"
  rt-setup-database-5 --action init --skip-create
  cat >"$D/seed.pl" <<'C'
@Queues = (
    { Name => 'Atencion', CorrespondAddress => 'atencion@chaco.test' },
    { Name => 'Reservada' },
);
@CustomFields = map { { Name => $_->[0], Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', @{ $_->[1] } } }
    [ 'InboxReference', [ ApplyTo => 'Atencion' ] ], [ 'Suelto', [ ApplyTo => 'Reservada' ] ];
@Users = map { { Name => $_, EmailAddress => "$_\@chaco.test", RealName => ucfirst, Privileged => 1, Password => "$_-clave" } }
    qw(inbox agente);
my @service = qw(SeeQueue ShowTicket ShowTicketComments CreateTicket ReplyToTicket CommentOnTicket ModifyTicket
    SeeCustomField ModifyCustomField);
@ACL = (
    ( map { { UserId => 'inbox', Right => $_, Queue => 'Atencion' } } @service ),
    ( map { my $right = $_; map { { UserId => 'agente', Right => $right, Queue => $_ } } qw(Atencion Reservada) }
        @service, qw(OwnTicket DeleteTicket) ),
    ( map { { UserId => $_, Right => 'ManageAuthTokens' } } qw(inbox agente) ),
    { UserId => 'agente', Right => 'AdminUsers' },
    ( map { { GroupDomain => 'SystemInternal', GroupType => 'Everyone', Right => $_, Queue => 'Atencion' } }
        qw(CreateTicket ReplyToTicket) ),    # for the mail gate
);
@Final = ( sub {
    for my $name (qw(inbox agente)) {
        my $user = RT::User->new( RT->SystemUser );
        $user->Load($name);
        my ( $id, $message, $token )
            = RT::AuthToken->new( RT->SystemUser )->Create( Owner => $user->Id, Description => 'tests' );
        open my $file, '>', "$RT::VarPath/$name.token" or die $!;
        print $file "$token\n";
        close $file;
    }
} );
C
  rt-setup-database-5 --action insert --datafile "$D/seed.pl" --skip-create
}
if [ ! -e "$D/var/seeded" ]; then
  seed >"$D/setup.log" 2>&1 || { tail "$D/setup.log" >&2; exit 1; }
  [ -s "$D/var/inbox.token" ] && [ -s "$D/var/agente.token" ] || die "seeding made no tokens: $(tail "$D/setup.log")"
  touch "$D/var/seeded"
fi

setsid /usr/share/request-tracker5/libexec/rt-server --server Starlet --host 127.0.0.1 --port "$PORT" \
  --max-workers 3 >>"$D/rt.log" 2>&1 </dev/null &
echo $! >"$D/rt.pid"
answers() { # asked without the user's proxy settings
  python3 -c 'import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=20)' \
    "http://127.0.0.1:$PORT/NoAuth/css/print.css" 2>/dev/null
}
wait_port "$PORT" 60
answers || answers || { tail "$D/rt.log" >&2; die "Request Tracker does not answer"; }
cat >"$D/env" <<C
URL=http://127.0.0.1:$PORT
MAIL_GATE=http://127.0.0.1:$PORT/REST/1.0/NoAuth/mail-gateway
QUEUE=Atencion
CLOSED_QUEUE=Reservada
REFERENCE_FIELD=InboxReference
LOOSE_FIELD=Suelto
ACCOUNT=inbox
TOKEN=$(cat "$D/var/inbox.token")
AGENT=agente
AGENT_TOKEN=$(cat "$D/var/agente.token")
LOG=$D/rt.log
C
cat "$D/env"
