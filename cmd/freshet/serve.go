package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Bounds of the HTTP listener: a slow or idle client costs little.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
	stopTimeout   = time.Second
)

// listener serves metrics and health until it is stopped.
type listener struct {
	address string
	server  *http.Server
	done    chan struct{}
}

// listen opens the address before anything else runs, so that a taken port is
// found at once.
func listen(address string, handler http.Handler, log *slog.Logger) (*listener, error) {
	socket, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, failed(fmt.Errorf("metrics and health: %s is taken by another process", address),
			"--listen 127.0.0.1:0 takes a free port, --listen none serves nothing")
	}
	if err != nil {
		return nil, failed(fmt.Errorf("metrics and health: %w", err), "--listen HOST:PORT, or --listen none")
	}
	l := &listener{
		address: socket.Addr().String(),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
			MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)},
		done: make(chan struct{}),
	}
	go func() {
		defer close(l.done)
		if err := l.server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and health have stopped", "err", err)
		}
	}()
	return l, nil
}

func (l *listener) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close()
	}
	<-l.done
}
