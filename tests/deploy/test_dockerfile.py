"""The image: built from pinned lists, without the site's data, and not run as root."""

import re

from compose_file import REPOSITORY, SERVICES

TEXT = (REPOSITORY / "Dockerfile").read_text("utf-8")
# Instructions with their continued lines joined and comments left out.
INSTRUCTIONS = re.sub(
    r"\s*\\\n\s*", " ", "\n".join(li for li in TEXT.splitlines() if not li.strip().startswith("#"))
).splitlines()


def instructions(name: str) -> list[str]:
    return [line.split(" ", 1)[1] for line in INSTRUCTIONS if line.startswith(f"{name} ")]


def test_packages_come_from_the_locked_lists_only() -> None:
    installs = re.findall(r"pip install ([^&]+)", " && ".join(instructions("RUN")))

    assert len(installs) == 4
    for options in installs[:3]:
        assert "--require-hashes --no-deps" in options
        assert (REPOSITORY / options.split("-r ")[1].strip()).is_file()
    assert installs[3].split() == ["--no-index", "--no-deps", "--no-build-isolation", "."]


def test_base_image_is_a_pinned_slim_python_that_the_project_supports() -> None:
    assert instructions("ARG") == ["PYTHON=python:3.11.14-slim-bookworm"]
    assert instructions("FROM") == ["${PYTHON} AS build", "${PYTHON}"]


def test_image_runs_as_the_user_that_compose_names() -> None:
    (user,) = instructions("USER")

    assert user == "10001:10001"
    assert {service["user"] for service in SERVICES.values() if "build" in service} == {user}
    assert instructions("ENTRYPOINT") == ['["hoheit"]']


def test_every_copied_path_exists_and_passes_dockerignore() -> None:
    sources = {
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    ignore = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}

    assert sources == let_in
    assert [source for source in sources if not (REPOSITORY / source).exists()] == []
    assert next(line for line in ignore if not line.startswith("#")) == "*"


def test_volumes_are_first_mounted_where_the_image_has_a_folder_of_that_user() -> None:
    made = re.search(r"install -d -o 10001 -g 10001 -m 0700 ([^&]+)", " ".join(instructions("RUN")))
    assert made

    mounted = {
        mount.split(":")[1]
        for name in ("volumes", "engine-volumes")
        for mount in SERVICES[name]["volumes"]
    }
    assert set(made[1].split()) == mounted
