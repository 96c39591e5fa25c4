package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/verify/tail"
)

// build makes the binary that is on trial.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "freshet")
	out, err := exec.Command("go", "build", "-o", binary, "../../cmd/freshet").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// process is one run of the binary.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *tail.Buffer
	done chan struct{}
	err  error
}

func start(t *testing.T, name, binary string, env []string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(binary, args...), log: &tail.Buffer{Limit: 256 << 10}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		if t.Failed() {
			t.Logf("the last of what %s said:\n%s", p.name, p.log.String())
		}
	})
	return p
}

func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %v to %s: %v", sig, p.name, err)
	}
}

// wait returns the exit code, -1 for a signal.
func (p *process) wait(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("%s did not end within %v", p.name, limit)
		return 0
	}
}

// until polls a condition; it fails the test when the process ends first.
func (p *process) until(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if condition() {
			return
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended (%v) before %s", p.name, p.err, what)
		case <-deadline:
			// What it waits for is in its goroutines, which it prints as it dies.
			p.signal(t, syscall.SIGQUIT)
			p.wait(t, 10*time.Second)
			t.Fatalf("%s: %s did not happen within %v", p.name, what, limit)
		case <-tick.C:
		}
	}
}
