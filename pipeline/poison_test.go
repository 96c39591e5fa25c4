package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
)

// fragileEngine panics over one record.
type fragileEngine struct{ engine }

func (f fragileEngine) Apply(ev *eventEvent, v *features.Vector) {
	if ev.Partition == 1 && ev.Offset == 2 {
		panic("a bug")
	}
	f.engine.Apply(ev, v)
}

// Reliability row 3: a panic inside Apply ends the process; the record that did
// it twice goes to the dead letters, and a rebuild passes it by.
func TestARecordThatPanicsTwiceIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 12 {
			w.broker.append(transactions, int32(i%2), clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		}
		x := &transaction{}
		run := func(commitFirst bool) error {
			c := w.broker.consumer()
			w.broker.assign(c)
			c.perPoll = 1
			r := w.runner(c, func(cfg *Config) {
				cfg.Consumer, cfg.Output, cfg.DeadLetters = paired{c, x}, x, x
				cfg.Limits.BatchRecords = 1
			})
			r.newEngine = func([16]byte) engine { return fragileEngine{features.NewEngine(w.plan, features.Options{})} }
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			pass(20 * time.Second)
			cancel()
			return <-done
		}
		var panicked *PanicError
		for try := range 2 {
			if err := run(try == 0); !errors.As(err, &panicked) || panicked.Place != "transactions:1:2" {
				t.Fatalf("run %d: %v", try+1, err)
			}
		}
		for try := range 2 { // the second one rebuilds over it
			if err := run(false); err != nil {
				t.Fatalf("run %d: %v", try+3, err)
			}
		}
		if len(x.kept) != 12 {
			t.Fatalf("%d records committed, want one for each of 12 inputs", len(x.kept))
		}
		dead := slices.DeleteFunc(slices.Clone(x.kept), func(rec sinks.Record) bool {
			return !slices.ContainsFunc(rec.Headers, func(h sinks.Header) bool {
				return h.Key == record.HeaderReason && string(h.Value) == record.ReasonPanic
			})
		})
		if len(dead) != 1 {
			t.Errorf("%d dead letters for the panic, want 1", len(dead))
		}
	})
}

func TestPoisonMarksReadBack(t *testing.T) {
	marks := poison{"payments:0:17": 2, "logins:3:9": 1}
	text := metadata(3, 2, 1) + behindMark + marks.String()
	got := parsePoison(text)
	if len(got) != 2 || got["payments:0:17"] != 2 || got["logins:3:9"] != 1 {
		t.Errorf("%q reads back as %v", text, got)
	}
	if b, o, i, ok := parseMetadata(text); !ok || b != 3 || o != 2 || i != 1 {
		t.Errorf("%q: %d %d %d %v", text, b, o, i, ok)
	}
	if got := parsePoison(metadata(3, 2, 1)); got != nil {
		t.Errorf("no marks read as %v", got)
	}
	full := poison{}
	for i := range maxPoison {
		full[fmt.Sprintf("%s:%d:%d", strings.Repeat("s", 63), 1<<31-1, int64(1)<<62+int64(i))] = 2
	}
	topics := topicsMark + strings.Repeat(shortHash("name")+":"+shortHash("id")+",", maxMarked)
	proof := proofMark + strings.Repeat("f", 24)
	if n := len(metadata(1<<63, 1<<32-1, 1<<32-1) + topics + behindMark + proof + full.String()); n > 4096 {
		t.Errorf("the metadata grows to %d bytes, Kafka takes 4096", n)
	}
}

// A call that never returns is found; an outage, however long, is none.
func TestTheWatchdogEndsWhatStands(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(context.Context) error
		bites bool
	}{
		"a call that never returns": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, true},
		"an outage":                 {func(context.Context) error { return errors.New("no leader") }, false},
		"nothing":                   {func(context.Context) error { return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.broker.consumer()
				w.broker.assign(c)
				hanging, unhang := context.WithCancel(context.Background())
				w.output.fault = func([]sinks.Record) error { return test.fault(hanging) }
				var why atomic.Value
				r := w.runner(c, func(cfg *Config) { cfg.Stalled = func(text string) { why.Store(text) } })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- r.Run(ctx) }()
				pass(10 * time.Minute) // idle
				w.broker.append(transactions, 0, clock0, txn("t", "c1", 1, "1.00"))
				pass(10 * time.Minute)
				if text, _ := why.Load().(string); (text != "") != test.bites {
					t.Errorf("the watchdog says %q", text)
				}
				w.output.fault = nil
				unhang()
				cancel()
				<-done
			})
		})
	}
}
