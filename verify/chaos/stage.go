package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// stage is what all rows of a run share.
type stage struct {
	out     string // results, and what failures leave behind
	dir     string // of this run, removed at its end
	binary  string // freshet, built so that it can fail at will
	self    string // this program
	brokers string // of the real Kafka
	commit  string
	names   atomic.Int64
}

// openStage builds the binary and finds the servers.
func openStage(ctx context.Context, o options) (*stage, error) {
	s := &stage{out: o.out, brokers: os.Getenv("FRESHET_TEST_KAFKA"), commit: commitHash()}
	if s.brokers == "" {
		return nil, errors.New(`FRESHET_TEST_KAFKA is not set: scripts/services up, then eval "$(scripts/services env)"`)
	}
	var err error
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.out, 0o750); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "chaos"); err != nil {
		return nil, err
	}
	s.binary = filepath.Join(s.dir, "freshet")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "fault", "-overlay", o.plant, "-o", s.binary, "./cmd/freshet")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build, from the repository's root: %w\n%s", err, text)
	}
	return s, nil
}

func (s *stage) close() { _ = os.RemoveAll(s.dir) }

// name makes a name that no other run in the servers has.
func (s *stage) name(what string) string {
	return what + strconv.FormatInt(time.Now().UnixNano(), 36) + "x" + strconv.FormatInt(s.names.Add(1), 36)
}
