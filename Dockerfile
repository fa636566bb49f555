# Two stages: wheels are built from hashed requirements only, then copied into a bare image.
# Pin the base by digest in your own build:
#   docker build --build-arg BASE=python:3.13-slim-bookworm@sha256:... .
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# The commit's time (make image): what is compiled then says the hash of its source, not a time.
ARG SOURCE_DATE_EPOCH
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/vps-autoscaler
COPY requirements/run.txt requirements/run.txt
RUN /opt/vps-autoscaler/bin/python -m pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY externalgrpc externalgrpc
COPY providers providers
RUN /opt/vps-autoscaler/bin/python -m pip install --no-deps --no-build-isolation . \
 && /opt/vps-autoscaler/bin/python -m pip uninstall --yes pip setuptools \
 && /opt/vps-autoscaler/bin/vps-autoscaler --version

FROM ${BASE}
COPY --from=build /opt/vps-autoscaler /opt/vps-autoscaler
# Nothing is written: run it with a read-only root file system.
ENV PATH=/opt/vps-autoscaler/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["vps-autoscaler"]
# Plain text on loopback only: for an autoscaler in the same pod. Elsewhere say --listen with a unix
# socket or with --tls-*, and --metrics with the address that is scraped (docs/decisions/0016).
CMD ["serve", "--config", "/etc/vps-autoscaler/config.yaml", "--listen", "127.0.0.1:8086", "--metrics", "127.0.0.1:9090"]
