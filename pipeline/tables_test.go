package pipeline

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
)

// tableWorld is a world whose transactions look up where a merchant lies.
func tableWorld(t *testing.T) *world {
	t.Helper()
	text, err := os.ReadFile("testdata/payments.yaml")
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(text), "      amount:      {type: decimal(2)}\n", `      amount:      {type: decimal(2)}
    computed_fields:
      country: {type: string, table: merchants, key: merchant_id, column: country}
`, 1) + "tables:\n  merchants: {path: merchants.csv, key: id, fields: {country: {type: string}}, reload: 1h}\n"
	specs, diags, err := spec.LoadFiles([]spec.File{{Name: "payments.yaml", Data: []byte(with)}})
	if err != nil || len(specs) != 1 {
		t.Fatal(err, diags)
	}
	w := newWorld(t)
	if w.plan, err = features.Compile(specs[0], features.Served); err != nil {
		t.Fatal(err)
	}
	return w
}

// merchants is the table with m1 in a country; "" leaves it out.
func (w *world) merchants(country string) *event.Table {
	w.t.Helper()
	table := event.NewTable(w.plan.Spec().Tables[0])
	table.Hash = "hash of " + country
	id := "m1"
	if country == "" {
		id = "m2"
	}
	if rej := table.AddTexts([]string{"id", "country"}, []string{id, country}); rej != nil {
		w.t.Fatal(rej)
	}
	return table
}

func TestTableReloadsBetweenBatchesAndShowsInTheProvenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tableWorld(t)
		var next atomic.Pointer[event.Table]
		next.Store(w.merchants("DE"))
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, func(c *Config) {
			c.Tables, c.Metrics = []*event.Table{w.merchants("DE")}, w.metrics
			c.ReadTable = func(*spec.Table) (*event.Table, error) {
				if table := next.Load(); table != nil {
					return table, nil
				}
				return nil, errors.New("merchants.csv:3:7: country: bad")
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		send := func(id string, seconds int) {
			w.broker.append(transactions, 0, clock0, txn(id, "c1", seconds, "1.00"))
			pass(5 * time.Second)
		}
		send("t0", 0)
		next.Store(w.merchants("FR"))
		send("t1", 1) // not due yet
		pass(time.Hour)
		send("t2", 2)
		next.Store(nil) // broken from now on: what was read stays
		pass(time.Hour)
		send("t3", 3)
		next.Store(w.merchants(""))
		pass(2 * time.Minute) // a broken one is tried again soon
		send("t4", 4)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		var countries, specs []string
		for _, rec := range w.decoded() {
			country, _ := rec.Event["country"].(string)
			countries, specs = append(countries, country), append(specs, rec.Provenance.Spec)
		}
		if got := strings.Join(countries, ","); got != "DE,DE,FR,FR," {
			t.Errorf("looked up: %s", got)
		}
		if len(specs) != 5 || specs[0] != specs[1] || specs[1] == specs[2] || specs[2] != specs[3] || specs[3] == specs[4] ||
			specs[0] == record.SpecRef(w.plan.Spec()) {
			t.Errorf("the specs that records name: %v", specs)
		}
		if !strings.Contains(w.logs.String(), "merchants.csv:3:7") {
			t.Error("nothing is said of the broken file")
		}
		for _, c := range []struct {
			name   string
			labels []string
			want   float64
		}{
			{"freshet_table_reloads_total", []string{"changed", "merchants"}, 2},
			{"freshet_lookup_misses_total", []string{"country", "transactions"}, 1},
			{"freshet_table_rows", []string{"merchants"}, 1},
			{"freshet_spec_info", []string{"payments", specs[4]}, 1},
			{"freshet_spec_info", []string{"payments", specs[0]}, 0},
		} {
			if got := w.counter(c.name, c.labels...); got != c.want {
				t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
			}
		}
		if w.counter("freshet_table_reloads_total", "failed", "merchants") == 0 {
			t.Error("a failed reload was not counted")
		}
	})
}

// All records of a batch are read with the same content: new content waits
// until the open batch is committed.
func TestNewContentWaitsForTheEndOfTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tableWorld(t)
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, func(c *Config) {
			c.Tables = []*event.Table{w.merchants("DE")}
			c.ReadTable = func(*spec.Table) (*event.Table, error) { return w.merchants("FR"), nil }
			c.Limits.CommitInterval = 20 * time.Minute
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		at := 0
		for i, minute := range []int{55, 58, 65, 80} { // the second batch is open from 58 to 75; new content comes at 60
			pass(time.Duration(minute-at) * time.Minute)
			at = minute
			w.broker.append(transactions, 0, clock0, txn(strings.Repeat("t", i+1), "c1", i, "1.00"))
		}
		pass(30 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rec := range w.decoded() {
			got = append(got, rec.Event["country"].(string))
		}
		if strings.Join(got, ",") != "DE,DE,DE,FR" {
			t.Errorf("looked up: %v", got)
		}
	})
}

// A rebuild reads all its records with the same content too.
func TestNewContentWaitsForTheEndOfARebuild(t *testing.T) {
	w := tableWorld(t)
	r := w.runner(w.broker.consumer(), func(c *Config) { c.Tables = []*event.Table{w.merchants("DE")} })
	r.own = &ownership{rebuilding: true}
	r.refs.results <- reading{table: w.merchants("FR")}
	r.swapTables()
	if r.refs.tables[0].Hash != "hash of DE" {
		t.Error("swapped within a rebuild")
	}
	r.own.rebuilding = false
	r.swapTables()
	if r.refs.tables[0].Hash != "hash of FR" {
		t.Error("not swapped")
	}
}
