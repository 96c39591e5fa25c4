package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/freshet-dev/freshet/sinks"
)

func TestAFullDiskIsNoUnreachableServer(t *testing.T) {
	for code, err := range map[int]error{
		exitFailed:      &os.PathError{Op: "write", Path: "/dev/full", Err: syscall.ENOSPC},
		exitUnreachable: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
	} {
		if p := problemOf(fmt.Errorf("append: %w", err)); p.code != code {
			t.Errorf("%v: exit %d, want %d", err, p.code, code)
		}
	}
}

// Whoever is refused by a store must not be told to start it.
func TestStoreProblemsSayWhatToDo(t *testing.T) {
	const away = "start it"
	for _, c := range []struct {
		err  error
		code int
		next string
	}{
		{&sinks.Fatal{Err: errors.New("WRONGPASS invalid username-password pair")}, exitFailed, "redis.password"},
		{fmt.Errorf("ping: %w", context.DeadlineExceeded), exitUnreachable, "rediss://"},
		{errors.New("connection refused"), exitUnreachable, away},
	} {
		p := problemOf(storeProblem(c.err, away))
		if p.code != c.code || !strings.Contains(p.next, c.next) {
			t.Errorf("%v: exit %d, next %q; want %d, %q", c.err, p.code, p.next, c.code, c.next)
		}
	}
}
