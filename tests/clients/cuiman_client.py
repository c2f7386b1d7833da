"""List, describe, run and follow by cuiman: python cuiman_client.py ADDRESS; prints JSON."""

import json
import sys
import time

from cuiman import Client
from gavicore.models import JobStatus, ProcessRequest

ENDS = (JobStatus.successful, JobStatus.failed, JobStatus.dismissed)


def main(address: str) -> None:
    """Run an extract to its end, and cancel another."""
    client = Client(api_url=address)
    inputs = {"layers": ["reefs"], "area": [0, 40, 5, 45]}
    # Its results are read as JSON: a link in place of the zip.
    request = ProcessRequest(inputs=inputs, response="document")
    job = client.execute_process("extract", request)
    deadline = time.monotonic() + 180
    while client.get_job(job.jobID).status not in ENDS and time.monotonic() < deadline:
        time.sleep(0.1)
    other = client.execute_process("extract", request)
    told = {
        "processes": sorted(each.id for each in client.get_processes().processes),
        "inputs": sorted(client.get_process("extract").inputs),
        "status": client.get_job(job.jobID).status.value,
        "jobs": sorted(each.jobID for each in client.get_jobs().jobs),
        "made": [job.jobID, other.jobID],
        "results": client.get_job_results(job.jobID).model_dump(mode="json"),
        "dismissed": client.dismiss_job(other.jobID).status.value,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
