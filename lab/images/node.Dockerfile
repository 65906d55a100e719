# kind's node image: the files of kind's own base image over Debian, with Kubernetes built from source.
ARG BASE
FROM ${BASE}
COPY kind-base/ /
COPY kubelet kubeadm kubectl /usr/bin/
COPY 10-bridge.conflist /etc/cni/net.d/
RUN chmod 755 /kind /kind/bin /kind/bin/* /usr/local/bin/* \
 && ln -s /usr/bin/containerd /usr/bin/ctr /usr/local/bin/ \
 && mkdir -p /opt/cni /etc/kubernetes/manifests && ln -s /usr/lib/cni /opt/cni/bin \
 && find /lib/systemd/system/sysinit.target.wants/ -name "systemd-tmpfiles-setup.service" -delete \
 && rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* \
          /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sockets.target.wants/*udev* \
          /lib/systemd/system/sockets.target.wants/*initctl* /lib/systemd/system/basic.target.wants/* \
 && echo "ReadKMsg=no" >> /etc/systemd/journald.conf \
 # Limits and OOM scores that a machine without CAP_SYS_RESOURCE cannot grant.
 && sed -i -e '/^OOMScoreAdjust/d' -e '/^LimitNPROC/d' -e '/^LimitCORE/d' -e 's/^LimitNOFILE=.*/LimitNOFILE=65536/' \
        /etc/systemd/system/containerd.service \
 && sed -i -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' \
        /etc/containerd/config.toml \
 && systemctl enable kubelet.service containerd.service undo-mount-hacks.service \
 && systemctl mask systemd-binfmt.service
ARG PAUSE_TAG
RUN sed -i "s#pause:[0-9.]*#pause:${PAUSE_TAG}#" /etc/containerd/config.toml \
 && ctr oci spec \
    | jq '.hooks.createContainer[.hooks.createContainer| length] |= . + {"path": "/kind/bin/mount-product-files.sh"}' \
    | jq 'del(.process.rlimits)' > /etc/containerd/cri-base.json
ARG VERSION
RUN echo -n "${VERSION}" > /kind/version
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
