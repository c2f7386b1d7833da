"""Foreign files looked at apart: a process with no network, one folder and limits."""
