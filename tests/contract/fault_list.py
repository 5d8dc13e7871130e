"""What ticketing systems were seen to do wrong, and where each is played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

UNIT = "tests/unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """`scenarios` are titles of the suite; `own` are tests of single products, as FOLDER/FILE::FUNCTION below UNIT."""

    fault: str
    scenarios: Sequence[str] = ()
    own: Sequence[str] = ()


LIES = "a look up that lies is noticed by the check and makes nobodys ticket ours"
UNKNOWN = "an unknown reference is not found"
MISLED = "a misleading answer to a write makes no double"
MISLED_LOOK = "a misleading answer to a look up is no absence"
ONE = "one ticket stands after a fault"
ONE_ENTRY = "one entry stands after a fault"
NO_ABSENCE = "a failed look up is never an absence"
ANY = "a fault at any of the requests that a write takes leaves one"
LONG = "a thread of more than a hundred entries is told whole and in order"
MAIL_REFUSED = "a mail that was not taken is surely nothing done"
MAIL_UNCLEAR = "a mail without a last word is unclear and never told as sent"
MAILBOX = "a mailbox that fails at any command loses and doubles nothing"
FAULTS = (
    Listed(fault="a look-up that returns everything, or nothing", scenarios=(LIES, UNKNOWN)),
    Listed(
        fault="a wrong key answered with 200 and an empty list",
        scenarios=(MISLED, "a refused secret is credentials and is not told"),
        own=("redmine/test_answers.py::test_with_a_wrong_key_the_cursor_stays",),
    ),
    Listed(
        fault="a merge; merged tickets that vanish from the search",
        scenarios=("a merge is followed", "a merge of a merge is followed"),
    ),
    Listed(
        fault="success that changed nothing: a note of Redmine's, a state elsewhere, anything of a webhook's (its "
        "check tells). An entry that is answered with an id and not kept is played for none: it counts as written",
        own=(
            "redmine/test_adapter.py::test_a_note_that_was_taken_and_not_kept_stops",
            "redmine/test_adapter.py::test_a_state_that_the_workflow_leaves_out_is_told",
            "request_tracker/test_adapter.py::test_a_status_that_rt_refuses_is_told",
            "webhook/test_adapter.py::test_the_check_tells_each_breach",
            "glpi/test_adapter.py::test_a_state_that_did_not_change_is_told",
            "zammad/test_adapter.py::test_a_change_that_a_rule_undoes_is_told",
            "znuny/test_adapter.py::test_a_state_that_does_not_stay_is_refused",
            "open311/test_adapter.py::test_a_status_that_is_not_kept_is_told",
        ),
    ),
    Listed(fault="validation as 500", own=("osticket/test_osticket.py::test_each_answer_has_its_consequence",)),
    Listed(
        fault="short pages in mid-list, cut lists, paging",
        scenarios=(LONG,),
        own=(
            "webhook/test_adapter.py::test_a_long_thread_comes_whole_in_short_pages",
            "request_tracker/test_adapter.py::test_no_answer_is_lost_behind_many_or_hidden_rows",
            "open311/test_adapter.py::test_a_list_that_is_cut_is_asked_in_halves",
        ),
    ),
    Listed(
        fault="silent truncation; symbols dropped",
        scenarios=("words arrive whole", "any subject opens a ticket"),
        own=(
            "redmine/test_adapter.py::test_the_check_notices_what_redmine_passes_over",
            "open311/test_adapter.py::test_the_check_tells_each_fault",
            "osticket/test_osticket.py::test_characters_that_osticket_drops_stand_in_a_file",
            "osticket/test_osticket.py::test_as_installed_nothing_is_lost_in_silence",
            "glpi/test_answers.py::test_a_file_that_php_cut_off_is_not_taken_for_kept",
        ),
    ),
    Listed(
        fault="one accepted time format; clocks and zones that differ",
        scenarios=(
            "a clock of ours that is minutes wrong does no harm",
            "a clock of ours that is a day wrong does no harm",
            "times are told rightly whatever zone the machine and the citizen are in",
        ),
        own=("glpi/test_adapter.py::test_another_zone_is_read_rightly",),
    ),
    Listed(
        fault="unknown keys dropped without a word",
        scenarios=(LIES,),
        own=(
            "redmine/test_adapter.py::test_a_dropped_reference_closes_the_issue_and_parks_the_case",
            "glpi/test_adapter.py::test_a_reference_that_a_rule_dropped_puts_the_ticket_away",
            "webhook/test_adapter.py::test_the_check_tells_each_breach",
            "zammad/test_adapter.py::test_an_attribute_taken_away_does_not_look_like_not_there_yet",
            "request_tracker/test_adapter.py::test_a_field_taken_off_the_queue_does_not_look_like_not_there_yet",
        ),
    ),
    Listed(fault="200 with an error; the wrong content type", scenarios=(MISLED, MISLED_LOOK)),
    Listed(fault="404 after the write", scenarios=("404 to a write that was done makes no double",)),
    Listed(
        fault="a search that lags",
        own=("zammad/test_adapter.py::test_what_was_just_written_is_found_however_far_the_index_lags",),
    ),
    Listed(
        fault="a closed ticket, by either policy",
        scenarios=("a citizen reopens a closed ticket", "a closed ticket takes nothing where configured so"),
    ),
    Listed(fault="a rate limit", scenarios=("being asked to slow down is surely nothing done",)),
    Listed(
        fault="a session that expires",
        scenarios=("a session that ends in mid work costs and doubles nothing",),
        own=("znuny/test_adapter.py::test_an_ended_session_is_opened_again",),
    ),
    Listed(
        fault="an HTML login page, a truncated answer, garbage, 500, a reset, silence",
        scenarios=(ONE, ONE_ENTRY, NO_ABSENCE, "an entry that cannot be read is not taken for anything"),
    ),
    Listed(
        fault="each point at which a write can be hit, or its process die",
        scenarios=(
            ANY,
            "a fault at any of the requests of a write to a closed ticket leaves one",
            "a fault at any of the requests that a file takes leaves one",
            "a fault at any of the requests that a state takes is told and mended by another try",
            "who dies at any request is followed by one who finds what was done",
        ),
    ),
    Listed(fault="a double that is there already", scenarios=("a double is noticed", "opening twice is opening once")),
    Listed(
        fault="deletion",
        scenarios=("a deleted ticket takes nothing", "a deleted ticket has no public entry"),
    ),
    Listed(
        fault="odd characters",
        scenarios=("words arrive whole", "characters that no database keeps hide nothing"),
    ),
    Listed(
        fault="SMTP: refused before or after the content, 4xx, 5xx, dropped, silent",
        scenarios=(MAIL_REFUSED, MAIL_UNCLEAR, "a mail server that is not there is surely nothing done"),
    ),
    Listed(
        fault="IMAP: dropped, refused, silent at any command; the log-in refused",
        scenarios=(
            MAILBOX,
            "a mailbox that fails is never an absence",
            "a refused log in is credentials and is not told",
        ),
    ),
    Listed(
        fault="IMAP: half a mailbox; a folder made anew (UIDVALIDITY)",
        scenarios=(
            "half a mailbox is read again and loses no answer",
            "a folder that was made anew loses no answer and no case",
        ),
    ),
)
