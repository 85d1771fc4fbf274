"""The image: built from pinned lists, without the site's data, and not run as root."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from compose_file import PARTS, REPOSITORY, SERVICES, SWARM

from hoheit.environments import ENVIRONMENTS, location

TEXT = (REPOSITORY / "Dockerfile").read_text("utf-8")
# Instructions with their continued lines joined and comments left out.
INSTRUCTIONS = re.sub(
    r"\s*\\\n\s*", " ", "\n".join(li for li in TEXT.splitlines() if not li.strip().startswith("#"))
).splitlines()


def stages() -> dict[str, list[str]]:
    """The instructions of each stage, by its name, in the order of the file."""
    found: dict[str, list[str]] = {}
    for line in INSTRUCTIONS:
        if line.startswith("FROM "):
            current = found.setdefault(line.rsplit(" AS ", 1)[1], [])
        elif found:
            current.append(line)
    return found


def instructions(name: str, stage: str | None = None) -> list[str]:
    lines = INSTRUCTIONS if stage is None else stages()[stage]
    return [line.split(" ", 1)[1] for line in lines if line.startswith(f"{name} ")]


def test_packages_come_from_the_locked_lists_only() -> None:
    installs = re.findall(r"pip install ([^&]+)", " && ".join(instructions("RUN")))

    assert len(installs) == 4
    for options in installs[:3]:
        assert "--require-hashes --no-deps" in options
        assert (REPOSITORY / options.split("-r ")[1].strip()).is_file()
    assert installs[3].split() == ["--no-index", "--no-deps", "--no-build-isolation", "."]


def test_base_image_is_a_pinned_slim_python_that_the_project_supports() -> None:
    assert instructions("ARG")[0] == "PYTHON=python:3.11.14-slim-bookworm"
    assert instructions("FROM") == [
        "${PYTHON} AS build",
        "${PYTHON} AS swarm-environment",
        "${PYTHON} AS runtime",
        "runtime AS swarm",
        "runtime AS hoheit",
    ]


def test_each_service_is_built_from_the_stage_of_its_image() -> None:
    built = {name: service["build"] for name, service in SERVICES.items() if "build" in service}

    for name, build in built.items():
        assert build["target"] == ("swarm" if name in SWARM else "hoheit"), name
        image = SERVICES[name]["image"]
        assert image.startswith("hoheit-swarm:" if name in SWARM else "hoheit:"), name
        # What a build may be told is what its stages ask for.
        assert {f"{key}=" for key in build.get("args", {})} <= set(instructions("ARG")), name
    # A build without a target makes the last stage: the image without the swarm's environment.
    assert list(stages())[-1] == "hoheit"


@pytest.mark.parametrize("stage", ["hoheit", "swarm"])
def test_image_runs_as_the_user_that_compose_names(stage: str) -> None:
    assert instructions("USER", stage) == ["10001:10001"]
    assert {service["user"] for service in SERVICES.values() if "build" in service} == {
        "10001:10001"
    }
    assert instructions("ENTRYPOINT", "runtime") == ['["hoheit"]']


def test_image_exposes_the_ports_of_its_parts() -> None:
    assert instructions("EXPOSE", "hoheit") == [" ".join(map(str, PARTS.values()))]
    assert instructions("EXPOSE", "swarm") == ["8086 8090"]


def test_swarm_environment_is_roots_own_and_found_by_the_installed_package() -> None:
    (folder,) = [
        line.split("=")[1]
        for line in instructions("ENV", "swarm")
        if line.startswith("HOHEIT_ENVIRONMENTS_DIR=")
    ]
    copies = instructions("COPY", "swarm")

    assert f"--from=swarm-environment {folder} {folder}" in copies
    assert f"--from=swarm-environment /src/environments {folder}/lists" in copies
    assert not any("--chown" in line or "--chmod" in line for line in copies)
    (link,) = instructions("RUN", "swarm")
    assert link.startswith(f"ln -s {folder}/lists ")
    assert f"isolated petals {folder}" in " ".join(instructions("RUN", "swarm-environment"))
    # No mount hides it.
    for name in SWARM:
        mounts = SERVICES[name]["volumes"]
        targets = [m["target"] if isinstance(m, dict) else m.split(":")[1] for m in mounts]
        assert not any(f"{folder}/".startswith(f"{target}/") for target in targets)


def test_swarm_environment_needs_no_more_than_its_stage_copies(tmp_path: Path) -> None:
    for line in instructions("COPY", "swarm-environment"):
        *sources, target = line.split()
        (tmp_path / target).mkdir(parents=True, exist_ok=True)
        for source in sources:
            shutil.copy(REPOSITORY / source, tmp_path / target)

    # -S: without the packages of this environment, as in the bare image.
    told = subprocess.run(
        [sys.executable, "-S", "-m", "hoheit.environments", "where", "petals", "/environments"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert told.stdout.strip() == str(location("petals", Path("/environments"))), told.stderr
    lists = {f"{name}.txt" for name in ("pip", *ENVIRONMENTS["petals"])}
    assert {file.name for file in (tmp_path / "environments").iterdir()} == lists


def test_every_copied_path_exists_and_passes_dockerignore() -> None:
    sources = {
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    ignore = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}

    assert {source for source in sources if not within(source, sources)} == let_in
    assert [source for source in sources if not (REPOSITORY / source).exists()] == []
    assert next(line for line in ignore if not line.startswith("#")) == "*"


def within(path: str, folders: set[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def test_volumes_are_first_mounted_where_the_image_has_a_folder_of_that_user() -> None:
    made = re.search(
        r"install -d -o 10001 -g 10001 -m 0700 ([^&]+)", " ".join(instructions("RUN", "runtime"))
    )
    assert made

    mounted = {
        mount.split(":")[1]
        for name in ("volumes", "engine-volumes")
        for mount in SERVICES[name]["volumes"]
    }
    assert set(made[1].split()) == mounted
