package generate

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

const quickstart = "../../examples/quickstart"

func load(t *testing.T) *spec.Spec {
	t.Helper()
	specs, diags, err := spec.Load([]string{quickstart})
	if err != nil || diags.HasErrors() || len(specs) != 1 {
		t.Fatalf("load %s: %v %v", quickstart, err, diags)
	}
	return specs[0]
}

// decoders are those of the quickstart's sources by name.
func decoders(t *testing.T) map[string]*event.Decoder {
	t.Helper()
	out := map[string]*event.Decoder{}
	for _, src := range load(t).Sources {
		out[src.Name] = event.NewDecoder(src)
	}
	return out
}

func TestEveryRecordFitsTheQuickstart(t *testing.T) {
	specs := load(t)
	byName := decoders(t)
	g := New(Options{Seed: 1, Fraud: 0.01, Labels: true, OutOfOrder: 0.1, Duplicates: 0.02, Late: 0.01})
	ev := &event.Event{}
	last := time.Time{}
	ids, doubles, disordered, late, perSource := map[string]bool{}, 0, 0, 0, map[string]int{}
	const records = 50_000
	for range records {
		e := g.Next()
		if rej := byName[e.Source].Decode(e.Value, ev); rej != nil {
			t.Fatalf("%s: %+v\n%s", e.Source, rej, e.Value)
		}
		if e.Time.Before(last) {
			t.Fatalf("the clock ran back from %s to %s", last, e.Time)
		}
		last = e.Time
		perSource[e.Source]++
		if ids[ev.ID] {
			doubles++
		}
		ids[ev.ID] = true
		switch behind := e.Time.Sub(time.UnixMilli(ev.Time)); {
		case behind > time.Hour:
			late++
		case behind > time.Millisecond:
			disordered++
		}
	}
	for _, src := range specs.Sources {
		if n := byName[src.Name].UnknownEnum(); perSource[src.Name] < records/10 {
			t.Errorf("only %d records of %s", perSource[src.Name], src.Name)
		} else {
			for i, count := range n {
				if count > 0 {
					t.Errorf("%d values of %s.%s are outside its enum", count, src.Name, src.Fields[i].Name)
				}
			}
		}
	}
	// Scripted fraud is part of the traffic and always in order, so the shares
	// are of somewhat less than all of it.
	near := func(what string, n int, share float64) {
		if got := float64(n) / records; got < share*0.5 || got > share*1.2 {
			t.Errorf("%s: a share of %.4f, want about %.4f", what, got, share)
		}
	}
	near("duplicates", doubles, 0.02)
	near("out of order or doubled", disordered, 0.12)
	near("late", late, 0.01)
}

func TestSameOptionsSameRecords(t *testing.T) {
	o := Options{Seed: 7, Fraud: 0.01, OutOfOrder: 0.2, Duplicates: 0.05, Late: 0.01, Bad: 0.02, Labels: true}
	a, b := New(o), New(o)
	o.Seed = 8
	c := New(o)
	differ := false
	for range 5_000 {
		x, y, z := a.Next(), b.Next(), c.Next()
		if !bytes.Equal(x.Value, y.Value) || !bytes.Equal(x.Key, y.Key) || x.Source != y.Source || !x.Time.Equal(y.Time) {
			t.Fatalf("the same seed gave\n%s\n%s", x.Value, y.Value)
		}
		differ = differ || !bytes.Equal(x.Value, z.Value)
	}
	if !differ {
		t.Error("another seed gave the same records")
	}
}

// TestBadRecordsAreRefused: each damage but the future one, which is a matter
// of the log's clock, is refused by the decoder.
func TestBadRecordsAreRefused(t *testing.T) {
	byName := decoders(t)
	g := New(Options{Seed: 3, Bad: 1})
	ev := &event.Event{}
	reasons := map[string]int{}
	const records = 5_000
	for range records {
		e := g.Next()
		rej := byName[e.Source].Decode(e.Value, ev)
		switch {
		case rej != nil:
			reasons[rej.Reason.String()]++
		case time.UnixMilli(ev.Time).Sub(e.Time) > 24*time.Hour:
			reasons["future"]++
		default:
			t.Fatalf("accepted: %s", e.Value)
		}
	}
	if reasons["decode"] < records/10 || reasons["schema"] < records/10 || reasons["future"] < 3 || reasons["future"] > records/futureEvery+1 {
		t.Errorf("refused for %v", reasons)
	}
}

func TestEachFraudHappensWhenAsked(t *testing.T) {
	for _, kind := range Kinds() {
		g := New(Options{Seed: 5, Rate: 5, Fraud: 0.02, FraudKinds: []Kind{kind}, Labels: true})
		labels := map[Kind]int{}
		for range 6_000 {
			var record struct {
				Label Kind `json:"_label"`
			}
			if err := json.Unmarshal(g.Next().Value, &record); err != nil {
				t.Fatal(err)
			}
			labels[record.Label]++
		}
		if labels[kind] < 50 || len(labels) != 2 {
			t.Errorf("%s: labels %v", kind, labels)
		}
	}
	g := New(Options{Seed: 5, Fraud: 0.01})
	for range 1_000 {
		if e := g.Next(); bytes.Contains(e.Value, []byte("_label")) {
			t.Fatalf("labelled without being asked: %s", e.Value)
		}
	}
}

func TestRateIsOfEventTime(t *testing.T) {
	g := New(Options{Seed: 2, Rate: 200})
	const records = 20_000
	var last Event
	for range records {
		last = g.Next()
	}
	if got := records / last.Time.Sub(DefaultStart).Seconds(); math.Abs(got-200) > 10 {
		t.Errorf("%.1f records per second, want 200", got)
	}
}

func TestTrafficIsSkewed(t *testing.T) {
	g := New(Options{Seed: 2})
	count := map[string]int{}
	const records = 50_000
	for range records {
		e := g.Next()
		count[string(e.Key)]++
	}
	most := 0
	for _, n := range count {
		most = max(most, n)
	}
	if mean := float64(records) / float64(len(count)); float64(most) < 8*mean {
		t.Errorf("the busiest key has %d records, the mean is %.1f", most, mean)
	}
}

func TestValidateNamesTheOption(t *testing.T) {
	for _, o := range []Options{{OutOfOrder: 1.5}, {Late: -1}, {Bad: math.NaN()}, {OutOfOrder: 0.5, Late: 0.4, Bad: 0.2}, {Rate: -1}, {Cards: -1},
		{FraudKinds: []Kind{"tax"}}} {
		if o.Validate() == nil {
			t.Errorf("accepted: %+v", o)
		}
	}
	if err := (Options{OutOfOrder: 0.5, Fraud: 0.01, FraudKinds: Kinds()}).Validate(); err != nil {
		t.Error(err)
	}
}

func BenchmarkNext(b *testing.B) {
	g := New(Options{Seed: 1, Fraud: 0.002, OutOfOrder: 0.05, Duplicates: 0.02})
	b.ReportAllocs()
	for b.Loop() {
		g.Next()
	}
}
