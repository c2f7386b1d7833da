"""How jobs go, told as it happens: server-sent events (WHATWG HTML, 9.2)."""
