package checks

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/features"
)

// Arroyo's tumbling and hopping windows are [start, end): our window of the
// same length, read one millisecond before its end. Its sessions end at the
// last event plus the gap, and the event exactly there belongs to the next one,
// as here (S23).
//
// Not expressed: reinvoke_window_function (a window function over the results
// of a window: features are over events) and aggregate_updates (the change log
// of a table, for which the files hold no expected output).

// lines reads a file of JSON objects, gzipped or not.
func lines(t *testing.T, name string, each func(map[string]any)) {
	t.Helper()
	f, err := os.Open(data(t, filepath.Join("arroyo", name)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	for scanner := bufio.NewScanner(in); scanner.Scan(); {
		var object map[string]any
		if err := json.Unmarshal(scanner.Bytes(), &object); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		each(object)
	}
}

// millis is a time of the files, with or without a zone.
func millis(t *testing.T, v any) int64 {
	t.Helper()
	text := v.(string)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMilli()
		}
	}
	t.Fatalf("no time: %q", text)
	return 0
}

// aligned asks the engine what windows that end at fixed times hold, each once
// all its events have come.
type aligned struct {
	*stream
	waits  int64 // ms after a window's end until it is read
	next   int64 // ms: the next end
	every  int64 // ms
	newest int64
	ask    func(end int64)
}

// advance reads every window that is due once an event of time t has come.
func (a *aligned) advance(t int64) {
	a.newest = max(a.newest, t)
	if a.next == 0 {
		a.next = (t/a.every + 1) * a.every
	}
	for ; a.next+a.waits <= a.newest; a.next += a.every {
		a.ask(a.next)
	}
}

// read is one feature of a view at t; 0 where it has no value.
func (s *stream) read(view, key, short string, t int64) float64 {
	s.t.Helper()
	var row features.Row
	for _, layout := range s.plan.Rows() {
		if layout.View.Name != view {
			continue
		}
		s.engine.Read(layout.View, key, t, &row)
		for i, c := range layout.Columns {
			if c.Feature.Short == short {
				switch x := plain(row.Values[i], c.Scale).(type) {
				case nil:
					return 0
				case float64:
					return x
				}
			}
		}
	}
	s.t.Fatalf("no feature %s.%s", view, short)
	return 0
}

// TestArroyoCars: 7,932 events out of order by up to 23 s, in tumbling windows
// of an hour by event type (51 rows) and in all (26), and the busiest driver of
// the last hour at every minute (1,557).
func TestArroyoCars(t *testing.T) {
	type hour struct {
		kind string
		end  int64
	}
	hourly, all := map[hour]float64{}, map[int64]float64{}
	lines(t, "hourly_by_event_type.json", func(o map[string]any) {
		hourly[hour{o["event_type"].(string), millis(t, o["hour"]) + time.Hour.Milliseconds()}] = o["count"].(float64)
	})
	lines(t, "tight_watermark.json", func(o map[string]any) { all[millis(t, o["timestamp"])] = o["count"].(float64) })
	type top struct {
		driver string
		count  float64
	}
	busiest := map[int64]top{}
	lines(t, "most_active_driver_last_hour.json", func(o map[string]any) {
		busiest[millis(t, o["end"])] = top{strconv.Itoa(int(o["driver_id"].(float64))), o["count"].(float64)}
	})
	if len(hourly) != 51 || len(all) != 26 || len(busiest) != 1557 {
		t.Fatalf("%d, %d and %d rows in the files, want 51, 26 and 1557", len(hourly), len(all), len(busiest))
	}

	a := &aligned{stream: newStream(t, load(t, filepath.Join("specs", "arroyo_cars.freshet.yaml")), 500), waits: 23_000, every: 60_000}
	compared := 0
	same := func(what string, end int64, got, want float64) {
		t.Helper()
		compared++
		if got != want {
			t.Errorf("%s, window until %s: %v, the file says %v", what, time.UnixMilli(end).UTC().Format(time.DateTime), got, want)
		}
	}
	a.ask = func(end int64) {
		at := end - 1
		if end%time.Hour.Milliseconds() == 0 {
			for _, kind := range []string{"pickup", "dropoff"} {
				same(kind, end, a.read("kind_hour", kind, "events_1h", at), hourly[hour{kind, end}])
			}
			same("all", end, a.read("fleet_hour", "all", "events_1h", at), all[end])
		}
		want := busiest[end]
		n := a.read("fleet_hour", "all", "events_1h", at)
		// Drivers that are equally busy: the file names one of them.
		same("driver "+want.driver, end, a.read("driver_hour", want.driver, "events_1h", at), want.count)
		same("the busiest", end, math.Round(a.read("fleet_drivers", "all", "busiest_share_1h", at)*n), want.count)
	}
	events := 0
	lines(t, "cars.json.gz", func(o map[string]any) {
		a.apply(0, o)
		a.advance(millis(t, o["timestamp"]))
		events++
	})
	a.advance(a.newest + 2*time.Hour.Milliseconds())
	if want := 3*26 + 2*len(busiest); events != 7932 || compared < want {
		t.Errorf("%d events and %d windows compared, want 7932 and at least %d", events, compared, want)
	}
	t.Attr("counted", fmt.Sprintf("%d events, %d values of windows equal; %d values of %d records equal the oracle's", events, compared, a.values, a.judged))
}

// TestArroyoImpulse: a counter in hopping windows of 10 s every 2 s (14 rows),
// and in sessions with a gap of 20 s by user (91).
func TestArroyoImpulse(t *testing.T) {
	s := newStream(t, load(t, filepath.Join("specs", "arroyo_impulse.freshet.yaml")), 100)
	lines(t, "impulse.json", func(o map[string]any) {
		o["user_id"] = o["counter"]
		if int(o["counter"].(float64))%10 == 0 { // as the query has it
			o["user_id"] = 0
		}
		s.apply(0, o)
	})
	rows, compared := 0, 0
	same := func(what string, got, want float64) {
		t.Helper()
		compared++
		if got != want {
			t.Errorf("%s: %v, the file says %v", what, got, want)
		}
	}
	lines(t, "sliding_window_end.json", func(o map[string]any) {
		rows++
		at := millis(t, o["end"]) - 1
		for _, name := range []string{"count", "min", "max"} {
			same(fmt.Sprint(name, " until ", o["end"]), s.read("stream", "all", name+"_10s", at), o[name].(float64))
		}
	})
	lines(t, "session_window.json", func(o map[string]any) {
		rows++
		user := strconv.Itoa(int(o["user_id"].(float64)))
		start, end := millis(t, o["start"]), millis(t, o["end"])
		same("rows of user "+user, s.read("user", user, "rows", end-1), o["rows"].(float64))
		same("start of user "+user, s.read("user", user, "start", end-1), float64(start))
		same("end of user "+user, s.read("user", user, "last", end-1)+20_000, float64(end))
		same("rows of user "+user+" at its end", s.read("user", user, "rows", end), 0)
	})
	if rows != 14+91 {
		t.Errorf("%d rows in the files, want 105", rows)
	}
	t.Attr("counted", fmt.Sprintf("%d windows, %d values equal; %d values of %d records equal the oracle's", rows, compared, s.values, s.judged))
}
