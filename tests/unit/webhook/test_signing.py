"""Signatures of Standard Webhooks, by the vector that the specification's own libraries are tested with."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from inbox_ticketing.webhook import signing

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"\x01" * 32).decode()
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KEYS = [signing.key_of(SECRET)]
HEADERS = {"webhook-id": ID, "webhook-timestamp": "1614265330", "webhook-signature": SIGNATURE}


def check(headers: dict[str, str], body: bytes = BODY, *, seconds: int = 0, keys: list[bytes] = KEYS) -> None:
    signing.verify(keys, headers, body, now=AT + timedelta(seconds=seconds), tolerance=timedelta(minutes=5))


def test_the_vector_of_the_specification() -> None:
    assert signing.signed_headers(KEYS, ID, AT, BODY) == HEADERS
    check(HEADERS)


def test_a_rotation_is_signed_twice_and_either_is_taken() -> None:
    both = [signing.key_of(OTHER), *KEYS]
    headers = signing.signed_headers(both, ID, AT, BODY)
    assert headers["webhook-signature"].split(" ")[1] == SIGNATURE
    for keys in ([both[0]], [both[1]], both):
        check(headers, keys=keys)
    check(HEADERS | {"webhook-signature": f"v1a,Zm9v v9,x {SIGNATURE}"})


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-id": "a.b"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": SIGNATURE.removeprefix("v1,")},
        {"webhook-signature": SIGNATURE.replace("v1,", "v1a,")},
        {"webhook-signature": SIGNATURE[:-1]},
        {"webhook-signature": "v1,ñ"},
    ],
)
def test_whatever_is_changed_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="sign"):
        check(HEADERS | changed)


def test_another_body_and_another_key_are_refused() -> None:
    with pytest.raises(ValueError, match="wrong"):
        check(HEADERS, BODY + b" ")
    with pytest.raises(ValueError, match="wrong"):
        check(HEADERS, keys=[signing.key_of(OTHER)])
    with pytest.raises(ValueError, match="wrong"):
        check(HEADERS, keys=[])


@pytest.mark.parametrize(("seconds", "fine"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_the_time_may_be_off_by_the_tolerance(seconds: int, fine: bool) -> None:
    if fine:
        check(HEADERS, seconds=seconds)
        return
    with pytest.raises(ValueError, match="too long ago"):
        check(HEADERS, seconds=seconds)


def test_many_signatures_cost_little() -> None:
    with pytest.raises(ValueError, match="wrong"):
        check(HEADERS | {"webhook-signature": "v1,x " * signing.MOST_SIGNATURES + SIGNATURE})


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8G",
        "whsec_no base64 no base64 no base64 no",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_ñMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64") as refused:
        signing.key_of(secret)
    assert not secret or secret not in str(refused.value).replace('"whsec_"', "")
