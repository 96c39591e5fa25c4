package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestExactlyOnceFromCheckpoints is the proof with checkpoints: a SIGTERM, and a
// kill -9 while the files of one are being written. The starts behind both begin
// with a checkpoint, and nothing is lost, doubled or of another value than the
// oracle's.
func TestExactlyOnceFromCheckpoints(t *testing.T) {
	p := newProof(t, 30_000, "exactly_once")
	dir := t.TempDir()
	p.env = append(p.env, "FRESHET_STATE_DIR="+dir, "FRESHET_CHECKPOINT_INTERVAL=500ms")
	verdict := p.run(t, func(t *testing.T, run *process) {
		if !strings.Contains(run.log.String(), "the state is that of a checkpoint") {
			t.Error("the second run did not begin with a checkpoint")
		}
		run.until(t, 60e9, "a file of a checkpoint was being written", func() bool {
			temps, _ := filepath.Glob(filepath.Join(dir, "*.tmp"))
			return len(temps) > 0
		})
		run.signal(t, syscall.SIGKILL)
		entries, _ := os.ReadDir(dir)
		t.Logf("%d files at the kill", len(entries))
	})
	if verdict.Repeated != 0 || verdict.Void != 0 {
		t.Errorf("%d records came twice, and %d of a batch that was tried again: %v", verdict.Repeated, verdict.Void, verdict)
	}
	manifests, _ := filepath.Glob(filepath.Join(dir, "manifest-*"))
	if len(manifests) < 3 {
		t.Errorf("%d checkpoints are kept", len(manifests))
	}
}
