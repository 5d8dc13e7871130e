"""Addresses and zones in the tables of plug-ins."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from inbox_daemon.plugins import BaseUrl, PluginSettings, WebAddress, ZoneName


class Settings(PluginSettings):
    address: WebAddress = "https://a.example"
    base: BaseUrl = "https://a.example"
    zone: ZoneName = "UTC"


@pytest.mark.parametrize("value", ["https://a.example/x/?y=1", "http://127.0.0.1:8080", "https://[::1]/a/"])
def test_an_address_stays_as_it_was_given(value: str) -> None:
    assert Settings(address=value).address == value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        (" https://a.example/rt// ", "https://a.example/rt"),
    ],
)
def test_paths_are_put_behind_a_base(value: str, kept: str) -> None:
    assert Settings(base=value).base == kept


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "web address"),
        ("a.example", "web address"),
        ("ftp://a.example", "web address"),
        ("https://", "web address"),
        ("https:///x", "web address"),
        ("https://a.example/#x", "without #"),
        ("https://ana:sesamo@a.example", "user and password"),
        ("https://[::1", "Invalid"),
    ],
)
@pytest.mark.parametrize("key", ["address", "base"])
def test_what_is_no_address_is_refused(key: str, value: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate({key: value})


def test_a_base_has_no_query() -> None:
    with pytest.raises(ValidationError, match=r"without \?"):
        Settings(base="https://a.example/?x=1")


@pytest.mark.parametrize("value", ["", "Buenos Aires", "America", "../etc/passwd", "/etc/passwd", "UTC\0"])
def test_a_zone_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="time zone"):
        Settings(zone=value)


def test_a_zone_goes_by_its_name() -> None:
    assert Settings(zone="America/Argentina/Cordoba").zone == "America/Argentina/Cordoba"
