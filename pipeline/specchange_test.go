package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// changed is the tests' spec with texts replaced, in pairs.
func changed(t *testing.T, pairs ...string) *features.Plan {
	t.Helper()
	text, err := os.ReadFile("testdata/payments.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(text), pairs[i]) {
			t.Fatalf("the spec has no %q", pairs[i])
		}
	}
	path := filepath.Join(t.TempDir(), "payments.yaml")
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, diags, err := spec.Load([]string{path})
	if err != nil || diags.HasErrors() {
		t.Fatalf("%v %+v", err, diags)
	}
	plan, err := features.Compile(specs[0], features.Served)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

var oneMoreWindow = []string{"login_count: {aggregation: count, windows: [1h]}", "login_count: {aggregation: count, windows: [1h, 2h]}",
	"[login_count_1h]", "[login_count_1h, login_count_2h]"}

// Design 6: a change of the spec costs the state of what it changed. The rest
// is the checkpoint's, and the state is that of a run that has had the new spec
// from the first record on.
func TestASpecChangeKeepsTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		change  []string
		rebuilt string // "entity over source"; none: ""
	}{
		"another window": {oneMoreWindow, "card over logins"},
		"another aggregation of another field": {[]string{
			"cards:     {aggregation", "spent: {aggregation: max, field: amount, windows: [1h]}\n      cards:     {aggregation", "cards_1h]", "cards_1h, spent_1h]"}, "merchant over transactions"},
		"a filter":          {[]string{"[1m, 1h]}", "[1m, 1h], filter: 'amount > 1'}"}, "card over transactions"},
		"a band of a model": {[]string{"min: 0.9}", "min: 0.8}"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), newFolder()
			w.fill(200, 1)
			w.mustRunFrom(f.kept(time.Hour))
			w.plan = changed(t, c.change...)
			w.logs.buf.Reset()
			left := len(w.output.all())
			got := w.mustRunFrom(f.kept(time.Hour))
			if n := len(w.output.all()) - left; n != 0 {
				t.Errorf("%d records have left again", n)
			}
			if want := digest(w.anew().engine); digest(got.engine) != want {
				t.Errorf("the state is\n%s\nwant\n%s", digest(got.engine), want)
			}
			if lines := rebuiltLogs(w.logs.String()); lines != c.rebuilt {
				t.Errorf("rebuilt were %q, want %q\n%s", lines, c.rebuilt, w.logs)
			}
			if c.rebuilt == "" && got.own.done != 0 {
				t.Errorf("%d records were read again", got.own.done)
			}
		})
	}
}

// The rest needs nothing of the log: where retention has taken its records, a
// view over another source changes all the same.
func TestWhatASpecChangeKeepsNeedsNoLog(t *testing.T) {
	w, f := newWorld(t), newFolder()
	w.fill(200, 1)
	w.mustRunFrom(f.kept(time.Hour))
	w.plan = changed(t, oneMoreWindow...)
	want := digest(w.anew().engine)
	for id, p := range w.broker.partitions {
		if id.Source == transactions {
			p.start, p.records = p.start+int64(len(p.records)), nil
		}
	}
	if got := digest(w.mustRunFrom(f.kept(time.Hour)).engine); got != want {
		t.Errorf("the state is\n%s\nwant\n%s", got, want)
	}
}

// anew is a run of the spec of today over the whole log, by a group that has
// never committed, into nothing.
func (w *world) anew() *Runner {
	other := newWorld(w.t)
	other.plan = w.plan
	for id, p := range w.broker.partitions {
		other.broker.partitions[id] = &fakePartition{committed: -1, start: p.start, records: p.records}
	}
	return other.runToEnd(nil)
}

// rebuiltLogs are those that a run has said to read from the log's beginning.
func rebuiltLogs(logs string) string {
	var names []string
	for line := range strings.Lines(logs) {
		if !strings.Contains(line, "a view's state is not in the checkpoint") {
			continue
		}
		_, source, _ := strings.Cut(line, `"source":"`)
		source, _, _ = strings.Cut(source, `"`)
		_, entity, _ := strings.Cut(line, `"entity":"`)
		entity, _, _ = strings.Cut(entity, `"`)
		names = append(names, entity+" over "+source)
	}
	return strings.Join(names, ", ")
}
