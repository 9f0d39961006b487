# One image with the one binary: `chatify` alone serves everything, `chatify node | auth | mailer` one role. The last stage
# holds the program, the C library that it is linked with, certificates and nothing else: no shell, nobody to become.
# Alone it writes below /data, where a volume belongs; a role of a cluster writes nothing: the root may be read-only.

FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN --mount=type=cache,target=/cache/npm npm_config_cache=/cache/npm npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY node node
COPY auth auth
COPY mailer mailer
COPY loadtest loadtest
COPY src src
COPY docs docs
COPY --from=web /src/web/dist web/dist
# Compiled dependencies stay in the cache of the builder; what is wanted is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p chatify && cp target/release/chatify /usr/local/bin/chatify
COPY ops/image-root.sh ops/image-root.sh
RUN ops/image-root.sh /usr/local/bin/chatify /image

FROM scratch
COPY --from=build /image /
# The embedded database's place, owned by whom the program runs as.
COPY --from=build --chown=65532:65532 /image/data /data
# Loopback would be of no use in here. The ports are published by whoever runs it; 9090 is the operator's, never the internet's.
ENV CHATIFY_LISTEN=0.0.0.0:8080 CHATIFY_ADMIN_LISTEN=0.0.0.0:9090 CHATIFY_DATA=/data CHATIFY_LOG_FORMAT=json
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/chatify"]
