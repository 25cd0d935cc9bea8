# The page, the binary, and a small image with both in one file.
FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY events/testdata /src/events/testdata
COPY web/ ./
RUN npm run build

FROM golang:1.26-bookworm AS bin
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/web/dist web/dist
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /partyline ./cmd/partyline

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/partyline --create-home partyline
COPY --from=bin /partyline /usr/local/bin/partyline
USER partyline
WORKDIR /var/lib/partyline
VOLUME /var/lib/partyline
ENV PARTYLINE_DATA_DIR=/var/lib/partyline/data \
    PARTYLINE_HTTP_ADDR=0.0.0.0:8000 \
    PARTYLINE_WS_ADDR=0.0.0.0:8001
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["partyline", "status"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["partyline"]
CMD ["serve"]
