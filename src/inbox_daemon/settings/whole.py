"""The configuration as a whole: one table each, as validated as the core can."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from inbox_daemon.settings import dialogue, tables
from inbox_daemon.settings.places import KeyPath
from inbox_daemon.settings.source import PREFIX, Source
from inbox_daemon.settings.values import InstanceName


class Settings(BaseSettings):
    """Everything configured, validated as far as the core knows it; `registry.resolve` validates the plug-ins' part."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
        title="Configuration of inbox-daemon",
    )

    daemon: tables.Daemon = Field(default_factory=tables.Daemon)
    database: tables.Database = Field(default_factory=tables.Database)
    public: tables.Public = Field(default_factory=tables.Public)
    operations: tables.Operations = Field(default_factory=tables.Operations)
    delivery: tables.Delivery = Field(default_factory=tables.Delivery)
    conversation: tables.Conversation = Field(default_factory=tables.Conversation)
    attachments: tables.Attachments = Field(default_factory=tables.Attachments)
    answers: dialogue.Answers = Field(default_factory=dialogue.Answers)
    service: dialogue.Service = Field(default_factory=dialogue.Service)
    notices: dialogue.Notices = Field(default_factory=dialogue.Notices)
    triage: dialogue.Triage = Field(default_factory=dialogue.Triage)
    loops: dialogue.Loops = Field(default_factory=dialogue.Loops)
    smtp: tables.Smtp | None = None
    channels: dict[InstanceName, tables.ChannelTable] = {}
    destinations: dict[InstanceName, tables.DestinationTable] = {}
    routing: tables.Routing
    routes: tuple[tables.Route, ...] = ()

    _source: Source = PrivateAttr()
    _route_numbers: tuple[int, ...] = PrivateAttr(default=())

    @property
    def source(self) -> Source:
        """The reading these settings come from, for telling where something stands."""
        return self._source

    def route_path(self, position: int) -> KeyPath:
        """Where `routes[position]` stands in the file, where a faulty route may be before it."""
        return ("routes", self._route_numbers[position])

    @property
    def state_dir(self) -> Path:
        """The folder for everything that is kept, as an absolute path."""
        return self.daemon.state_dir.absolute()

    @property
    def database_url(self) -> str:
        """The database's address with an absolute path; without the password, which is `database.password`."""
        kind, _, rest = self.database.url.partition(":///")
        return f"sqlite:///{self.state_dir / rest}" if kind == "sqlite" else self.database.url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given: `examine` has merged file and environment, because secrets are resolved in the whole."""
        return (init_settings,)
