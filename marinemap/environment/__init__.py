"""Read the settings of a site from its environment, with errors that name the variable."""

from marinemap.environment.machine import (
    check_writable,
    read_home,
    read_time_zone,
)
from marinemap.environment.mail import read_encryption, read_mail_server, read_sender
from marinemap.environment.storage import read_storage
from marinemap.environment.values import (
    FOLDER,
    HOST,
    ORIGIN,
    TRUSTED_ORIGIN,
    Shape,
    read_addresses,
    read_choice,
    read_count,
    read_dsn,
    read_flag,
    read_hosts,
    read_layer,
    read_list,
    read_number,
    read_rate,
    read_secrets,
    read_token,
    read_uri,
    read_uris,
    read_words,
)
from marinemap.environment.variables import (
    known_variables,
    read_text,
    refuse_unknown,
)

__all__ = [
    "FOLDER",
    "HOST",
    "ORIGIN",
    "TRUSTED_ORIGIN",
    "Shape",
    "check_writable",
    "known_variables",
    "read_addresses",
    "read_choice",
    "read_count",
    "read_dsn",
    "read_encryption",
    "read_flag",
    "read_layer",
    "read_home",
    "read_hosts",
    "read_list",
    "read_mail_server",
    "read_number",
    "read_rate",
    "read_secrets",
    "read_sender",
    "read_storage",
    "read_text",
    "read_time_zone",
    "read_token",
    "read_uri",
    "read_uris",
    "read_words",
    "refuse_unknown",
]
