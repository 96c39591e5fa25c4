package tidy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxTrackedBytes is far above the largest text of ours: what is larger was built.
const maxTrackedBytes = 256 << 10

// What was built has no place in the history, which everybody fetches for ever.
func TestNothingBuiltIsTracked(t *testing.T) {
	const root = "../.."
	out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("not a clone: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(root, name))
		if err == nil && info.Size() > maxTrackedBytes {
			t.Errorf("%s has %d bytes; at most %d: git rm --cached it, and see .gitignore", name, info.Size(), maxTrackedBytes)
		}
	}
}
