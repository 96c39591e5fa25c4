package pipeline

import (
	"fmt"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
)

// tableRetry is how soon a table that could not be read again is tried once
// more, where its interval is longer.
const tableRetry = time.Minute

// references is the reference data of a run. Tables are read again beside the
// loop, and take the place of the old ones between two batches, all records of
// a batch having been read with the same content.
type references struct {
	tables  []*event.Table // by Spec.Tables; never changed, replaced
	due     []time.Time    // when to read again; zero: never, or being read
	results chan reading
}

// reading is what reading a table again has led to.
type reading struct {
	index int
	table *event.Table
	err   error
}

func newReferences(c Config, now time.Time) references {
	declared := c.Plan.Spec().Tables
	ref := references{tables: c.Tables, due: make([]time.Time, len(declared)), results: make(chan reading, len(declared))}
	for i, t := range declared {
		if c.ReadTable != nil && t.Reload > 0 {
			ref.due[i] = now.Add(t.Reload)
		}
	}
	return ref
}

// contentOf gives the content hashes of tables.
func contentOf(tables []*event.Table) []string {
	var hashes []string
	for _, t := range tables {
		hashes = append(hashes, t.Hash)
	}
	return hashes
}

// askTables starts to read the tables that are due. Each has one place in the
// channel, so that none of the goroutines waits for a loop that has ended.
func (r *Runner) askTables() {
	now := time.Now()
	for i, due := range r.refs.due {
		if due.IsZero() || now.Before(due) {
			continue
		}
		r.refs.due[i] = time.Time{}
		declared, read, results := r.spec.Tables[i], r.ReadTable, r.refs.results
		go func() {
			table, err := readTable(read, declared)
			results <- reading{i, table, err}
		}()
	}
}

// readTable makes a panic an error: reading again must not end a run that has
// good data.
func readTable(read func(*spec.Table) (*event.Table, error), declared *spec.Table) (table *event.Table, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reading table %s: %s", declared.Name, panicText(p))
		}
	}()
	return read(declared)
}

// swapTables puts what was read again in the place of what there is. What
// cannot be read leaves the old content where it is.
func (r *Runner) swapTables() {
	if r.own != nil && r.own.rebuilding && !r.own.following {
		return // a rebuild reads all records with the same content
	}
	for {
		select {
		case got := <-r.refs.results:
			r.swapTable(got)
		default:
			return
		}
	}
}

func (r *Runner) swapTable(got reading) {
	declared := r.spec.Tables[got.index]
	old := r.refs.tables[got.index]
	next := declared.Reload
	result := "unchanged"
	switch {
	case got.err != nil:
		result, next = "failed", min(next, tableRetry)
		r.Log.Warn("a table could not be read again; the content read before stays", "table", declared.Name,
			"err", got.err.Error(), "err_kind", "retriable", "again_in", next.String())
	case got.table.Hash != old.Hash:
		result = "changed"
		r.refs.tables = slices.Clone(r.refs.tables)
		r.refs.tables[got.index] = got.table
		r.spec = r.spec.WithTables(contentOf(r.refs.tables))
		for _, row := range r.readers {
			for _, reader := range row {
				reader.SetTables(r.refs.tables)
			}
		}
		r.metrics.countCards(&r.out)
		r.out = newOutput(r) // records and dead letters name the spec
		r.metrics.runs(r.spec)
		r.Log.Info("a table has new content", "table", declared.Name, "rows", got.table.Len(), "rows_before", old.Len(),
			"spec", record.SpecRef(r.spec))
	}
	r.refs.due[got.index] = time.Now().Add(next)
	r.metrics.reloaded(declared.Name, result)
	if got.err == nil {
		r.metrics.loaded(declared.Name, got.table.Len(), r.Clock())
	}
}
