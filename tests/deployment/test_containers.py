"""The image and the compose file, as far as no engine allows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deployment.dockerfile import Root, empty_debian, make_context, read_dockerfile
from tests.deployment.installation import PROJECT
from tests.postgresql import free_port
from tests.running_site import RunningSite, wait_for

STAGES = read_dockerfile(PROJECT / "Dockerfile")
IMAGE = STAGES[-1]
HEALTHCHECK = [sys.executable, "containers/healthcheck.py"]


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    return found


def test_dockerfile_keeps_the_rules() -> None:
    """Those of hadolint, with those of its shellcheck."""
    command = [Path(sys.executable).parent / "hadolint", PROJECT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_image_runs_as_nobody_who_may_change_it() -> None:
    uid, gid = IMAGE.last("USER").words.split(":")
    assert int(uid) >= 1000 and int(gid) >= 1000
    copies = [step.words for step in IMAGE.steps if step.name == "COPY"]
    # Nothing of it is given to that user, and the last word about the user comes after all of it.
    assert copies and not any("--chown" in words for words in copies)
    after = IMAGE.steps[IMAGE.steps.index(IMAGE.last("USER")) :]
    assert not {step.name for step in after} & {"RUN", "COPY", "ADD"}
    # Neither compilers nor the tools of the build are in it.
    assert not re.search(r"install .*\b(make|gcc|git|pip|venv)\b", IMAGE.last("RUN").words)


def test_image_has_what_it_is_made_of(tmp_path: Path) -> None:
    make_context(PROJECT, tmp_path)
    for step in STAGES[0].steps:
        if step.name == "COPY":
            *sources, _ = step.words.split()
            assert all((tmp_path / source).exists() for source in sources), step.words
    # No secret, no test, no home of a site goes into it.
    assert {path.name for path in tmp_path.iterdir()} <= {
        *("LICENSE", "Makefile", "containers", "manage.py", "marinemap", "scripts"),
        *("pyproject.toml", "requirements.txt", "requirements-node.txt"),
    }


def test_image_takes_the_extras_that_a_site_names(compose: dict[str, Any]) -> None:
    """Their names are those of pyproject.toml; one that there is not ends the build."""
    assert "MARINEMAP_EXTRAS" in compose["services"]["web"]["build"]["args"]
    found = {}
    for names in ("", "s3", "s3, redis", "s4"):
        command = [sys.executable, "scripts/extras.py", names]
        found[names] = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert found[""].stdout == "" and found[""].returncode == 0
    assert "boto3" in found["s3"].stdout and "redis" not in found["s3"].stdout
    assert "boto3" in found["s3, redis"].stdout and "\nredis" in found["s3, redis"].stdout
    # Hashes in what constrains them would be asked of them as well, which have none.
    steps = " ".join(step.words for step in STAGES[0].steps if step.name == "RUN")
    assert "-c requirements.txt" not in steps and "freeze" in steps
    assert found["s4"].returncode == 1 and "no extra 's4'" in found["s4"].stderr


def test_compose_file_keeps_to_its_specification(compose: dict[str, Any]) -> None:
    """By the schema that Debian's docker-compose brings, where that is installed."""
    schema = Path("/usr/lib/python3/dist-packages/compose/config/compose_spec.json")
    schema = Path(os.environ.get("COMPOSE_SCHEMA", schema))
    if not schema.exists():
        pytest.skip("needs the schema of the specification: apt-get install docker-compose")
    check = jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate
    check(compose)
    with pytest.raises(jsonschema.ValidationError):
        compose["services"]["web"] |= {"helthcheck": {}}
        check(compose)


def test_services_are_confined_and_wait_for_one_another(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"db", "migrate", "web", "worker", "beat"}
    for name in ("migrate", "web", "worker", "beat"):
        service = services[name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "privileged" not in service and "user" not in service, name
        assert service["depends_on"]["db"] == {"condition": "service_healthy"}
    for name in ("web", "worker", "beat"):
        made = services[name]["depends_on"]["migrate"]
        assert made == {"condition": "service_completed_successfully"}
    # Only this machine's own proxy reaches the site, and nobody outside the database.
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"] and "ports" not in services["db"]


def test_settings_of_the_compose_file_exist(compose: dict[str, Any]) -> None:
    named = set(compose["services"]["web"]["environment"]) | set(IMAGE.environment)
    documented = (PROJECT / "docs/reference/settings.md").read_text()
    ours = {name for name in named if re.match("MARINEMAP|DJANGO|DATABASE|CELERY", name)}
    assert ours and all(f"`{name}`" in documented for name in ours)


@pytest.mark.parametrize("service", ["migrate", "worker", "beat"])
def test_command_of_a_service_is_one_of_the_site(compose: dict[str, Any], service: str) -> None:
    command = compose["services"][service]["command"]
    more = ["--try"] if command[0] == "celeryd" else ["--help"]
    done = subprocess.run(
        [sys.executable, "manage.py", *command, *more], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site() -> Iterator[RunningSite]:
    with tempfile.TemporaryDirectory(prefix="marinemap-container-") as home:
        found = RunningSite(Path(home), DJANGO_ALLOWED_HOSTS=".maps.example.org,localhost")
        found.environment["MARINEMAP_HTTPS"] = "0"
        found.manage("migrate", "--verbosity", "0")
        yield found
        found.stop()


def check_health(site: RunningSite, *role: str) -> int:
    port = site.base.rpartition(":")[2]
    return subprocess.call(
        [*HEALTHCHECK, *role], cwd=PROJECT, env={**site.environment, "PORT": port}
    )


@pytest.mark.skipif("CONTAINER_STEPS" not in os.environ, reason="make containers: takes a minute")
def test_health_of_each_service_is_told(site: RunningSite, compose: dict[str, Any]) -> None:
    assert check_health(site, "web") != 0
    site.environment["DJANGO_ALLOWED_HOSTS"] = ".maps.example.org,127.0.0.1"
    site.start_web()
    assert check_health(site, "web") == 0
    _, *options = compose["services"]["beat"]["command"]
    site._start("beat", "manage.py", "celeryd", *options)
    wait_for(lambda: check_health(site, "worker", "beat") == 0, "that beat is well")
    wait_for(lambda: site.health()["beats"], "that beat follows the schedule")
    # It runs no extracts: jobs would wait for ever.
    assert site.health()["status"] == "no worker" and site.health()["workers"] == 0


@pytest.mark.skipif("CONTAINER_STEPS" not in os.environ, reason="make containers: takes minutes")
def test_steps_build_an_image_whose_web_server_answers() -> None:
    """Each RUN and COPY in an empty Debian, then the image's own command as its own user."""
    work = Path(os.environ["CONTAINER_STEPS"])
    context, archive = work / "context", work / "bookworm.tar"
    shutil.rmtree(context, ignore_errors=True)
    make_context(PROJECT, context)
    build, image = work / "build", work / "image"
    for folder in (build, image):
        shutil.rmtree(folder, ignore_errors=True)
    with empty_debian(build, archive):
        # With all that a site may add: what is left out needs no step of its own.
        Root(build, context, {}, {"MARINEMAP_EXTRAS": "s3,redis"}).take(STAGES[0])
        with empty_debian(image, archive):
            root = Root(image, context, {STAGES[0].name: build})
            root.take(IMAGE)
            _check_answers(image)


def _check_answers(image: Path) -> None:
    uid, gid = IMAGE.last("USER").words.split(":")
    port = str(free_port())
    environment = [f"{name}={value}" for name, value in IMAGE.environment.items()]
    enter = ["chroot", f"--userspec={uid}:{gid}", str(image)]
    enter += ["env", "-i", "-C", IMAGE.last("WORKDIR").words, *environment, f"PORT={port}"]
    manage = [*enter, *IMAGE.last("ENTRYPOINT").command]
    assert subprocess.call([*enter, "touch", "/opt/marinemap/x"], stderr=subprocess.DEVNULL) != 0
    subprocess.run([*enter, "python", "-c", "import boto3, redis, storages"], check=True)
    subprocess.run([*manage, "migrate", "--verbosity", "0"], check=True)
    serve = ["127.0.0.1" if word == "0.0.0.0" else word for word in IMAGE.last("CMD").command]
    serve[serve.index("8000")] = port
    process = subprocess.Popen([*manage, *serve])
    health = json.loads(re.sub(r".*CMD ", "", IMAGE.last("HEALTHCHECK").words))
    try:
        wait_for(lambda: subprocess.call([*enter, *health]) == 0, "a healthy web server")
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
        assert b"page" in page
    finally:
        process.terminate()
        process.wait(30)
