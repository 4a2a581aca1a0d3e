# The command as a static binary in an image of its own: no shell, no root, nothing that need be written.
#
#   docker build -t joule .
#   docker run --rm --read-only -v "$PWD/runs:/runs:ro" -e JOULE_TOKEN -p 8080:8080 joule serve /runs/mnist --listen :8080
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /joule ./cmd/joule

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /joule /joule
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/joule"]
CMD ["--help"]
