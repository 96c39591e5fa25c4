package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/freshet-dev/freshet/verify/tail"
)

// process is one run of a program.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *tail.Buffer
	done chan struct{}
}

// spawn starts a program. It dies with ctx at the latest. With an error comes a
// process that has ended.
func spawn(ctx context.Context, name string, env []string, program string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.CommandContext(ctx, program, args...), log: &tail.Buffer{Limit: 6 << 10}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		close(p.done)
		return p, fmt.Errorf("%w: start %s: %w", errUnfit, name, err)
	}
	go func() {
		_ = p.cmd.Wait() // its state says how it ended
		close(p.done)
	}()
	return p, nil
}

func (p *process) signal(s syscall.Signal) {
	if p.cmd.Process != nil { // it has started
		_ = p.cmd.Process.Signal(s)
	}
}

// kill ends it at once and waits until it is gone, frozen or not.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// code is the exit code, -1 for a signal; of a process that has ended.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// wait waits for the end.
func (p *process) wait(ctx context.Context, limit time.Duration) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit):
		return fmt.Errorf("%s did not end within %v; the last of what it said:\n%s", p.name, limit, p.log)
	}
}

// frozen reports whether it is stopped by a signal.
func (p *process) frozen() bool {
	if p.ended() {
		return false
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(raw, []byte(") "))
	return ok && len(rest) > 0 && rest[0] == 'T'
}

// pause waits; false: ctx is done.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// every is how often a condition is looked at.
const every = 20 * time.Millisecond

// until waits for a condition. It is an error when the limit or ctx ends first,
// or one of the processes does.
func until(ctx context.Context, limit time.Duration, what string, condition func() (bool, error), alive ...*process) error {
	deadline := time.Now().Add(limit)
	for {
		ok, err := condition()
		if err != nil || ok {
			return err
		}
		for _, p := range alive {
			if p.ended() {
				return &diedError{p, what}
			}
		}
		if time.Now().After(deadline) {
			text := ""
			for _, p := range alive {
				text += fmt.Sprintf("\nthe last of what %s said:\n%s", p.name, p.log)
			}
			return fmt.Errorf("%s: not within %v%s", what, limit, text)
		}
		if !pause(ctx, every) {
			return ctx.Err()
		}
	}
}

// diedError says that a process ended where it should not have.
type diedError struct {
	p    *process
	what string
}

func (e *diedError) Error() string {
	return fmt.Sprintf("%s ended with %d before this: %s; the last of what it said:\n%s", e.p.name, e.p.code(), e.what, e.p.log)
}

// freePort is one that nobody listens on at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// active asks an instance whether it owns everything and is ready.
func (i *instance) active(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", i.port), http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return err == nil && response.StatusCode == http.StatusOK && bytes.Contains(said, []byte("active"))
}

// metric is a metric with its labels, or without them the sum over them; -1: it
// does not answer.
func (i *instance) metric(ctx context.Context, name string) float64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", i.port), http.NoBody)
	if err != nil {
		return -1
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return -1
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		labelled, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if metric, _, _ := strings.Cut(labelled, "{"); !ok || metric != name && labelled != name {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			sum += n
		}
	}
	return sum
}
