"""Turns references to secrets into secrets, and refuses secrets that stand in the configuration itself."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from inbox_daemon.plugins.settings import Secret
from inbox_daemon.settings.places import KeyPath
from inbox_daemon.settings.source import Source

REFERENCE = '{ credential = "name" }, { file = "/path" } or { env = "NAME" }'
MAX_SECRET_BYTES = 64 * 1024


class UnusableReference(Exception):
    """A reference that leads to no secret: the problem, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def resolve(
    value: Any, annotation: Any, source: Source, path: KeyPath, report: Callable[[KeyPath, str, str], None]
) -> Any:
    """A copy of `value` in which everything that `annotation` calls a `Secret` is one.

    What can't be resolved is reported as (path, problem, remedy); an empty secret holds its place.
    """
    inner = bare(annotation)
    if inner is Secret:
        try:
            return _secret(value, source, path)
        except UnusableReference as error:
            report(path, error.problem, error.remedy)
            return Secret("")
    if isinstance(value, Mapping):
        return {key: resolve(item, member(inner, key), source, (*path, key), report) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, member(inner, i), source, (*path, i), report) for i, item in enumerate(value)]
    return value


def member(annotation: Any, key: str | int) -> Any:
    """The type of one member of a type: a model's field, a mapping's value, a sequence's item; None when unknown."""
    inner = bare(annotation)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        for name, field in inner.model_fields.items():
            if key in {name, field.alias}:
                return field.annotation
        return None
    arguments = [argument for argument in get_args(inner) if argument is not Ellipsis]
    origin = get_origin(inner)
    if origin in {Union, UnionType}:
        return next((found for found in (member(a, key) for a in arguments) if found is not None), None)
    return arguments[-1] if origin and arguments else None


def link_secret(given: Secret | None, state_dir: Path) -> Secret:
    """The key that signs links: the configured one, else one made once and kept in `state_dir`. Raises OSError."""
    if given is not None:
        return given
    path = state_dir / "link-secret"
    if not path.exists():
        _keep_once(path, secrets.token_urlsafe(48))
    return Secret(path.read_text(encoding="ascii"))


def _keep_once(path: Path, value: str) -> None:
    """Write a whole file or none, also when power fails or two processes start at once: the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def bare(annotation: Any) -> Any:
    """`T` of `Annotated[T, …]`, `T | None` and both."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        some = [argument for argument in get_args(annotation) if argument is not type(None)]
        if len(some) == 1:
            return bare(some[0])
    return annotation


def _secret(value: object, source: Source, path: KeyPath) -> Secret:
    if isinstance(value, str) and path in source.variables:
        return Secret(_not_empty(value, "the variable"))
    if not isinstance(value, Mapping):
        raise UnusableReference(
            "the secret itself stands here",
            f"Take it out (and change it where others could read it); write {REFERENCE}.",
        )
    readers = {"credential": _credential, "file": _file, "env": _variable}
    if len(value) != 1 or next(iter(value)) not in readers:
        raise UnusableReference("this is not a reference to a secret", f"Write exactly one of {REFERENCE}.")
    [(way, name)] = value.items()
    if not isinstance(name, str) or not name:
        raise UnusableReference(f"{way} has to be a text", f"Write {REFERENCE}.")
    return Secret(readers[way](name, source))


def _credential(name: str, _: Source) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise UnusableReference(
            f'credential "{name}" was not handed over: $CREDENTIALS_DIRECTORY is not set',
            f'Add LoadCredential={name}:/path to the systemd unit, or write {{ file = "/path" }} without systemd.',
        )
    if "/" in name or name in {".", ".."}:
        raise UnusableReference("a credential's name has no slash", "Write the name given to LoadCredential=.")
    path = Path(folder) / name
    if not path.is_file():
        raise UnusableReference(
            f'there is no credential "{name}"', f"Add LoadCredential={name}:/path to the systemd unit and restart it."
        )
    return _content(path)


def _file(name: str, source: Source) -> str:
    path = source.file.parent / name
    handed_over = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UnusableReference(
            f"the secret's file {path} can't be reached: {error.strerror}", "Correct the path, or create the file."
        ) from None
    if not stat.S_ISREG(mode):
        raise UnusableReference(f"{path} is not a file", "Name a file that holds only the secret.")
    if mode & 0o077 and not (handed_over and path.resolve().is_relative_to(Path(handed_over).resolve())):
        raise UnusableReference(
            f"others may read the secret's file {path} (mode {mode & 0o777:04o})", f"Run: chmod 0600 {path}"
        )
    return _content(path)


def _variable(name: str, _: Source) -> str:
    value = os.environ.get(name)
    if value is None:
        raise UnusableReference(
            f"the environment variable {name} is not set", f"Set {name}, or write another of {REFERENCE}."
        )
    return _not_empty(value, f"the environment variable {name}")


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise UnusableReference(
            f"the secret's file {path} can't be read: {error.strerror}", "Make it belong to the service's user."
        ) from None
    except UnicodeDecodeError:
        raise UnusableReference(f"the secret's file {path} is not text", "Write the secret into it as text.") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise UnusableReference(f"the secret's file {path} is too large", "Name a file that holds only the secret.")
    return _not_empty(text.removesuffix("\n").removesuffix("\r"), f"the secret's file {path}")


def _not_empty(value: str, what: str) -> str:
    if not value.strip():
        raise UnusableReference(f"{what} is empty", "Write the secret into it.")
    return value
