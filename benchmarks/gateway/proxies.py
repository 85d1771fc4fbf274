"""Starts what is compared: the adapter, LiteLLM's proxy and nginx, all in front of one upstream."""

import http.client
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.gateway.programs import running
from hoheit import environments
from hoheit.errors import HoheitError
from hoheit.progress import Progress

CHECKOUT = Path(__file__).resolve().parents[2]
MODELS = ("scripted-0", "scripted-20", "scripted-50")
_KEY = "sk-gateway-benchmark"
_START_S = 120
_NGINX = """\
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream engine {{
    server 127.0.0.1:{upstream};
    keepalive 1024;
    keepalive_requests 1000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 1000000;
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A running server, asked at `port` with `key`."""

    name: str
    process: psutil.Process
    port: int
    key: str = _KEY


Start = Callable[[Path, int, str], AbstractContextManager[Server]]


@contextmanager
def adapter(folder: Path, upstream: int, core: str) -> Iterator[Server]:
    """The adapter as `hoheit adapter` starts it, with its defaults but for room: one key asks a thousand times."""
    port = free_port()
    (folder / "hoheit.toml").write_text(
        f"[embedded]\nenabled = false\n\n[adapter]\nport = {port}\napi_key = {_KEY!r}\n\n"
        f"[[adapter.upstreams]]\nname = 'scripted'\ntrust = 'site'\nbase_url = 'http://127.0.0.1:{upstream}/v1'\n"
        "engine = 'vllm'\n\n[adapter.admission]\nmax_concurrent = 2000\n"
        "max_concurrent_per_user = 2000\n"
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOHEIT_")}
    environment = {"PYTHONPATH": str(CHECKOUT), **inherited, "HOHEIT_HOME": str(folder)}
    command = [sys.executable, "-m", "hoheit", "adapter"]
    with _started("adapter", command, folder, core, port, environment) as server:
        yield server


@contextmanager
def litellm(folder: Path, upstream: int, core: str) -> Iterator[Server]:
    """LiteLLM's proxy: one worker, no database, no retries, quiet, its model prices not downloaded."""
    port = free_port()
    program = _litellm_environment() / "bin" / "litellm"
    config = {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"openai/{model}",
                    "api_base": f"http://127.0.0.1:{upstream}/v1",
                    "api_key": "none",
                },
            }
            for model in MODELS
        ],
        "litellm_settings": {"telemetry": False, "num_retries": 0, "request_timeout": 600},
        "general_settings": {"master_key": _KEY},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # YAML contains JSON
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    command = [str(program), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--telemetry", "False"]
    with _started("LiteLLM", command, folder, core, port, environment) as server:
        yield server


@contextmanager
def passthrough(folder: Path, upstream: int, core: str) -> Iterator[Server]:
    """nginx without buffering: hardly anything can pass bytes on for less."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("nginx is missing: run scripts/nginx, or leave it out with --only.")
    port = free_port()
    user = "user root root;\n" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(user=user, folder=folder, upstream=upstream, port=port))
    command = [program, "-p", str(folder), "-e", "stderr", "-c", str(config)]
    with _started("nginx", command, folder, core, port, dict(os.environ)) as server:
        yield server


PROXIES: dict[str, Start] = {
    "adapter": adapter,
    "litellm": litellm,
    "passthrough": passthrough,
}


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _started(
    name: str,
    command: list[str],
    folder: Path,
    core: str,
    port: int,
    environment: Mapping[str, str],
) -> Iterator[Server]:
    log = folder / "log"
    with running(command, log, core, environment) as process:
        deadline = time.monotonic() + _START_S
        while not _lists_models(port):
            if time.monotonic() > deadline or process.status() == psutil.STATUS_ZOMBIE:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise SystemExit(f"{name} did not start:\n{tail}")
            time.sleep(0.1)
        yield Server(name, process, port)


def _lists_models(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {_KEY}"})
        return MODELS[-1].encode() in connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _litellm_environment() -> Path:
    """Its pinned environment, built at first use beside the project's others. Raises SystemExit."""
    root = Path(os.environ.get("HOHEIT_ENVIRONMENTS_DIR", CHECKOUT / ".environments"))
    try:
        return environments.ensure("litellm", root, Progress())
    except HoheitError as error:
        raise SystemExit(f"LiteLLM cannot be installed: {error}") from error
