# Debian's Prometheus, which has no discovery by Kubernetes; its files are where upstream's image has them.
ARG BASE
FROM ${BASE}
COPY prometheus /bin/
USER 65534:65534
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
