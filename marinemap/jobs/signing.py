"""Sign what is posted, so that who gets it can tell whose it is (Standard Webhooks 1.0).

Each host has a secret of its own, made of the site's: who is told of jobs can speak for this site
to nobody else, and nothing has to be stored or sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from marinemap.jobs.conf import webhook_secrets

_PURPOSE = b"marinemap webhook "


def secrets_for(host: str) -> list[str]:
    """Return a host's secrets as its receiver is given them, that which stays first.

    While the site's secret is being changed there are several, and all sign.
    """
    return [f"whsec_{base64.b64encode(key).decode()}" for key in _keys_for(host)]


def sign(message_id: str, sent_at: int, body: bytes, host: str) -> dict[str, str]:
    """Return the headers of a signed message.

    Parameters
    ----------
    message_id : str
        The same each time that it is sent again.
    sent_at : int
        Seconds since 1970, of this sending: receivers refuse what is old.
    body : bytes
    host : str
        Whom it is sent to.
    """
    signed = b".".join((message_id.encode(), str(sent_at).encode(), body))
    signatures = [hmac.digest(key, signed, hashlib.sha256) for key in _keys_for(host)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(each).decode()}" for each in signatures
        ),
    }


def _keys_for(host: str) -> list[bytes]:
    name = _PURPOSE + host.lower().encode()
    return [hmac.digest(secret.encode(), name, hashlib.sha256) for secret in webhook_secrets()]
