# A static binary on an image without a shell, as a user without rights.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=${VERSION}" -o /freshet ./cmd/freshet

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /freshet /freshet
USER 65532:65532
ENTRYPOINT ["/freshet"]
CMD ["help"]
