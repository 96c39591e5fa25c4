package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// ask calls a path of the handler.
func ask(h http.Handler, path string) (int, string) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	body, _ := io.ReadAll(rec.Body)
	return rec.Code, strings.TrimSpace(string(body))
}

func TestHealthOverALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 4 {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
		}
		p := w.broker.partitions[sources.PartitionID{Source: transactions}]
		p.committed, p.meta = 4, metadata(1, 1, 1)
		c := w.broker.consumer()
		c.perPoll = 2
		r := w.runner(c, nil)
		h := r.Health().Handler(nil)
		expect := func(when, path string, code int, word string) {
			t.Helper()
			if got, body := ask(h, path); got != code || !strings.Contains(body, word) {
				t.Errorf("%s: %s says %d %q, want %d %q", when, path, got, body, code, word)
			}
		}
		expect("before Run", "/livez", 200, "starting")
		expect("before Run", "/readyz", 503, "starting")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		pass(time.Minute)
		expect("without partitions", "/livez", 200, "alive")
		expect("without partitions", "/readyz", 503, "owner of all partitions")
		c.silent = true // holds the rebuild up
		w.broker.assign(c)
		pass(3 * time.Second)
		expect("in the rebuild", "/startupz", 503, "0 of 4 records, 0 %")
		expect("in the rebuild", "/readyz", 503, "rebuilding")
		w.broker.mu.Lock()
		c.silent = false
		w.broker.mu.Unlock()
		w.broker.append(transactions, 0, clock0, txn("t4", "c1", 4, "1.00"))
		pass(3 * time.Second)
		expect("when running", "/readyz", 200, "active")
		expect("when running", "/startupz", 200, "4 records")
		w.store.mu.Lock()
		w.store.aliveFault = errors.New("READONLY You can't write against a read only replica")
		w.store.mu.Unlock()
		pass(3 * time.Second)
		expect("without a sign of life", "/readyz", 503, "READONLY")
		w.store.mu.Lock()
		w.store.aliveFault = nil
		w.store.mu.Unlock()
		pass(3 * time.Second)
		expect("healed", "/readyz", 200, "active")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		expect("after the end", "/livez", 503, "stopped")
		logged := w.logs.String()
		for _, line := range []string{"waiting to become the owner", "rebuilding the state", `"msg":"ready"`, "READONLY", "draining"} {
			if !strings.Contains(logged, line) {
				t.Errorf("the log does not say %q", line)
			}
		}
		if n := strings.Count(logged, "rebuilding the state"); n != 1 {
			t.Errorf("%d lines about one change", n)
		}
	})
}

func TestALoopThatStandsStillIsNotLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHealth()
		h.start(30*time.Second, nil)
		h.phase(running, "running")
		pass(29 * time.Second)
		if live, why := h.Live(); !live {
			t.Error(why)
		}
		pass(2 * time.Second)
		if live, why := h.Live(); live || !strings.Contains(why, "31s") {
			t.Errorf("live %v: %s", live, why)
		}
		h.beat()
		if live, _ := h.Live(); !live {
			t.Error("not live after a turn")
		}
	})
}

func TestMetricsSayWhatHappened(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "c1", i, "1.00"))
	}
	w.broker.append(transactions, 0, clock0, txn("t4", "c1", 4, "1.00")) // duplicate
	w.broker.append(transactions, 0, clock0, strings.Replace(txn("f", "c1", 4, "1.00"), "ecom", "test", 1))
	w.broker.append(transactions, 1, clock0, "not json")
	w.broker.append(logins, 0, clock0, login("l", "c1", 3))
	w.runToEnd(func(c *Config) { c.Metrics = w.metrics })
	for _, m := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"freshet_spec_info", []string{"payments", "sha256:" + w.plan.Spec().Hash[:12]}, 1},
		{"freshet_source_records_total", []string{"transactions", "payments.transactions.v1"}, 8},
		{"freshet_source_records_total", []string{"logins", "payments.logins.v1"}, 1},
		{"freshet_records_dropped_total", []string{"duplicate", "transactions"}, 1},
		{"freshet_records_dropped_total", []string{"filtered", "transactions"}, 1},
		{"freshet_dlq_records_total", []string{"decode", "transactions"}, 1},
		{"freshet_transactions_total", []string{"committed"}, 1},
		{"freshet_partitions_assigned", []string{"freshet-payments"}, 3},
		{"freshet_rebalances_total", []string{"freshet-payments"}, 1},
		{"freshet_restore_progress_ratio", nil, 1},
		{"freshet_watermark_timestamp_seconds", []string{"0", "transactions"}, float64(clock0)/1000 + 4},
		{"freshet_last_record_processed_timestamp_seconds", []string{"1", "transactions"}, float64(clock0) / 1000},
		{"freshet_source_lag_records", []string{"0", "transactions"}, 0},
		{"freshet_end_to_end_duration_seconds", []string{"transactions"}, 5},
		{"freshet_feature_freshness_seconds", []string{"card_velocity"}, 1},
		{"freshet_scores_total", []string{"allow", "risk", "1"}, 2},
		{"freshet_scores_total", []string{"block", "risk", "1"}, 3},
		{"freshet_score_value", []string{"risk", "1"}, 5},
		{"freshet_score_duration_seconds", []string{"risk", "1"}, 1}, // of the first record of the batch
		{"freshet_state_keys", []string{"card_velocity"}, 1},
		{"freshet_online_write_duration_seconds", []string{"fake"}, 1},
		{"freshet_process_duration_seconds", []string{"features"}, 1},
		{"freshet_active", nil, 0}, // the run has ended
	} {
		if got := w.counter(m.name, m.labels...); got != m.want {
			t.Errorf("%s%v is %v, want %v", m.name, m.labels, got, m.want)
		}
	}
	for _, labels := range [][]string{{"card", "transactions"}, {"merchant", "transactions"}, {"card", "logins"}} {
		if w.counter("freshet_state_bytes", labels...) <= 0 {
			t.Errorf("no state of %v", labels)
		}
	}
	for _, phase := range []string{"group", "store", "state", "commit"} {
		if w.counter("freshet_takeover_duration_seconds", phase) <= 0 {
			t.Errorf("the take-over's %s took no time", phase)
		}
	}
	_, body := ask(NewHealth().Handler(promhttp.HandlerFor(w.metrics, promhttp.HandlerOpts{})), "/metrics")
	for line := range strings.Lines(body) {
		if name, _, _ := strings.Cut(line, "{"); !strings.HasPrefix(line, "#") && !regexp.MustCompile(`^freshet_[a-z_]+$`).MatchString(strings.Fields(name)[0]) {
			t.Errorf("odd metric %s", line)
		}
	}
}

// A store that is away holds the loop up, and the records that pile up behind it
// are what on-call looks for: they must show as lag.
func TestAnOutageOfTheStoreShowsAsLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var back atomic.Bool
		w.store.writeFault = func([]sinks.VersionedRow) error {
			if !back.Load() {
				return errors.New("connection refused")
			}
			return nil
		}
		c := w.broker.consumer()
		w.broker.assign(c)
		r := w.runner(c, func(c *Config) { c.Metrics, c.Limits.StoreWait = w.metrics, time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		w.broker.append(transactions, 0, clock0, txn("t0", "c1", 0, "1.00"))
		pass(2 * time.Second)
		for i := range 7 {
			w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("u", i), "c1", i, "1.00"))
		}
		pass(20 * time.Second)
		if lag := w.counter("freshet_source_lag_records", "0", "transactions"); lag != 8 { // and the one that does not leave
			t.Errorf("in the outage the lag is %v records", lag)
		}
		if ready, why := r.Health().Ready(); ready || !strings.Contains(why, "connection refused") {
			t.Errorf("ready %v: %s", ready, why)
		}
		back.Store(true)
		pass(10 * time.Second)
		if lag := w.counter("freshet_source_lag_records", "0", "transactions"); lag != 0 {
			t.Errorf("after it the lag is %v records", lag)
		}
		if line := `"after":"2`; !strings.Contains(w.logs.String(), line) {
			t.Errorf("the log does not say for how long: want %s", line)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCountersOfWhatGoesWrongBeginAtZero(t *testing.T) {
	w := newWorld(t)
	w.runner(w.broker.consumer(), func(c *Config) { c.Metrics = w.metrics })
	_, body := ask(NewHealth().Handler(promhttp.HandlerFor(w.metrics, promhttp.HandlerOpts{})), "/metrics")
	for _, line := range []string{
		`freshet_dlq_records_total{reason="late",source="logins"} 0`,
		`freshet_dlq_records_total{reason="too_large",source="transactions"} 0`,
		`freshet_records_dropped_total{reason="duplicate",source="transactions"} 0`,
		`freshet_online_write_errors_total{backend="fake"} 0`,
		`freshet_output_errors_total{log="dead-letter log"} 0`,
		`freshet_transactions_total{result="failed"} 0`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if strings.Contains(body, `reason="accepted"`) {
		t.Error("accepted records are counted as refused")
	}
}

// I13: values marked as personal go through every path, and none comes out: not
// in records, dead letters, rows' keys as they leave, logs, metrics or health.
func TestNoCanaryComesOut(t *testing.T) {
	w := newWorld(t)
	const canary, pan = "canary-7f3a-person", "4539578763621486"
	tries := 0
	w.store.writeFault = func([]sinks.VersionedRow) error {
		if tries++; tries == 1 {
			return errors.New("LOADING")
		}
		return nil
	}
	for i, who := range []string{canary, pan, canary + "é"} {
		good := txn(fmt.Sprint("t", i), who, i, "1.00")
		for _, value := range []string{good, good, // and a duplicate
			strings.Replace(good, `"1.00"`, `"one"`, 1), strings.Replace(good, "card_id", "cardid", 1), // schema, misspelt
			good[:len(good)-3], good + "x", `"` + who + `"`, who, // not JSON, or not an object
			strings.Replace(good, `"`+who+`"`, `{"pan":"`+who+`"}`, 1), strings.Replace(good, `"`+who+`"`, `["`+who+`"]`, 1),
			strings.Replace(good, `"ecom"`, `"test"`, 1), txn("late", who, -99999, "1.00"), txn("future", who, 99999, "1.00"),
			fmt.Sprintf(`{"%s":1,"txn_id":"x"}`, who)} {
			w.broker.appendRecord(sources.Record{Source: transactions, Partition: int32(i % 2), Time: clock0, Key: []byte(who), Value: []byte(value),
				Headers: []sources.Header{{Key: "traceparent", Value: []byte(who)}, {Key: "user", Value: []byte(who)}}})
		}
		w.broker.appendRecord(sources.Record{Source: transactions, Time: clock0, Key: []byte(who), Value: []byte(good[:40]), Oversized: 99 << 20})
		w.broker.appendRecord(sources.Record{Source: transactions, Time: event0, Value: []byte(who),
			Cells: &sources.Cells{Names: []string{"txn_id", "card_id", "amount"}, Texts: []string{"x", who, who}}})
		w.broker.append(logins, 0, clock0, login(fmt.Sprint("l", i), who, i))
	}
	w.broker.ends = true
	c := w.broker.consumer()
	w.broker.assign(c)
	r := w.runner(c, func(c *Config) { c.Metrics = w.metrics })
	r.newReader = func(source int) reader { return &panicReader{reader: w.plan.NewReader(source), on: `"t2"`} }
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, rec := range append(w.output.all(), w.dead.all()...) {
		fmt.Fprintf(&out, "%s %s %s\n", rec.Topic, rec.Key, rec.Value)
		for _, h := range rec.Headers {
			fmt.Fprintf(&out, "%s=%s\n", h.Key, h.Value)
		}
	}
	fmt.Fprintln(&out, w.logs)
	h := r.Health().Handler(promhttp.HandlerFor(w.metrics, promhttp.HandlerOpts{}))
	for _, path := range []string{"/metrics", "/livez", "/readyz", "/startupz"} {
		_, body := ask(h, path)
		fmt.Fprintln(&out, body)
	}
	for _, word := range []string{canary, pan, "7f3a", pan[:12]} {
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, word) {
				t.Errorf("%q came out: %.400s", word, line)
			}
		}
	}
	if len(w.output.all()) < 4 || len(w.dead.all()) < 25 {
		t.Errorf("only %d records and %d dead letters: the paths were not walked", len(w.output.all()), len(w.dead.all()))
	}
}

// event0 is the absence of a record time, as files have it.
const event0 = -1 << 63
