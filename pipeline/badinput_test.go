package pipeline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// The rows of reliability.md 2.3 that speak of data, 37 to 46: the record is
// refused for the right reason, its dead letter says where, the run goes on,
// and each input has exactly one outcome.

// outcome is what became of one record between two good ones.
func outcome(t *testing.T, rec sources.Record) (reason, error string, w *world) {
	t.Helper()
	w = newWorld(t)
	w.broker.append(transactions, 0, clock0, txn("before", "c1", 0, "1.00"))
	rec.Source = transactions
	if rec.Time == 0 {
		rec.Time = clock0
	}
	w.broker.appendRecord(rec)
	w.broker.append(transactions, 0, clock0, txn("after", "c1", 1, "1.00"))
	w.runToEnd(func(c *Config) { c.Metrics = w.metrics })
	got := places(w.decoded())
	if got[0] != "transactions:0:0" || got[len(got)-1] != "transactions:0:2" {
		t.Fatalf("the run did not go on: %v", got)
	}
	if len(got) == 3 {
		return "accepted", "", w
	}
	dead := w.dead.all()
	if len(dead) == 0 {
		for _, r := range []string{"filtered", "duplicate"} {
			if w.counter("freshet_records_dropped_total", r, "transactions") == 1 {
				return r, "", w
			}
		}
		t.Fatal("neither output, nor dead letter, nor counted drop")
	}
	dl, ok := record.ReadDeadLetter(func(name string) string {
		for _, h := range dead[0].Headers {
			if h.Key == name {
				return string(h.Value)
			}
		}
		return ""
	}, dead[0].Value)
	if !ok || dl.Offset != 1 || dl.Source != "transactions" || len(dead) != 1 || !json.Valid(dead[0].Value) {
		t.Fatalf("dead letters %+v", dead)
	}
	if n := w.counter("freshet_dlq_records_total", dl.Reason, "transactions"); n != 1 {
		t.Errorf("%v dead letters counted as %s", n, dl.Reason)
	}
	return dl.Reason, dl.Error, w
}

func expectReason(t *testing.T, want string, values ...string) {
	t.Helper()
	for _, v := range values {
		if got, _, _ := outcome(t, sources.Record{Value: []byte(v)}); got != want {
			t.Errorf("%.60q: %s, want %s", v, got, want)
		}
	}
}

func fields(id string, rest string) string {
	return fmt.Sprintf(`{"txn_id":%q,"card_id":"c1","channel":"ecom",%s}`, id, rest)
}

var goodTime = fmt.Sprint(`"ts":`, clock0)

func TestRow37PoisonPills(t *testing.T) {
	good := txn("x", "c1", 0, "1.00")
	expectReason(t, "decode", "", "not json", good[:len(good)-1], good+"x", good+good, "\xff\xfe",
		strings.Replace(good, "c1", "c\xff1", 1), "{\"txn_id\":\"a\x01\"}", strings.Replace(good, `"ecom"`, `ecom`, 1))
	expectReason(t, "schema", `{}`, "[1]", "null", `"text"`, strings.Replace(good, `"c1"`, `17`, 1), strings.Replace(good, `"1.00"`, `true`, 1))
}

func TestRow38SchemaChanges(t *testing.T) {
	expectReason(t, "accepted",
		fields("x", goodTime+`,"amount":"1.00","new":{"a":[1]}`), // a field added
		fields("x", goodTime+`,"amount":"1.00"`),                 // an optional one removed
		strings.Replace(txn("x", "c1", 0, "1.00"), "ecom", "kiosk", 1))
	expectReason(t, "schema", fields("x", goodTime), fields("x", goodTime+`,"amuont":"1.00"`), fields("x", goodTime+`,"amount":{"v":1}`))
	_, _, w := outcome(t, sources.Record{Value: []byte(strings.Replace(txn("x", "c1", 0, "1.00"), "ecom", "kiosk", 1))})
	if n := w.counter("freshet_unknown_enum_total", "channel", "transactions"); n != 1 {
		t.Errorf("an unknown enum value is counted %v times, want once", n)
	}
}

func TestRow39HugeEvents(t *testing.T) {
	reason, text, w := outcome(t, sources.Record{Key: []byte("4242424242424242"), Value: []byte(`{"card_id":"42424242`), Oversized: 64 << 20})
	if reason != "decode" || !strings.Contains(text, "67108864 bytes") {
		t.Errorf("%s: %s", reason, text)
	}
	if v := string(w.dead.all()[0].Value) + string(w.dead.all()[0].Key); strings.Contains(v, "4242") {
		t.Errorf("more than a hash of the key left: %s", v)
	}
}

func TestRow40DeepNesting(t *testing.T) {
	for _, depth := range []int{65, 10_000, 400_000} {
		deep := `{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
		expectReason(t, "decode", deep)
	}
}

func TestRow41DuplicateKeysAndCaseTricks(t *testing.T) {
	expectReason(t, "decode", fields("x", goodTime+`,"amount":"1.00","amount":"999.00"`))
	expectReason(t, "schema", fields("x", goodTime+`,"AMOUNT":"999.00"`))
	expectReason(t, "accepted", fields("x", goodTime+`,"amount":"1.00","AMOUNT":"999.00"`))
}

func TestRow42Numbers(t *testing.T) {
	for _, bad := range []string{`"NaN"`, `"Infinity"`, `"0x10"`, `"1_000"`, `1e400`, `"1.001"`, `99999999999999999999`} {
		expectReason(t, "schema", fields("x", goodTime+`,"amount":`+bad))
	}
	expectReason(t, "decode", fields("x", goodTime+`,"amount":NaN`))
	expectReason(t, "accepted", fields("x", goodTime+`,"amount":-0`), fields("x", goodTime+`,"amount":85.64999999999999`))
}

func TestRow43Duplicates(t *testing.T) {
	expectReason(t, "duplicate", txn("before", "c1", 0, "1.00"), txn("before", "c2", 0, "77.00"), txn("before", "c1", 60, "1.00"))
}

func TestRow44Late(t *testing.T) {
	expectReason(t, "accepted", txn("x", "c1", -3600, "1.00")) // exactly allowed_lateness
	expectReason(t, "late", fields("x", fmt.Sprintf(`"ts":%d,"amount":"1.00"`, clock0-3600_001)))
}

func TestRow45FarFuture(t *testing.T) {
	for _, at := range []int64{clock0 + 600_001, clock0 + 3600_000, 4102444799999} {
		expectReason(t, "future", fields("x", fmt.Sprintf(`"ts":%d,"amount":"1.00"`, at)))
	}
	expectReason(t, "accepted", fields("x", fmt.Sprintf(`"ts":%d,"amount":"1.00"`, clock0+600_000)))
	expectReason(t, "schema", fields("x", `"ts":253402300799000,"amount":"1.00"`), fields("x", `"ts":9223372036854775807,"amount":"1.00"`))
	// A file has no clock; its connector says which records are from the future.
	if got, _, _ := outcome(t, sources.Record{Time: event.NoTime, Future: true, Value: []byte(txn("x", "c1", 99999, "1.00"))}); got != "future" {
		t.Errorf("a record that its file calls from the future: %s", got)
	}
}

func TestRow46FarPast(t *testing.T) {
	expectReason(t, "schema", fields("x", `"ts":0,"amount":"1.00"`), fields("x", `"ts":-1,"amount":"1.00"`), fields("x", `"ts":946684799999,"amount":"1.00"`))
	expectReason(t, "late", fields("x", `"ts":946684800000,"amount":"1.00"`))
}

func TestS08OneReasonAndInOrder(t *testing.T) {
	expectReason(t, "filtered", strings.Replace(txn("x", "c1", 0, "1.00"), "ecom", "test", 1))
	// From the future comes before the filter, the filter before late and duplicate.
	expectReason(t, "future", strings.Replace(txn("x", "c1", 9999, "1.00"), "ecom", "test", 1))
	expectReason(t, "filtered", strings.Replace(txn("before", "c1", -99999, "1.00"), "ecom", "test", 1))
	if got, _, _ := outcome(t, sources.Record{Time: event.NoTime, Future: true,
		Value: []byte(strings.Replace(txn("x", "c1", 9, "1.00"), "ecom", "test", 1))}); got != "future" {
		t.Errorf("a filtered record from the future: %s", got)
	}
}

func TestDamagedAndCSVRecords(t *testing.T) {
	reason, text, _ := outcome(t, sources.Record{Value: []byte(`a,"b`), Damaged: "line 2: a quote is not closed"})
	if reason != "decode" || text != "line 2: a quote is not closed" {
		t.Errorf("%s: %s", reason, text)
	}
	names := []string{"txn_id", "ts", "card_id", "channel", "amount"}
	cells := func(texts ...string) sources.Record {
		return sources.Record{Value: []byte(strings.Join(texts, ",")), Cells: &sources.Cells{Names: names, Texts: texts}}
	}
	if reason, _, _ = outcome(t, cells("x", fmt.Sprint(clock0), "c1", "ecom", "1.00")); reason != "accepted" {
		t.Errorf("a good row: %s", reason)
	}
	reason, _, w := outcome(t, cells("x", fmt.Sprint(clock0), "4242424242424242", "ecom", "many"))
	if v := string(w.dead.all()[0].Value); reason != "schema" || !strings.Contains(v, `"amount":"xxxx"`) || strings.Contains(v, "42424242") {
		t.Errorf("%s: %s", reason, v)
	}
}

// A panic in reading is one record's fault: it becomes a dead letter, the run
// goes on, and the log has the place but no value.
func TestPanicWhileReadingIsADeadLetter(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.broker.append(transactions, 0, clock0, txn(fmt.Sprint("t", i), "4242424242424242", i, "1.00"))
	}
	w.broker.ends = true
	c := w.broker.consumer()
	w.broker.assign(c)
	r := w.runner(c, nil)
	made := 0
	r.newReader = func(source int) reader {
		made++
		return &panicReader{reader: w.plan.NewReader(source), on: `"t1"`}
	}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := places(w.decoded()); !reflect.DeepEqual(got, []string{"transactions:0:0", "transactions:0:2"}) {
		t.Errorf("output %v", got)
	}
	if !reflect.DeepEqual(w.reasons(), map[string]int{"decode": 1}) {
		t.Errorf("dead letters %v", w.reasons())
	}
	if s := w.logs.String(); !strings.Contains(s, `"offset":1`) || strings.Contains(s, "4242424242424242") {
		t.Errorf("log %s", s)
	}
	if want := r.Limits.Workers*2 + 1; made != want {
		t.Errorf("%d readers made, want %d: the one that has panicked is replaced", made, want)
	}
}

type panicReader struct {
	reader
	on string
}

func (p *panicReader) Read(value []byte, ev *event.Event) *event.Rejection {
	if strings.Contains(string(value), p.on) {
		panic("bad value " + string(value))
	}
	return p.reader.Read(value, ev)
}
