"""One request and its whole life: submit, queue, run, progress, finish, expire."""
