# A scrip for Request Tracker 5 that tells inbox-daemon at once that a ticket changed.
#
# Put your own values into the three lines marked with "<-", and then, on the machine of Request Tracker:
#     rt-setup-database --action insert --datafile hint_scrip.pl      (Debian: rt-setup-database-5)
# Each run adds one more; it can be switched off and on under Admin -> Scrips. The web interface shows it to
# administrators with its secret, which therefore should serve for nothing else.
#
# Answers come without it, too, at the next look for them: where the hint can't be posted, the change in Request Tracker
# is saved all the same, after at most three seconds.

our @Scrips = ({
    Description            => 'Inbox hint',
    Queue                  => 'Atencion',    # <- as `queue`
    ScripCondition         => 'User Defined',
    ScripAction            => 'User Defined',
    Template               => 'Blank',
    Stage                  => 'TransactionCreate',
    CustomIsApplicableCode => q{
        return $self->TransactionObj->Type =~ /^(?:Correspond|Status)$/;
    },
    CustomPrepareCode => 'return 1;',
    CustomCommitCode  => q{
        my $url    = 'https://inbox.example/hooks/salud-rt';    # <- /hooks/ and the name of the destination
        my $secret = 'SECRET';                                  # <- as `hint_secret`
        require Digest::SHA;
        require LWP::UserAgent;
        my $body = '{"ticket": ' . $self->TicketObj->Id . '}';
        my $answer = LWP::UserAgent->new( timeout => 3 )->post(
            $url,
            'Content-Type'      => 'application/json',
            'X-Inbox-Signature' => 'sha256=' . Digest::SHA::hmac_sha256_hex( $body, $secret ),
            Content             => $body,
        );
        $RT::Logger->warning( 'Inbox hint: ' . $answer->status_line ) unless $answer->is_success;
        return 1;
    },
});
1;
