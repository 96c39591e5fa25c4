package pipeline

import (
	"time"

	"github.com/freshet-dev/freshet/sinks"
)

// wrote counts rows of a write that has ended, before the next begins.
func (r *Runner) wrote(rows int, err error) {
	r.metrics.wrote(r.Backend, rows-int(r.versions()), err)
}

// versions counts what the store says of the versions that stood where it wrote,
// and tells of what must not be. stale is how many rows it refused.
func (r *Runner) versions() (stale int64) {
	counter, ok := r.Store.(sinks.VersionCounter)
	if !ok {
		return 0
	}
	before, now := r.found, counter.Versions()
	r.found = now
	stale = now.Stale - before.Stale
	for _, c := range []struct {
		result string
		rows   int64
		what   string // "": nothing is told
	}{
		{"equal", now.Equal - before.Equal, ""},
		{"rejected_stale", stale, "rows were not written, newer versions stand in the online store: does another instance write them?"},
		{"other_bytes", now.Differ - before.Differ, "rows stood there in the same version with other values: some value is not deterministic, or somebody else writes"},
	} {
		if c.rows <= 0 {
			continue
		}
		r.metrics.rows.WithLabelValues(r.Backend, c.result).Add(float64(c.rows))
		if c.what == "" {
			continue
		}
		if n, tell := r.sample.tell("rows "+c.result, time.Now()); tell {
			r.Log.Warn(c.what, "rows", c.rows, "err_kind", "store", "of_this_reason_since_last_line", n)
		}
	}
	return stale
}
