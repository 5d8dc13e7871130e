"""Broken configurations, each with one mistake: what has to be said about it."""

from __future__ import annotations

from dataclasses import dataclass

from unit.settings.right import SECRET


@dataclass(frozen=True)
class Broken:
    """`old` of the right configuration becomes `new`; without `old` it is added at the end.

    The line with `#!` in it is the one that has to be named, or `line` where no comment can stand.
    """

    name: str
    old: str
    new: str
    key: str
    remedy: str
    line: int = 0


CHANNEL_KIND = 'kind = "whatsapp"'
TARGET_KIND = 'kind = "request_tracker"'
QUEUE = 'queue = "Atencion"'
PUBLIC_URL = 'url = "https://mensajes.gobierno.test"'
TOKEN = 'token = { env = "TEST_TOKEN" }'
DEFAULT = 'default = "salud-rt"'
ROUTE = 'name = "salud"\ndestination = "salud-rt"\nkeywords = ["hospital"]'
WA, RT = "channels.whatsapp-centro", "destinations.salud-rt"

NOT_TOML = [
    Broken("quote missing", DEFAULT, 'default = "salud-rt #!', "default", "quotes"),
    Broken("equals sign missing", DEFAULT, "default salud-rt #!", "", "Correct the line"),
    Broken("table twice", "", "[public] #!\n", "[public]", "only once"),
    Broken("key twice", DEFAULT, 'default = "a"\ndefault = "b" #!', "default", "only once"),
    Broken("bracket open", "[routing]", "[routing #!", "[routing", "brackets"),
    Broken("not UTF-8", 'name = "salud"', 'name = "sal\udcfad" #!', "--config", "UTF-8"),
    Broken("bare word", CHANNEL_KIND, f"{CHANNEL_KIND}\nenabled = yes #!", "enabled", "quotes"),
    Broken("secret pasted on a line", TOKEN, f"S3{SECRET}== #!", "", "Correct the line"),
    Broken("secret without quotes", TOKEN, f"token = {SECRET} #!", "token", "quotes"),
]
NAMES = [
    Broken("unknown key", PUBLIC_URL, "lisen = 1 #!", "public.lisen", '"listen"'),
    Broken("unknown key far from all", PUBLIC_URL, "zzzz = 1 #!", "public.zzzz", "Known are"),
    Broken("unknown table", "", "[deamon] #!\n", "deamon", '"daemon"'),
    Broken("unknown key of a plug-in", QUEUE, f"{QUEUE}\nclosd = 1 #!", f"{RT}.closd", '"closed"'),
    Broken("core key misspelt", QUEUE, f"{QUEUE}\nenabld = false #!", f"{RT}.enabld", '"enabled"'),
    Broken("secret under a misspelt key", QUEUE, f'{QUEUE}\ntokn = "{SECRET}" #!', f"{RT}.tokn", '"token"'),
    Broken("unknown kind of channel", CHANNEL_KIND, 'kind = "whatsap" #!', f"{WA}.kind", '"whatsapp"'),
    Broken("unknown kind of destination", TARGET_KIND, 'kind = "sap" #!', f"{RT}.kind", "request_tracker"),
    Broken("kind missing", f"{TARGET_KIND}\n", "", f"{RT}.kind", "Add a line kind", line=11),
    Broken("kind not a text", TARGET_KIND, "kind = 5 #!", f"{RT}.kind", "quotes"),
    Broken(
        "name of an instance",
        "[destinations.salud-rt]",
        "[destinations.Salud_RT] #!",
        "destinations.Salud_RT",
        "small letters",
    ),
    Broken(
        "same name twice",
        "",
        f'[destinations.whatsapp-centro] #!\n{TARGET_KIND}\nurl = "https://a.test"\n{TOKEN}\naccount = "a"\n{QUEUE}\n',
        "destinations.whatsapp-centro",
        "another name",
    ),
]
ROUTING = [
    Broken("unknown default", DEFAULT, 'default = "salud" #!', "routing.default", '"salud-rt"'),
    Broken("default missing", f"{DEFAULT}\n", "", "routing.default", "Add a line default", line=18),
    Broken("routing missing", f"[routing]\n{DEFAULT}\n", "", "routing", "Add [routing]", line=1),
    Broken(
        "unknown target", ROUTE, ROUTE.replace("-rt", "-tr") + "\n#", "routes[1].destination", '"salud-rt"', line=23
    ),
    Broken("target missing", ROUTE, 'name = "salud"', "routes[1].destination", "Add a line destination", line=21),
    Broken("unknown kind", ROUTE, f'{ROUTE}\nchannels = ["email",\n  "fax"] #!', "routes[1].channels[2]", "whatsapp"),
    Broken("unknown channel", ROUTE, f'{ROUTE}\ninstances = ["whatsapp"] #!', "routes[1].instances[1]", "whatsapp-c"),
    Broken("bad pattern", ROUTE, f"{ROUTE}\npattern = '(a' #!", "routes[1].pattern", "single quotes"),
    Broken("endless pattern", ROUTE, f"{ROUTE}\npattern = '{'a' * 201}' #!", "routes[1].pattern", "Shorten"),
    Broken("costly pattern", ROUTE, f"{ROUTE}\npattern = '(\\w+ ?)+$' #!", "routes[1].pattern", "keywords"),
    Broken("empty keyword", ROUTE, ROUTE.replace("hospital", " ") + " #!", "routes[1].keywords[1]", "word"),
    Broken("keywords no list", ROUTE, ROUTE.replace('["hospital"]', '"hospital" #!'), "routes[1].keywords", "list"),
    Broken("unknown matter", ROUTE, f'{ROUTE}\nmatter = "queja" #!', "routes[1].matter", "denuncia"),
    Broken(
        "same rule twice",
        "",
        '[[routes]]\nname = "salud" #!\ndestination = "salud-rt"\n',
        "routes[2].name",
        "a name of its own",
    ),
    Broken(
        "target not enabled",
        QUEUE,
        f"{QUEUE}\nenabled = false",
        "routing.default",
        "Enable it",
        line=20,
    ),
]
VALUES = [
    Broken("listener without port", PUBLIC_URL, 'listen = "127.0.0.1" #!', "public.listen", "address:port"),
    Broken("port too high", PUBLIC_URL, 'listen = "127.0.0.1:80800" #!', "public.listen", "address:port"),
    Broken("same port twice", "", '[operations]\nlisten = "127.0.0.1:8080" #!\n', "operations.listen", "another port"),
    Broken("open operations", "", '[operations]\nlisten = "0.0.0.0:8081" #!\n', "operations.listen", "allow_remote"),
    Broken("no address outside", PUBLIC_URL, 'listen = "0.0.0.0:8080" #!', "public.listen", "url ="),
    Broken("http", PUBLIC_URL, 'url = "http://mensajes.gobierno.test" #!', "public.url", "https"),
    Broken("no web address", PUBLIC_URL, 'url = "mensajes.gobierno.test" #!', "public.url", "https://"),
    Broken("negative number", "", "[delivery]\ngive_up_days = -1 #!\n", "delivery.give_up_days", "more than 0"),
    Broken("not a number", "", '[delivery]\nsettle_seconds = "soon" #!\n', "delivery.settle_seconds", "number"),
    Broken("infinite", "", "[conversation]\nwindow_days = inf #!\n", "conversation.window_days", "ordinary number"),
    Broken("fraction", "", "[attachments]\nmax_per_message = 1.5 #!\n", "attachments.max_per_message", "whole number"),
    Broken("attempt too short", "", "[delivery]\nattempt_seconds = 2 #!\n", "delivery.attempt_seconds", "at least 10"),
    Broken("call outlasts attempt", QUEUE, f"{QUEUE}\ntimeout_seconds = 60 #!", f"{RT}.timeout_seconds", "shorter"),
    Broken(
        "pauses turned round",
        "",
        "[delivery]\nretry_first_seconds = 60 #!\nretry_max_seconds = 5\n",
        "delivery.retry_first_seconds",
        "at most",
    ),
    Broken("time zone", "", '[daemon]\ntimezone = "Chaco" #!\n', "daemon.timezone", "America/Argentina"),
    Broken("true as text", "", '[operations]\nallow_remote = "maybe" #!\n', "operations.allow_remote", "true or false"),
    Broken("number for a text", "", "[daemon]\nname = 5 #!\n", "daemon.name", "quotes"),
    Broken("language", "", '[daemon]\nlanguage = "es" #!\n', "daemon.language", "es-AR"),
    Broken("area with 0", "", '[daemon]\ndefault_area = "0362" #!\n', "daemon.default_area", "form"),
    Broken("a value for an optional table", "[public]", "smtp = 5 #!\n[public]", "smtp", "[smtp]"),
    Broken("a value for a table", "[public]", "attachments = 5 #!\n[public]", "attachments", "[attachments]"),
    Broken(
        "plug-in's own check", 'phone_number_id = "100000000000002"', "#", f"{WA}.phone_number_id", "sample", line=4
    ),
    Broken("on_unknown", QUEUE, f'{QUEUE}\non_unknown = "retry" #!', f"{RT}.on_unknown", '"park" or "resend"'),
    Broken("parallel", QUEUE, f"{QUEUE}\nparallel = 0 #!", f"{RT}.parallel", "at least 1"),
]
DATABASE = [
    Broken("unknown database", "", '[database]\nurl = "mysql://a@b/c" #!\n', "database.url", "sqlite:///"),
    Broken(
        "password in its address",
        "",
        f'[database]\nurl = "postgresql://a:{SECRET}@b/c" #!\n',
        "database.url",
        "credential",
    ),
    Broken("two slashes", "", '[database]\nurl = "sqlite://inbox.sqlite3" #!\n', "database.url", "sqlite:///"),
    Broken(
        "password for SQLite", "", '[database]\npassword = { env = "TEST_SECRET" } #!\n', "database.password", "Take it"
    ),
]
SECRETS = [
    Broken("literal secret", TOKEN, f'token = "{SECRET}" #!', f"{RT}.token", "credential"),
    Broken("literal password", "", f'[database]\npassword = "{SECRET}" #!\n', "database.password", "credential"),
    Broken("two ways", TOKEN, 'token = { env = "A", file = "b" } #!', f"{RT}.token", "exactly one"),
    Broken("unknown way", TOKEN, f'token = {{ value = "{SECRET}" }} #!', f"{RT}.token", "exactly one"),
    Broken("way not a text", TOKEN, "token = { env = 5 } #!", f"{RT}.token", "env"),
    Broken("variable not set", TOKEN, 'token = { env = "TEST_NOT_SET" } #!', f"{RT}.token", "TEST_NOT_SET"),
    Broken("empty variable", TOKEN, 'token = { env = "TEST_EMPTY" } #!', f"{RT}.token", "Write the secret"),
    Broken("no credentials here", TOKEN, 'token = { credential = "rt" } #!', f"{RT}.token", "LoadCredential=rt"),
    Broken("file not there", TOKEN, 'token = { file = "none" } #!', f"{RT}.token", "create the file"),
    Broken("file others read", TOKEN, 'token = { file = "open" } #!', f"{RT}.token", "chmod 0600"),
    Broken("empty file", TOKEN, 'token = { file = "empty" } #!', f"{RT}.token", "Write the secret"),
    Broken("folder", TOKEN, 'token = { file = "." } #!', f"{RT}.token", "only the secret"),
    Broken("secret missing", f"{TOKEN}\n", "", f"{RT}.token", "Add a line token", line=11),
    Broken(
        "password without user",
        "",
        '[smtp]\nhost = "a.test"\nfrom_address = "a@a.test"\npassword = { env = "TEST_SECRET" } #!\n',
        "smtp.password",
        "Add user",
    ),
    Broken(
        "address of the sender", "", '[smtp]\nhost = "a.test"\nfrom_address = "a" #!\n', "smtp.from_address", "form"
    ),
    Broken(
        "mail without a mail server",
        "[routing]",
        '[destinations.mesa]\nkind = "ticketbook"\noffice_name = "Mesa"\nmail_to = ["mesa@a.test"] #!\n[routing]',
        "destinations.mesa.mail_to",
        "[smtp]",
    ),
]
MENU = 'title = "Salud"\ndestination = "salud-rt"\nkeywords = ["turno"]'
OPTIONS = f"[triage]\nenabled = true\n[[triage.options]]\n{MENU}\n[[triage.options]]\n"
DIALOGUE = [
    Broken("closes before it opens", "", '[service]\ncloses = "06:00" #!\n', "service.closes", "later"),
    Broken("opens after it closes", "", '[service]\nopens = "18:00" #!\n', "service.opens", "later"),
    Broken("no time of day", "", '[service]\nopens = "6:30" #!\n', "service.opens", "form"),
    Broken("no minute after the last", "", '[service]\ncloses = "24:01" #!\n', "service.closes", "form"),
    Broken("day in Spanish", "", '[service]\ndays = ["mon",\n"mar"] #!\n', "service.days[2]", '"tue"'),
    Broken("never open", "", "[service]\ndays = [] #!\n", "service.days", "Name a day"),
    Broken(
        "day both open and closed",
        "",
        "[service]\nclosed_on = [2026-12-24]\nopen_on = [2026-12-24] #!\n",
        "service.open_on",
        "one of the two",
    ),
    Broken("no date", "", '[service]\nclosed_on = ["24/12"] #!\n', "service.closed_on[1]", "Write a date"),
    Broken("no such country", "", '[service]\ncountry = "ZZ" #!\n', "service.country", "3166"),
    Broken("country in small letters", "", '[service]\ncountry = "ar" #!\n', "service.country", "form"),
    Broken("no such province", "", '[service]\nprovince = "Charco" #!\n', "service.province", "Chaco"),
    Broken("calendar not there", "", '[service]\ncalendar = "none.ics" #!\n', "service.calendar", "Put the calendar"),
    Broken("no calendar", "", '[service]\ncalendar = "open" #!\n', "service.calendar", "iCalendar"),
    Broken("calendar is a folder", "", '[service]\ncalendar = "." #!\n', "service.calendar", ".ics"),
    Broken("no such text", "", '[notices.texts]\nacknowledgment = "x" #!\n', "notices.texts.acknowledgment", "acknowl"),
    Broken("place missing", "", '[notices.texts]\ndown = "Demora." #!\n', "notices.texts.down", "{case}"),
    Broken("place unknown", "", '[notices.texts]\nmenu_hint = "{case}" #!\n', "notices.texts.menu_hint", "none"),
    Broken("half a place", "", '[notices.texts]\ndown = "{case" #!\n', "notices.texts.down", "twice"),
    Broken("no text", "", "[notices.texts]\ndown = 5 #!\n", "notices.texts.down", "quotes"),
    Broken("menu without lines", "", "[triage]\nenabled = true #!\n", "triage.enabled", "triage.options"),
    Broken(
        "menu of one line",
        "",
        '[triage]\nenabled = true\noptions = [{title = "A", destination = "salud-rt"}] #!\n',
        "triage.options",
        "enabled = false",
    ),
    Broken(
        "line leads nowhere",
        "",
        f'{OPTIONS}title = "B"\ndestination = "salud" #!\n',
        "triage.options[2].destination",
        '"salud-rt"',
    ),
    Broken(
        "line without target", "", f'{OPTIONS}title = "B"\n', "triage.options[2].destination", "Add a line", line=31
    ),
    Broken(
        "same line twice",
        "",
        f'{OPTIONS}title = "SALUD" #!\ndestination = "salud-rt"\n',
        "triage.options[2].title",
        "its own title",
    ),
    Broken(
        "same word for two lines",
        "",
        f'{OPTIONS}title = "B"\ndestination = "salud-rt"\nkeywords = ["Turno"] #!\n',
        "triage.options[2].keywords[1]",
        "its own keyword",
    ),
    Broken(
        "line too long",
        "",
        f'{OPTIONS}destination = "salud-rt"\ntitle = "{"a" * 25}" #!\n',
        "triage.options[2].title",
        "Correct it",
    ),
    Broken("menu on no channel", "", '[triage]\nchannels = ["fax"] #!\n', "triage.channels[1]", "whatsapp"),
    Broken("refers to itself", QUEUE, f'{QUEUE}\nrefer_to = "salud-rt" #!', f"{RT}.refer_to", "Name another"),
    Broken("refers to nobody", QUEUE, f'{QUEUE}\nrefer_to = "salud" #!', f"{RT}.refer_to", '"salud-rt"'),
    Broken("unknown state", QUEUE, f'{QUEUE}\npublic_states = ["done"] #!', f"{RT}.public_states[1]", '"open"'),
    Broken("grace of days", "", "[answers]\ngrace_seconds = 1e6 #!\n", "answers.grace_seconds", "at most"),
    Broken("unknown report", "", '[answers]\nreport = ["all"] #!\n', "answers.report[1]", '"read"'),
    Broken("one hop", "", "[loops]\nmax_hops = 1 #!\n", "loops.max_hops", "at least 2"),
]
NOTHING_ENABLED = [
    Broken("no channel enabled", CHANNEL_KIND, f"{CHANNEL_KIND}\nenabled = false", "channels", "sample", line=4),
]
ALL = [*NOT_TOML, *NAMES, *ROUTING, *VALUES, *DATABASE, *SECRETS, *DIALOGUE, *NOTHING_ENABLED]
