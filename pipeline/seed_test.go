package pipeline

import (
	"testing"
	"time"
)

// What is rebuilt because the checkpoint is damaged is hashed under the new
// seed, and its checkpoints say so.
func TestTheSeedOfADamagedCheckpointIsForgotten(t *testing.T) {
	w, f := newWorld(t), newFolder()
	seeded := func(seed byte) func(*Config) {
		return func(c *Config) {
			f.kept(time.Hour)(c)
			c.Seed = [16]byte{seed}
		}
	}
	w.fill(200, 1)
	w.mustRunFrom(seeded(1))
	f.files[f.manifest(t).Groups[0].Name][0] ^= 4
	w.fill(20, 2)
	state := digest(w.mustRunFrom(seeded(2)).engine)
	for _, p := range w.broker.partitions { // retention
		p.start, p.records = p.start+int64(len(p.records)), nil
	}
	if got := digest(w.mustRunFrom(seeded(3)).engine); got != state {
		t.Errorf("the state differs:\n%s\nwant\n%s", got, state)
	}
}
