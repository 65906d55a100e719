# kube-proxy drives iptables, so it needs more than its own program.
ARG BASE
FROM ${BASE}
COPY kube-proxy /usr/local/bin/
