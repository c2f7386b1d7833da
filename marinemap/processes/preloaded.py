"""What the server of forks loads once, so that each fork has it; see :mod:`.apart`."""

import django

django.setup()

# Only now: models need Django set up.
import marinemap.processes.estimate  # noqa: E402
import marinemap.processes.extract  # noqa: E402
import marinemap.processes.uploaded_area  # noqa: E402, F401
