package checks

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// data is the folder of other people's inputs and outputs, which is not part
// of the repository; a test is skipped by name where it is absent.
func data(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: %s is not here", path)
	}
	return path
}

// table reads a CSV file, gzipped or not, row by row.
func table(t *testing.T, path string, each func(get func(column string) string)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = bufio.NewReader(f)
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(in); err != nil {
			t.Fatal(err)
		}
	}
	r := csv.NewReader(in)
	header, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		each(func(name string) string {
			i, ok := column[name]
			if !ok {
				t.Fatalf("%s has no column %s", path, name)
			}
			return row[i]
		})
	}
}

func load(t *testing.T, path string) *spec.Spec {
	t.Helper()
	specs, diagnostics, err := spec.Load([]string{path})
	if err != nil || diagnostics.HasErrors() || len(specs) != 1 {
		t.Fatalf("load %s: %v %v", path, err, diagnostics)
	}
	return specs[0]
}

// stream runs records through the engine as one partition of each source, and
// the first ones through the oracle as well.
type stream struct {
	t       *testing.T
	plan    *features.Plan
	engine  *features.Engine
	readers []*features.Reader
	vectors []*features.Vector
	columns []map[string]int
	offsets []int64

	oracle *oracle.Oracle
	sample int // records that the oracle sees
	judged int // records that it saw
	values int
}

func newStream(t *testing.T, s *spec.Spec, sample int) *stream {
	t.Helper()
	plan, err := features.Compile(s, features.All)
	if err != nil {
		t.Fatal(err)
	}
	st := &stream{t: t, plan: plan, oracle: oracle.New(s), sample: sample, offsets: make([]int64, len(s.Sources))}
	st.engine = features.NewEngine(plan, features.Options{Seed: [16]byte{7}})
	for i := range s.Sources {
		st.readers = append(st.readers, plan.NewReader(i))
		st.vectors = append(st.vectors, plan.NewVector(i))
		st.engine.SetCoverage(i, features.Coverage{FromStart: true})
		columns := map[string]int{}
		for j, c := range plan.Layout(i).Columns {
			columns[c.Name] = j
		}
		st.columns = append(st.columns, columns)
	}
	return st
}

// apply runs one record, which must be accepted.
func (s *stream) apply(source int, fields map[string]any) {
	s.t.Helper()
	raw, err := json.Marshal(fields)
	if err != nil {
		s.t.Fatal(err)
	}
	ev := event.Event{Source: source, Offset: s.offsets[source], RecordTime: event.NoTime}
	s.offsets[source]++
	rejection := s.readers[source].Read(raw, &ev)
	if rejection == nil {
		rejection = s.engine.Admit(&ev)
	}
	if rejection != nil {
		s.t.Fatalf("%s: refused: %s %s %s", raw, rejection.Reason, rejection.Field, rejection.Detail)
	}
	s.engine.Apply(&ev, s.vectors[source])
	if s.judged < s.sample {
		s.judged++
		s.judge(oracle.Record{Source: source, Offset: ev.Offset, Time: oracle.NoTime, Value: raw})
	}
}

// judge compares the record just applied with the oracle.
func (s *stream) judge(r oracle.Record) {
	s.t.Helper()
	want := s.oracle.Apply(r)
	if want.Reason != oracle.Accepted {
		s.t.Fatalf("%s: the oracle refuses it: %s %s %s", r.Value, want.Reason, want.Field, want.Detail)
	}
	for i, c := range s.plan.Layout(r.Source).Columns {
		result := want.Value(oracle.Column{Feature: c.Feature, Derived: c.Derived})
		got, status := s.vectors[r.Source].Values[i], s.vectors[r.Source].Statuses[i].String()
		if at, ok := result.Value.(time.Time); ok {
			result.Value = float64(at.UnixMilli())
		}
		s.values++
		if !sameOutside(plain(got, c.Scale), result) || status != result.Status {
			s.t.Fatalf("%s: %s: engine %v %s, oracle %v %s", r.Value, c.Name, plain(got, c.Scale), status, result.Value, result.Status)
		}
	}
}

// plain is an engine's value as records carry it.
func plain(v event.Value, scale int) any {
	switch v.Kind() {
	case event.None:
		return nil
	case event.String:
		return strings.Clone(v.Str())
	case event.Bool:
		return v.Bool()
	case event.Timestamp:
		return float64(v.Int())
	}
	x, _ := v.Number(scale)
	return x
}

// value is one value of the record just applied.
func (s *stream) value(source int, name string) any {
	s.t.Helper()
	i, ok := s.columns[source][name]
	if !ok {
		s.t.Fatalf("no feature %s", name)
	}
	return plain(s.vectors[source].Values[i], s.plan.Layout(source).Columns[i].Scale)
}

// number is value, which must be a number.
func (s *stream) number(source int, name string) float64 {
	s.t.Helper()
	x, ok := s.value(source, name).(float64)
	if !ok {
		s.t.Fatalf("%s is %v, not a number", name, s.value(source, name))
	}
	return x
}
