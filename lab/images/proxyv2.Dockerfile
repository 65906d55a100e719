# Istio's proxy image with upstream's Envoy; it is istio-init as well, hence iptables.
ARG BASE
FROM ${BASE}
RUN useradd -m --uid 1337 istio-proxy
WORKDIR /
COPY envoy_bootstrap.json /var/lib/istio/envoy/envoy_bootstrap_tmpl.json
COPY envoy pilot-agent /usr/local/bin/
ARG ENVOY_VERSION
ENV ISTIO_META_ISTIO_PROXY_SHA=envoy-${ENVOY_VERSION}
ENTRYPOINT ["/usr/local/bin/pilot-agent"]
