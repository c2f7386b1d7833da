# syntax=docker/dockerfile:1
# One image for web server, worker and schedule; compose.yaml runs them. docs/how-to/containers.md.

FROM debian:bookworm-slim AS build
SHELL ["/bin/sh", "-eux", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates make python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/marinemap
# The libraries first: they change less often than the source.
COPY requirements.txt requirements-node.txt pyproject.toml Makefile ./
COPY scripts ./scripts
RUN make PYTHON=/usr/bin/python3 .venv/.ready
# What a site needs beyond, by commas: s3, redis. The libraries above stay as they are; of
# requirements.txt pip would ask hashes for all.
ARG MARINEMAP_EXTRAS=""
RUN .venv/bin/python scripts/extras.py "$MARINEMAP_EXTRAS" >/tmp/extras.txt \
    && if [ -s /tmp/extras.txt ]; then \
        .venv/bin/pip freeze >/tmp/kept.txt; \
        .venv/bin/pip install --no-cache-dir -c /tmp/kept.txt -r /tmp/extras.txt; fi
COPY . .
RUN make PYTHON=/usr/bin/python3 marinemap/web/static/marinemap/page.js \
    && rm -rf marinemap/web/node_modules \
    && .venv/bin/python -m compileall -q marinemap

FROM debian:bookworm-slim
SHELL ["/bin/sh", "-eux", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 marinemap \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/marinemap \
        --shell /usr/sbin/nologin marinemap \
    && install -d -m 750 -o marinemap -g marinemap /var/lib/marinemap
# Root's own, so that a fault in the site cannot change its code.
COPY --from=build /opt/marinemap /opt/marinemap
WORKDIR /opt/marinemap
ENV PATH=/opt/marinemap/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/marinemap \
    MARINEMAP_HOME=/var/lib/marinemap \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
VOLUME /var/lib/marinemap
# By its number, which orchestrators can tell from root's.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "containers/healthcheck.py", "web"]
ENTRYPOINT ["python", "manage.py"]
CMD ["web", "--host", "0.0.0.0", "--port", "8000"]
