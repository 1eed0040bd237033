# Images of bowline, for CPUs and for NVIDIA GPUs.
#
#   docker build --target cpu --tag bowline:cpu .
#   docker build --target cuda --tag bowline:cuda .                                   for an A40 and its kin
#   docker build --target cuda --build-arg CUDA_COMPUTE_CAP=90 --tag bowline:cuda .   for an H100
#
# Run them with `--read-only --tmpfs /tmp`, inputs mounted at /data, and a volume at /cache for what is fetched.
#
# Bases are pinned to a version; with access to a registry, digests can be added (`@sha256:…`). Builder and final image
# have the same C library. The build is not one of the whole workspace, which would bring the servers of tests along.
ARG RUST_VERSION=1.95.0
# GPUs' drivers have to know this version: kernels are kept as PTX of it, and compiled when the program starts.
ARG CUDA_VERSION=12.6.3

FROM docker.io/library/rust:${RUST_VERSION}-bookworm AS rust

FROM rust AS build-cpu
WORKDIR /src
COPY . .
RUN --mount=type=cache,id=bowline-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=bowline-target-cpu,target=/target \
    # The image has its own C library, whose loader knows packed addresses.
    CARGO_TARGET_DIR=/target BOWLINE_BUILD_PACKED=1 cargo build --release --locked --bin bowline \
    && scripts/image-root /target/release/bowline /image \
    && install -d /cache

FROM docker.io/nvidia/cuda:${CUDA_VERSION}-devel-ubuntu22.04 AS build-cuda
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:${PATH}
ARG CUDA_COMPUTE_CAP=86
WORKDIR /src
COPY . .
# The libraries alone, by the names that the program asks for: the runtime image of CUDA holds gigabytes of others.
RUN --mount=type=cache,id=bowline-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=bowline-target-cuda-${CUDA_COMPUTE_CAP},target=/target \
    CARGO_TARGET_DIR=/target CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP} \
    cargo build --release --locked --bin bowline --features cuda \
    && install -d /image/lib /cache \
    && strip --strip-debug -o /image/bowline /target/release/bowline \
    && ldd /image/bowline | grep -oE '/[^ ]*/lib(cublas|cublasLt|cudart|curand|nvrtc)\.so[^ ]*' | xargs cp --dereference --target-directory /image/lib \
    # NVRTC opens this one by its name when it compiles the fused kernels; `ldd` does not see it.
    && cp --dereference --target-directory /image/lib /usr/local/cuda/lib64/libnvrtc-builtins.so.*

FROM docker.io/nvidia/cuda:${CUDA_VERSION}-base-ubuntu22.04 AS cuda
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bowline" \
      org.opencontainers.image.description="Sweeps over LoRA merges, on NVIDIA GPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=rust /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build-cuda /image/lib /usr/local/lib
COPY --from=build-cuda /image/bowline /usr/local/bin/bowline
# A new folder, for only a new one gets the owner; a volume that is mounted there gets it too.
COPY --from=build-cuda --chown=65532:65532 /cache /cache
ENV HOME=/cache LD_LIBRARY_PATH=/usr/local/lib:/usr/local/nvidia/lib:/usr/local/nvidia/lib64
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["bowline"]

# The program, what it is linked with, certificates, and a user: no shell, no packages.
FROM scratch AS cpu
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bowline" \
      org.opencontainers.image.description="Sweeps over LoRA merges" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-cpu /image /
# A new folder, for only a new one gets the owner; a volume that is mounted there gets it too.
COPY --from=build-cpu --chown=65532:65532 /cache /cache
ENV HOME=/cache PATH=/usr/local/bin
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["bowline"]
