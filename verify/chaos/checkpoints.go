package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// saving are the settings of an instance that writes checkpoints all the time.
func saving(dir string) []string {
	return []string{"FRESHET_STATE_DIR=" + dir, "FRESHET_CHECKPOINT_INTERVAL=1s"}
}

// corruptions damage whole checkpoints and require that each damage is found
// and the one before is taken. The trials are the package's own: in the process,
// thousands in seconds.
func corruptions(t *trials) error {
	test := exec.CommandContext(t.ctx, "go", "test", "-count=1", "-v", "-run", "^TestDamageIsFoundAndTheOneBeforeTaken$", "./pipeline/checkpoint")
	test.Env = append(os.Environ(), "FRESHET_CORRUPTIONS="+strconv.Itoa(t.n), "FRESHET_LONG=1")
	out, err := test.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestDamageIsFoundAndTheOneBeforeTaken") {
		t.fail("%v\n%s", err, out)
		return nil
	}
	t.done = t.n
	return nil
}

// damage flips a byte of some file of a folder of checkpoints.
func (t *trials) damage(dir string) error {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	if err != nil || len(files) == 0 {
		return err
	}
	path := files[t.rng.IntN(len(files))]
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) == 0 {
		return err
	}
	raw[t.rng.IntN(len(raw))] ^= 1 << t.rng.IntN(8)
	t.counts["files_damaged"]++
	return os.WriteFile(path, raw, 0o600)
}

// disks take the disk away from under the checkpoints: full, without inodes,
// read-only, with fsync that fails. The stream goes on, the failure is counted,
// and when the disk is well again a checkpoint is written, from which a killed
// process goes on.
func disks(t *trials) error {
	kinds := []string{"full", "inodes", "readonly", "fsync"}
	for t.done < t.n {
		kind := kinds[t.done%len(kinds)]
		if err := t.onHistory("kfake", shape{seed: t.seed + uint64(t.done), cards: 3000, users: 2000, rate: 20}, func(h *history) error {
			return t.onDisk(h, kind)
		}); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		t.counts[kind]++
		t.done++
	}
	return nil
}

// mount makes a small disk of its own.
func (t *trials) mount(options string) (dir string, remount func(string) error, unmount func(), err error) {
	if dir, err = os.MkdirTemp(t.stage.dir, "disk"); err != nil {
		return
	}
	run := func(args ...string) error {
		if out, err := exec.CommandContext(t.ctx, "mount", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: mount (as root?): %w: %s", errUnfit, err, out)
		}
		return nil
	}
	err = run("-t", "tmpfs", "-o", options, "chaos", dir)
	remount = func(options string) error { return run("-o", "remount,"+options, dir) }
	unmount = func() { _ = exec.Command("umount", "-l", dir).Run() } // #nosec G204: our own folder
	return
}

func (t *trials) onDisk(h *history, kind string) error {
	dir, remount, unmount, err := t.mount("size=200m,nr_inodes=4000")
	if err != nil {
		return err
	}
	defer unmount()
	if err := h.produce(t.ctx, 4000); err != nil {
		return err
	}
	h.env = append(h.env, saving(filepath.Join(dir, "state"))...)
	p, err := h.run(t.ctx, "one", "")
	if err != nil {
		return err
	}
	defer func() { p.kill() }()
	saved := func(more float64) error {
		before := max(p.metric(t.ctx, "freshet_checkpoints_total"), 0) // it has perhaps just started
		return until(t.ctx, time.Minute, "a checkpoint is whole", func() (bool, error) {
			return p.metric(t.ctx, "freshet_checkpoints_total") >= before+more, nil
		}, p.process)
	}
	if err := saved(1); err != nil {
		return err
	}
	stop := h.feed(t.ctx, 100)
	defer func() { _ = stop() }()
	heal, err := t.breakDisk(p, dir, kind, remount)
	if err != nil {
		return err
	}
	failures := p.metric(t.ctx, "freshet_checkpoint_failures_total")
	if err := until(t.ctx, time.Minute, "the failure is counted", func() (bool, error) {
		return p.metric(t.ctx, "freshet_checkpoint_failures_total") > failures, nil
	}, p.process); err != nil {
		return err
	}
	if err := heal(); err != nil {
		return err
	}
	if err := saved(2); err != nil { // the first may have begun before
		return err
	}
	p.kill()
	if p, err = h.run(t.ctx, "one", ""); err != nil {
		return err
	}
	if err := stop(); err != nil {
		return err
	}
	if err := h.quiesce(t, time.Minute, p); err != nil {
		return err
	}
	t.count(h, 0)
	return nil
}

// breakDisk makes the disk bad and says how it is made well again.
func (t *trials) breakDisk(p *instance, dir, kind string, remount func(string) error) (heal func() error, err error) {
	switch kind {
	case "full":
		fill := filepath.Join(dir, "fill")
		raw, err := exec.CommandContext(t.ctx, "dd", "if=/dev/zero", "of="+fill, "bs=1M", "count=400").CombinedOutput()
		if err == nil {
			return nil, fmt.Errorf("%w: the disk takes everything: %s", errUnfit, raw)
		}
		return func() error { return os.Remove(fill) }, nil
	case "inodes":
		var made []string
		for {
			name := filepath.Join(dir, fmt.Sprintf("fill%d", len(made)))
			f, err := os.Create(name)
			if err != nil {
				break
			}
			_ = f.Close()
			made = append(made, name)
		}
		return func() error {
			for _, name := range made {
				if err := os.Remove(name); err != nil {
					return err
				}
			}
			return nil
		}, nil
	case "readonly":
		if err := remount("ro"); err != nil {
			return nil, err
		}
		return func() error { return remount("rw") }, nil
	}
	trace, err := spawn(t.ctx, "strace", nil, "strace", "-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=7+50",
		"-p", strconv.Itoa(p.cmd.Process.Pid), "-o", "/dev/null")
	if err != nil {
		return nil, err
	}
	return func() error {
		trace.signal(syscall.SIGINT) // it lets go of the process
		return trace.wait(t.ctx, 10*time.Second)
	}, nil
}
