package features_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet-dev/freshet/features"
)

const capped = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 1h
    online: all
    features:
      n:     {aggregation: count, windows: [10s]}
      old:   {aggregation: count, windows: [10s], delay: 10s}
      ever:  {aggregation: count}
      three: {aggregation: sum, field: qty, last: [3]}
      word:  {aggregation: last, field: mcc, windows: [10s]}
`

const groups = 256

// cappedRun has groups of share entities.
func cappedRun(t *testing.T, share, few int) *run {
	r := newRunOf(t, specOf(capped), few)
	r.engine = features.NewEngine(r.plan, features.Options{Seed: [16]byte{7}, Few: few, MaxKeys: share * groups})
	return r
}

// neighbours are n keys in the group of "a", "a" first.
func neighbours(r *run, n int) []string {
	keys := []string{"a"}
	for i := 0; len(keys) < n; i++ {
		if key := fmt.Sprint("k", i); r.engine.Group(key) == r.engine.Group("a") {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestKeyCapLeavesAMark(t *testing.T) {
	for _, few := range []int{0, 1} {
		r := cappedRun(t, 1, few)
		b := neighbours(r, 2)[1]
		r.pay("0s", `"card":"a","qty":1`)
		r.want("v.n_10s", "1", "v.ever", "1", "v.three_last3", "1")
		r.pay("5s", `"card":"`+b+`","qty":1`) // may be one that was evicted
		r.want("v.n_10s", "1 WARMING", "v.old_10s", "0 WARMING", "v.ever", "1 WARMING", "v.three_last3", "1 WARMING")
		r.pay("10s", `"card":"`+b+`","qty":1`)
		r.want("v.n_10s", "2", "v.old_10s", "0 WARMING", "v.three_last3", "2 WARMING")
		r.pay("20s", `"card":"`+b+`","qty":1`)
		r.want("v.n_10s", "1", "v.old_10s", "2", "v.three_last3", "3", "v.ever", "3 WARMING")
		r.wantRead("v.n_10s", b, "21s", "1")
		r.wantRead("v.n_10s", "a", "20s", "0 WARMING") // gone, and its window is known to be empty; its row is not
		r.wantRead("v.n_10s", "a", "59m59s999ms", "0 WARMING")
		r.wantRead("v.n_10s", "a", "1h", "0 NOT_FOUND")
		if s := r.engine.Stats().Logs[0]; s.Evicted != 1 || s.Keys != 1 {
			t.Errorf("%d evicted, %d known, want 1 and 1", s.Evicted, s.Keys)
		}
	}
}

// An event of an evicted entity may lie between the last three.
func TestKeyCapLastEventsAtTheMark(t *testing.T) {
	r := cappedRun(t, 1, 0)
	b := neighbours(r, 2)[1]
	r.pay("0s", `"card":"a","qty":1`)
	for i, want := range []string{"1 WARMING", "2 WARMING", "3 WARMING", "3"} {
		r.pay(fmt.Sprint(i, "s"), `"card":"`+b+`","qty":1`)
		r.want("v.three_last3", want)
	}
}

func TestKeyCapLeavesOtherGroupsAlone(t *testing.T) {
	r := cappedRun(t, 1, 0)
	b := neighbours(r, 2)[1]
	other := "x"
	for r.engine.Group(other) == r.engine.Group("a") {
		other += "x"
	}
	for i, key := range []string{"a", b, other} {
		r.pay(fmt.Sprint(i, "s"), `"card":"`+key+`"`)
	}
	r.want("v.n_10s", "1", "v.ever", "1")
}

// Of equally old entities the smaller key leaves.
func TestKeyCapEvictsByTimeThenKey(t *testing.T) {
	r := cappedRun(t, 3, 0)
	keys := neighbours(r, 5)
	slices.Sort(keys[1:4])
	for _, i := range []int{3, 1, 2} {
		r.pay("1s", `"card":"`+keys[i]+`"`)
	}
	r.pay("2s", `"card":"`+keys[1]+`"`)
	r.pay("3s", `"card":"`+keys[4]+`"`) // 2 and 3 are the oldest
	for i, want := range []string{"2", "0 WARMING", "1", "1 WARMING"} {
		r.wantRead("v.n_10s", keys[i+1], "4s", want)
	}
}

// What is evicted between two calls of Rows has its row written all the same,
// and values do not depend on when Rows is called.
func TestKeyCapWritesRowsOfTheEvicted(t *testing.T) {
	r := cappedRun(t, 1, 0)
	keys := neighbours(r, 3)
	for i, key := range []string{keys[0], keys[1], keys[0], keys[2]} {
		r.pay(fmt.Sprint(i, "s"), `"card":"`+key+`"`)
	}
	var rows []string
	r.engine.Rows(func(row *features.Row) { rows = append(rows, row.Key) })
	if want := []string{keys[0], keys[1], keys[0], keys[2]}; !slices.Equal(rows, want) {
		t.Errorf("rows of %v, want %v", rows, want)
	}
	if n := r.engine.Stats().Logs[0].Evicted; n != 3 {
		t.Errorf("%d evicted, want 3", n)
	}
}

// counted is an entity as the key cap's model has it.
type counted struct {
	born   int // ms
	events []int
}

func (c *counted) newest() int { return slices.Max(c.events) }

// capModel is one group of entities, by brute force.
type capModel struct {
	share, mark int
	known       map[string]*counted
}

func (m *capModel) event(key string, at int) *counted {
	c := m.known[key]
	if c == nil {
		if len(m.known) >= m.share {
			m.evict(max(1, m.share/16))
		}
		c = &counted{born: m.mark}
		m.known[key] = c
	}
	c.events = append(c.events, at)
	return c
}

func (m *capModel) evict(n int) {
	var keys []string
	for key := range m.known {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if d := m.known[a].newest() - m.known[b].newest(); d != 0 {
			return d
		}
		return map[bool]int{true: -1, false: 1}[a < b]
	})
	for _, key := range keys[:n] {
		m.mark = max(m.mark, m.known[key].newest())
		delete(m.known, key)
	}
}

// want is n_10s of an event at a time, which is the entity's last so far.
func (c *counted) want(at int) string {
	n := 0
	for _, e := range c.events {
		if e > at-10_000 && e <= at {
			n++
		}
	}
	if c.born > 0 && at-10_000 < c.born {
		return fmt.Sprint(n, " WARMING")
	}
	return fmt.Sprint(n)
}

func TestKeyCapAgreesWithAModel(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		share := 1 + random.IntN(40)
		r := cappedRun(t, share, int(seed%2))
		m := capModel{share: share, known: map[string]*counted{}}
		keys := neighbours(r, share*3/2+1)
		now := 100_000 // ms; marks are behind 0
		for i := range 3000 {
			now += random.IntN(400)
			at := now - random.IntN(2)*random.IntN(20_000)
			key := keys[random.IntN(len(keys))]
			if random.IntN(3) > 0 {
				key = keys[(i/50+random.IntN(3))%len(keys)]
			}
			r.pay(fmt.Sprint(at, "ms"), fmt.Sprintf(`"card":%q,"qty":1,"mcc":"m%d"`, key, i))
			if got, want := r.get("v.n_10s"), m.event(key, at).want(at); got != want {
				t.Fatalf("seed %d, event %d, %s at %d: n_10s is %s, want %s", seed, i, key, at, got, want)
			}
			if random.IntN(100) == 0 {
				r.engine.Rows(func(*features.Row) {})
			}
		}
		r.engine.DropTouches()
		s := r.engine.Stats().Logs[0]
		if int(s.Keys) != len(m.known) || s.Evicted == 0 {
			t.Errorf("seed %d: %d known, want %d; %d evicted", seed, s.Keys, len(m.known), s.Evicted)
		}
		events := 0
		for _, c := range m.known {
			events += len(c.events)
		}
		if n := r.engine.Texts(); n > events {
			t.Errorf("seed %d: %d texts for %d events", seed, n, events)
		}
	}
}

// A flood of made up keys costs no more than the cap.
func TestKeyCapBoundsMemory(t *testing.T) {
	r := cappedRun(t, 20, 0)
	var full int64
	for i := range 60_000 {
		r.pay(fmt.Sprint(i, "ms"), fmt.Sprintf(`"card":"c%d","qty":1,"mcc":"m%d"`, i, i))
		if i%500 == 0 {
			r.engine.DropTouches()
		}
		if i == 20_000 {
			full = r.engine.Stats().Logs[0].Bytes
		}
	}
	s := r.engine.Stats().Logs[0]
	if s.Keys > 20*groups || s.Keys+s.Evicted != 60_000 {
		t.Errorf("%d known, %d evicted of 60000, at most %d may be known", s.Keys, s.Evicted, 20*groups)
	}
	if s.Bytes > full*11/10 {
		t.Errorf("%d bytes after a third of the keys, %d after all", full, s.Bytes)
	}
	if n := r.engine.Texts(); n > 20*groups+500 {
		t.Errorf("%d texts", n)
	}
}
