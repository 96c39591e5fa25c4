package checks

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/verify/oracle"
)

// token stands for the HMAC that the process makes.
func token(e *spec.Entity, key string) string {
	if e.PII {
		return "h_" + key
	}
	return key
}

// pretend is what a run without faults leaves behind, said by the oracle:
// batches of ten records, the second one tried twice.
func pretend(t *testing.T) *Dump {
	s := load(t, filepath.Join("specs", "dump.freshet.yaml"))
	d := &Dump{Spec: s, Token: token, Rows: map[string]map[string]string{}}
	arrivals := arrivals()
	d.Inputs = slices.Clone(arrivals)
	slices.SortStableFunc(d.Inputs, func(a, b oracle.Record) int {
		return 100*(a.Source-b.Source) + 10*int(a.Partition-b.Partition) + compareInt(a.Offset, b.Offset)
	})
	judge := oracle.New(s)
	for i, r := range arrivals {
		batch, seq := uint64(i/10), uint64(i%10)
		want := judge.Apply(r)
		switch want.Reason {
		case oracle.Accepted:
			owner := uint64(1)
			if batch >= 1 {
				owner = 2
			}
			d.Outputs = append(d.Outputs, enriched(t, d, r, want, batch, owner, seq))
			if batch == 1 && seq < 4 { // the first try of a batch got so far
				d.Outputs = append(d.Outputs, enriched(t, d, r, want, batch, 1, 9-seq))
			}
		case oracle.Filtered, oracle.Duplicate:
		default:
			d.DeadLetters = append(d.DeadLetters, DeadLetter{s.Sources[r.Source].Name, r.Partition, r.Offset, want.Reason})
		}
	}
	for _, r := range judge.Rows() {
		d.Rows[d.rowKey(r)] = hash(judge, r)
	}
	return d
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// arrivals are records of both sources, some late, some twice, some bad.
func arrivals() []oracle.Record {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	offsets := map[[2]int]int64{}
	var list []oracle.Record
	for i := range 300 {
		now = now.Add(time.Duration(random.IntN(20_000)) * time.Millisecond)
		at := now
		if random.IntN(8) == 0 {
			at = at.Add(-time.Duration(random.IntN(90_000)) * time.Millisecond)
		}
		r := oracle.Record{Source: random.IntN(4) / 3, Partition: int32(random.IntN(2)), Time: oracle.NoTime}
		channel := "ecom"
		if random.IntN(20) == 0 {
			channel = "test"
		}
		r.Value = fmt.Appendf(nil, `{"id":"p%d","at":%q,"card":"c%d","user":"u%d","channel":%q,"amount":%d.25}`,
			i-random.IntN(20)/19, at.Format(timeLayout), random.IntN(5), random.IntN(3), channel, random.IntN(50))
		if random.IntN(30) == 0 {
			r.Value = r.Value[:20]
		}
		if i > 0 && random.IntN(15) == 0 {
			r.Source, r.Value = list[i-1].Source, list[i-1].Value
		}
		p := [2]int{r.Source, int(r.Partition)}
		r.Offset = offsets[p]
		offsets[p]++
		list = append(list, r)
	}
	return list
}

func enriched(t *testing.T, d *Dump, r oracle.Record, want *oracle.Outcome, batch, owner, seq uint64) []byte {
	src := d.Spec.Sources[r.Source]
	features, statuses, entities := map[string]any{}, map[string]string{}, map[string]string{}
	for _, c := range oracle.Columns(d.Spec, src) {
		result := want.Value(c)
		features[c.Name] = result.Value
		if result.Status != oracle.Present {
			statuses[c.Name] = result.Status
		}
	}
	for _, e := range d.Spec.Entities {
		if key, has := want.Key(e); has {
			entities[e.Name] = token(e, key)
		}
	}
	var scores []any
	for _, m := range d.Spec.Models {
		if m.Service.On != src {
			continue
		}
		s := want.Score(m)
		var reasons []map[string]string
		for _, code := range s.Reasons {
			reasons = append(reasons, map[string]string{"code": code})
		}
		scores = append(scores, map[string]any{"model": "risk@3", "score": s.Value, "band": s.Band, "reasons": reasons})
	}
	raw, err := json.Marshal(map[string]any{
		"event_id": want.ID(), "event_time": time.UnixMilli(want.Time()).UTC().Format(timeLayout), "source": src.Name,
		"entities": entities, "features": features, "statuses": statuses, "scores": scores,
		"provenance": map[string]any{"place": d.placeOf(r), "batch": batch, "owner": owner, "seq": seq},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func hash(judge *oracle.Oracle, r oracle.Row) map[string]string {
	asOf, _ := judge.NewestOf(r.View, r.Key)
	h := map[string]string{"_v": "0", "_as_of": fmt.Sprint(asOf)}
	var statuses []string
	reading := judge.Read(r.View, r.Key, asOf)
	for _, f := range online(r.View) {
		result := reading.Feature(f)
		if result.Value != nil {
			h[f.Short] = fmt.Sprint(result.Value)
		}
		if result.Status != oracle.Present {
			statuses = append(statuses, f.Short+"="+result.Status)
		}
	}
	h["_status"] = strings.Join(statuses, ",")
	return h
}

func TestCheckOfAGoodRun(t *testing.T) {
	v := Check(pretend(t))
	t.Log(v)
	if !v.OK() {
		t.Error("problems in a run without any")
	}
	if v.Void == 0 || v.DeadLetters == 0 || v.Drops[oracle.Duplicate] == 0 || v.Drops[oracle.Filtered] == 0 || v.Rows == 0 || v.Values == 0 {
		t.Error("the run does not exercise what it is there for")
	}
	if v.Outputs+v.DeadLetters+v.Drops[oracle.Duplicate]+v.Drops[oracle.Filtered] != v.Inputs {
		t.Error("the parts do not add up to the inputs")
	}
}

func TestARowThatIsNotReadIsThere(t *testing.T) {
	d := pretend(t)
	all := Check(pretend(t))
	for key := range d.Rows {
		d.Rows[key] = nil
		break
	}
	if v := Check(d); !v.OK() || v.Rows != all.Rows || v.RowsCompared != all.Rows-1 || v.RowValues >= all.RowValues {
		t.Errorf("%v, want one row of %d that is not compared", v, all.Rows)
	}
}

// TestCheckCatches damages the good run in one way each.
func TestCheckCatches(t *testing.T) {
	anyRow := func(d *Dump) string {
		for key := range d.Rows {
			if strings.Contains(key, "card_velocity") {
				return key
			}
		}
		panic("no row")
	}
	replace := func(i int, old, new string) func(*Dump) {
		return func(d *Dump) {
			changed := strings.Replace(string(d.Outputs[i]), old, new, 1)
			if changed == string(d.Outputs[i]) {
				panic("nothing to damage: " + changed)
			}
			d.Outputs[i] = []byte(changed)
		}
	}
	for _, c := range []struct {
		name   string
		damage func(*Dump)
		says   string
	}{
		{"a lost record", func(d *Dump) { d.Outputs = d.Outputs[1:] }, "lost"},
		{"a record applied twice", func(d *Dump) {
			d.Outputs = append(d.Outputs, []byte(strings.Replace(string(d.Outputs[0]), `"batch":0`, `"batch":77`, 1)))
		}, "twice in the output"},
		{"a record of nothing", func(d *Dump) {
			d.Outputs = append(d.Outputs, []byte(strings.Replace(string(d.Outputs[0]), `"place":"payments:`, `"place":"payments:7`, 1)))
		}, "no such input"},
		{"a wrong count", replace(30, `"card_velocity.txn_count_1m":`, `"card_velocity.txn_count_1m":7`), "txn_count_1m"},
		{"a wrong sum by a cent", replace(0, `.25,"card_velocity.is_new`, `.26,"card_velocity.is_new`), "amount_sum_10m"},
		{"a wrong status", replace(0, `"statuses":{`, `"statuses":{"card_velocity.txn_count_1m":"DEFAULT",`), "status of card_velocity.txn_count_1m"},
		{"a feature too many", replace(0, `"features":{`, `"features":{"x.y":1,`), "nobody asked for"},
		{"a wrong band", replace(0, `"band":"allow"`, `"band":"block"`), "risk@3"},
		{"a raw key", replace(0, `"card":"h_`, `"card":"`), "entity card"},
		{"a forgotten dead letter", func(d *Dump) { d.DeadLetters = d.DeadLetters[1:] }, "dead letter"},
		{"a wrong reason", func(d *Dump) { d.DeadLetters[0].Reason = "future" }, "dead letter"},
		{"both letter and record", func(d *Dump) {
			d.DeadLetters = append(d.DeadLetters, DeadLetter{"payments", 0, 0, "late"}, DeadLetter{"payments", 1, 0, "late"})
		}, "both an output and a dead letter"},
		{"a lost row", func(d *Dump) { delete(d.Rows, anyRow(d)) }, "missing"},
		{"a row of nobody", func(d *Dump) { d.Rows["freshet:dump:{card:h_c99}:card_velocity@1"] = d.Rows[anyRow(d)] }, "no event made it"},
		{"a row of nobody, not read", func(d *Dump) { d.Rows["freshet:dump:{card:h_c99}:card_velocity@1"] = nil }, "no event made it"},
		{"a stale row", func(d *Dump) { d.Rows[anyRow(d)]["_as_of"] = "1" }, "_as_of"},
		{"a wrong row", func(d *Dump) { d.Rows[anyRow(d)]["txn_count_10m"] = "1000" }, "txn_count_10m"},
		{"a null written as zero", func(d *Dump) { d.Rows[anyRow(d)]["is_new_user_10m"] = "0" }, "no feature of it"},
		{"two records in one place of the order", func(d *Dump) {
			d.Outputs[5] = regexp.MustCompile(`"provenance":{"batch":\d+`).ReplaceAll(d.Outputs[5], []byte(`"provenance":{"batch":0`))
			for i, o := range d.Outputs {
				d.Outputs[i] = regexp.MustCompile(`"batch":0,(.*)"seq":\d+`).ReplaceAll(o, []byte(`"batch":0,$1"seq":3`))
			}
		}, "is both"},
		{"the first try counted", func(d *Dump) {
			for i, o := range d.Outputs {
				if strings.Contains(string(o), `"batch":1,"owner":2`) {
					d.Outputs = slices.Delete(d.Outputs, i, i+1)
					return
				}
			}
		}, "tried again without it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := pretend(t)
			c.damage(d)
			v := Check(d)
			if v.OK() || !strings.Contains(strings.Join(v.Problems, "\n"), c.says) {
				t.Errorf("not caught as %q: %v", c.says, v)
			}
		})
	}
}
