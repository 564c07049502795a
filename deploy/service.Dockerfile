# syntax=docker/dockerfile:1.10
# One recipe for every service, from the repository's root:
#   docker build -f deploy/service.Dockerfile --build-arg SERVICE=cleaner -t camloop-cleaner .
# EXTRA=all adds every training back-end to the trainer (one is AGPL-3.0; EXTRA=temporal leaves it out), EXTRA=hands the hand
# keypoints to the evaluator. Behind a slow line: REGISTRY and UV_REGISTRY name
# mirrors of the images, PACKAGE_INDEX one of the Python packages (their digests are checked against uv.lock all the same),
# TORCH_INDEX an index with PyTorch for the CPU only, which spares 2 GB.
ARG REGISTRY=docker.io
ARG UV_REGISTRY=ghcr.io

FROM ${UV_REGISTRY}/astral-sh/uv:0.13.9-python3.12-bookworm-slim AS build
ARG SERVICE
ARG EXTRA=
ARG PACKAGE_INDEX=
ARG TORCH_INDEX=
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=0 VIRTUAL_ENV=/app/.venv
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /app
# The environment depends on these files only: a change of code leaves this layer, and the gigabytes in it, as they are.
# Not `uv sync`: a lock names the addresses of its files, and a mirror has others.
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=bind,source=README.md,target=README.md \
    --mount=type=bind,source=libs,target=libs \
    --mount=type=bind,source=services/${SERVICE}/pyproject.toml,target=services/${SERVICE}/pyproject.toml \
    uv venv "${VIRTUAL_ENV}"; \
    uv export --frozen --no-dev --no-emit-workspace --package "camloop-${SERVICE}" ${EXTRA:+--extra "${EXTRA}"} \
        --output-file /tmp/requirements.txt --quiet; \
    uv pip install --require-hashes ${PACKAGE_INDEX:+--default-index "${PACKAGE_INDEX}"} -r /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/uv \
    if [ -n "${TORCH_INDEX}" ]; then \
        sed -n 's/^\(torch\|torchvision\)==\([^ ;+]*\).*/\1==\2/p' /tmp/requirements.txt \
            | xargs uv pip install --reinstall --no-deps --default-index "${TORCH_INDEX}"; \
        uv pip list --format=freeze | sed -n 's/^\(nvidia-[a-z0-9-]*\|triton\)==.*/\1/p' | xargs -r uv pip uninstall; \
    fi

FROM ${REGISTRY}/library/python:3.12-slim-bookworm AS service
ARG SERVICE
LABEL org.opencontainers.image.title="camloop-${SERVICE}" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 camloop && useradd --uid 10001 --gid camloop --no-create-home --home-dir /data camloop \
    && install -d -o camloop -g camloop /data
WORKDIR /app
COPY --from=build /app/.venv /app/.venv
COPY libs/__init__.py libs/
COPY libs/common libs/common
COPY libs/vision libs/vision
COPY services/__init__.py services/
COPY services/${SERVICE} services/${SERVICE}
COPY deploy/workflows deploy/workflows
# ONNX Runtime and Ultralytics report to their makers and write into the home folder unless told not to.
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 ORT_DISABLE_TELEMETRY=1 \
    HOME=/data HTTP_HOST=0.0.0.0 SERVICE=${SERVICE}
USER 10001:10001
VOLUME /data
STOPSIGNAL SIGTERM
CMD ["/bin/sh", "-c", "exec python -m services.${SERVICE}"]

# The same, with the migrations of every service: runs once, before any of them starts.
FROM service AS migrate
COPY services services
CMD ["python", "-m", "libs.common.migrating"]

# What is built when no target is named.
FROM service
