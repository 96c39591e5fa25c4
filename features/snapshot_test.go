package features_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// wordy is every way in which a state holds texts, and blocks of every kind.
const wordy = `
  v:
    version: 1
    source: pay
    entity: card
    ttl: 20s
    event_budget: 6
    features:
      last:  {aggregation: last, field: mcc, windows: [10s]}
      first: {aggregation: first, field: mcc}
      mode:  {aggregation: mode, field: mcc, windows: [10s]}
      modes: {aggregation: mode, field: mcc}
      best:  {aggregation: argmax, field: mcc, order_by: qty}
      tail:  {aggregation: list_last, field: mcc, limit: 4}
      diff:  {aggregation: list_distinct, field: mcc, limit: 4}
      by:    {aggregation: sum, field: qty, by: mcc, top: 2, windows: [10s]}
      q:     {aggregation: quantile, field: qty, q: 0.5, windows: [10s]}
      qs:    {aggregation: quantile, field: qty, q: 0.5}
      max:   {aggregation: max, field: qty, windows: [5s]}
      uniq:  {aggregation: count_distinct, field: mcc, windows: [10s]}
      ever:  {aggregation: count_distinct, field: mcc}
      run:   {aggregation: streak, filter: 'ok'}
      new:   {aggregation: is_new, field: mcc, windows: [10s]}
  w:
    version: 1
    source: pay
    entity: user
    ttl: 1h
    features:
      last: {aggregation: last, field: mcc, windows: [10s]}
      sum:  {aggregation: sum, field: qty, session: 3s}
  k:
    version: 1
    source: act
    entity: user
    ttl: 1h
    features:
      n: {aggregation: count, windows: [10s]}
`

// sent is a record that was made for a run.
type sent struct {
	source string
	event  event.Event
	text   string
}

// payments makes records of the run's spec, in some partitions, some twice, some
// late, of some cards; of a source that retracts, some take others back.
func (r *run) payments(random *rand.Rand, n, cards int, retracts bool) []sent {
	var all []sent
	for i := range n {
		at := start.UnixMilli() + int64(i*200-random.IntN(3)*random.IntN(3000))
		x := sent{source: "pay", text: fmt.Sprintf(`{"at":%d,"id":"i%d","card":"c%d","user":"u%d","qty":%d,"ok":%v,"mcc":"m%d"`, at, i, random.IntN(cards), random.IntN(3), random.IntN(9), random.IntN(4) > 0, random.IntN(7))}
		switch {
		case i%9 == 8:
			x.text = fmt.Sprintf(`{"at":%d,"user":"u%d","kind":"k"`, at, random.IntN(3))
			x.event.Source = 1
		case retracts && i%7 == 6:
			x.text += fmt.Sprintf(`,"undo":"i%d"`, i-random.IntN(12))
		}
		if x.text += "}"; i%5 == 4 {
			again := all[len(all)-1-random.IntN(4)]
			x.text, x.event.Source = again.text, again.event.Source
		}
		x.event.Partition, x.event.RecordTime = int32(random.IntN(3)), event.NoTime
		place := [2]int{x.event.Source, int(x.event.Partition)}
		x.event.Offset = r.offsets[place]
		r.offsets[place]++
		all = append(all, x)
	}
	return all
}

// give has an engine read a record, and says all that it made of it.
func (r *run) give(e *features.Engine, x sent, out *features.Vector) string {
	ev := x.event
	if rejection := r.readers[ev.Source].Read([]byte(x.text), &ev); rejection != nil {
		return rejection.Reason.String()
	}
	if rejection := e.Admit(&ev); rejection != nil {
		return rejection.Reason.String()
	}
	e.Apply(&ev, out)
	if out == nil {
		return ""
	}
	var b strings.Builder
	for i, c := range r.plan.Layout(ev.Source).Columns {
		fmt.Fprintf(&b, "%s %s; ", c.Name, shown(out.Values[i], c.Scale, out.Statuses[i]))
	}
	return b.String()
}

// shown is show for maps too.
func shown(v event.Value, scale int, s features.Status) string {
	if v.Kind() != event.Map {
		return show(v, scale, s)
	}
	text := s.String()
	for _, x := range v.Entries() {
		text += " " + x.Key + ":" + show(x.Value, scale, features.Present)
	}
	return text
}

// photo is a snapshot that is written beside a run.
type photo struct {
	begin, end         int
	admission, refused []byte
	groups             [features.NumGroups][]byte
	cuts               [features.NumGroups]features.Cuts
	first, last, now   features.Cuts
	writing            int
	open               bool // a group is being written
}

// write begins to write a group; the one before is written to its end.
func (p *photo) write(e *features.Engine, group int, cuts features.Cuts) {
	p.finish(e)
	e.BeginGroup(group)
	p.writing, p.open, p.cuts[group] = group, true, cuts
}

func (p *photo) finish(e *features.Engine) {
	for p.open {
		p.groups[p.writing], p.open = e.AppendSome(p.groups[p.writing], 1<<20)
	}
}

// take writes what is due behind record i; next is the key of the one to come.
func (p *photo) take(e *features.Engine, i int, x sent, next string) {
	if p.now == nil {
		p.now = features.Cuts{make([]int64, 3), make([]int64, 3)}
	}
	p.now[x.event.Source][x.event.Partition] = x.event.Offset + 1
	cuts := func() features.Cuts { return features.Cuts{slices.Clone(p.now[0]), slices.Clone(p.now[1])} }
	if i == p.begin {
		p.admission, p.first = e.BeginSnapshot().Append(nil), cuts()
	}
	for g := range p.groups {
		if i == p.begin+g*7%(p.end-p.begin+1) && p.cuts[g] == nil {
			p.write(e, g, cuts())
		}
	}
	if i >= p.begin && i < p.end && next != "" { // a group that is about to change
		if g := e.Group(next); p.cuts[g] == nil {
			p.write(e, g, cuts())
		}
	}
	if p.open {
		p.groups[p.writing], p.open = e.AppendSome(p.groups[p.writing], 1+i%700)
	}
	if i == p.end {
		p.finish(e)
		p.refused, p.last = e.EndSnapshot(nil), cuts()
	}
}

// restored is another engine with the photo's state and the records that came
// since.
func (p *photo) restored(t testing.TB, r *run, o features.Options, all []sent) *features.Engine {
	t.Helper()
	e := features.NewEngine(r.plan, o)
	back := features.NewRestore(e, r.plan.LogIDs())
	if n := len(back.Rebuilt()); n > 0 || back.FromStart(0) {
		t.Fatalf("%d logs to be rebuilt", n)
	}
	for g := range p.groups {
		checked, err := back.Check(g, slices.Clone(p.groups[g]))
		if err != nil {
			t.Fatal(err)
		}
		back.Attach(checked, p.cuts[g])
	}
	if err := back.Admission(bytes.NewReader(p.admission), p.refused, p.first, p.last); err != nil {
		t.Fatal(err)
	}
	below := func(c features.Cuts, x sent) bool { return x.event.Offset < c[x.event.Source][x.event.Partition] }
	for _, x := range all {
		if below(p.last, x) && !below(p.first, x) {
			r.give(e, x, nil)
		}
	}
	e.EndReplay()
	for _, x := range all {
		if !below(p.last, x) {
			r.give(e, x, nil)
		}
	}
	e.DropTouches()
	return e
}

// TestRestoredEngineGoesOnAsIfNothingWas compares an engine that was restored
// with the one that wrote the snapshot, over all that comes later: texts of
// every kind, budgets, retractions, the key cap.
func TestRestoredEngineGoesOnAsIfNothingWas(t *testing.T) {
	compared := 0
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 19))
		text, cards := specOf(wordy), 1+random.IntN(40)
		retracts := seed%4 == 3
		if retracts {
			lines := slices.DeleteFunc(strings.Split(wordy, "\n"), func(l string) bool { return strings.Contains(l, "quantile") })
			text = retracting(strings.Join(lines, "\n"))
		}
		o := features.Options{Seed: [16]byte{7}, Few: int(seed % 3)}
		if seed%5 == 4 {
			o.MaxKeys = 2 * features.NumGroups
			cards = 1500
		}
		r := newRun(t, text)
		e := features.NewEngine(r.plan, o)
		n := 150 + random.IntN(300)
		all := r.payments(random, n, cards, retracts)
		p := &photo{begin: random.IntN(n / 2)}
		p.end = p.begin + random.IntN(n/4)
		lost := p.end + random.IntN(n/8)
		var other *features.Engine
		for i, x := range all {
			want := r.give(e, x, r.vectors[x.event.Source])
			if other != nil {
				if got := r.give(other, x, r.vectors[x.event.Source]); got != want {
					t.Fatalf("seed %d, record %d of %d (snapshot %d to %d, lost %d): %s\n%s\nwant\n%s", seed, i, n, p.begin, p.end, lost, x.text, got, want)
				}
			}
			next := ""
			if i+1 < n && random.IntN(3) > 0 {
				_, next, _ = strings.Cut(all[i+1].text, `"card":"`)
				next, _, _ = strings.Cut(next, `"`)
			}
			p.take(e, i, x, next)
			if i == lost {
				e.DropTouches()
				other = p.restored(t, r, o, all[:i+1])
			}
		}
		e.DropTouches()
		other.DropTouches()
		if other.Stats().Logs[0].Keys != e.Stats().Logs[0].Keys {
			continue // which idle entities were forgotten already is a matter of chance
		}
		compared++
		if got, want := other.Texts(), e.Texts(); got != want {
			t.Errorf("seed %d: %d texts are held, want %d", seed, got, want)
		}
	}
	if compared < 30 {
		t.Errorf("texts were compared in %d cases", compared)
	}
}

// Many entities of one group, in states of both kinds, come back.
func TestSnapshotOfManyEntities(t *testing.T) {
	r := newRunOf(t, specOf(capped), 2)
	for i := range 20_000 {
		r.pay(fmt.Sprint(i, "ms"), fmt.Sprintf(`"card":"c%d","qty":1,"mcc":"m%d"`, i*i%9_001, i%300))
	}
	r.engine.DropTouches()
	p := &photo{}
	p.take(r.engine, 0, sent{}, "")
	other := p.restored(t, r, features.Options{Seed: [16]byte{7}, Few: 2}, nil)
	view := r.plan.Reads()[0].View
	var a, b features.Row
	for i := range 9_001 {
		key := fmt.Sprint("c", i)
		r.engine.Read(view, key, start.UnixMilli()+20_500, &a)
		other.Read(view, key, start.UnixMilli()+20_500, &b)
		for j := range a.Values {
			if !a.Values[j].Equal(b.Values[j]) || a.Statuses[j] != b.Statuses[j] {
				t.Fatalf("%s of %s: %v %s, want %v %s", a.Layout.Columns[j].Name(), key, b.Values[j], b.Statuses[j], a.Values[j], a.Statuses[j])
			}
		}
	}
	// What is written of it again is what was read, but for where texts stand.
	if got, want := len(other.AppendGroup(nil, 9)), len(p.groups[9]); got != want {
		t.Errorf("group 9 is %d bytes again, was %d", got, want)
	}
	if got, want := other.Stats().Logs[0].Bytes, r.engine.Stats().Logs[0].Bytes; got > want*11/10 {
		t.Errorf("%d bytes of memory, %d before", got, want)
	}
}

// A snapshot is refused under another seed, as another group, in another format
// and where it was damaged; the engine is as it was.
func TestSnapshotIsRefused(t *testing.T) {
	r := newRunOf(t, specOf(wordy), 1)
	for _, x := range r.payments(rand.New(rand.NewPCG(1, 1)), 400, 30, false) {
		r.give(r.engine, x, nil)
	}
	r.engine.DropTouches()
	group := r.engine.Group("c1")
	raw := r.engine.AppendGroup(nil, group)
	check := func(seed byte, group int, raw []byte) error {
		back := features.NewRestore(features.NewEngine(r.plan, features.Options{Seed: [16]byte{seed}}), r.plan.LogIDs())
		_, err := back.Check(group, raw)
		return err
	}
	if err := check(7, group, slices.Clone(raw)); err != nil {
		t.Fatal(err)
	}
	if check(8, group, slices.Clone(raw)) == nil || check(7, group+1, slices.Clone(raw)) == nil {
		t.Error("another seed, or another group, is taken")
	}
	other := slices.Clone(raw)
	other[4]++
	if check(7, group, other) == nil {
		t.Error("another format is taken")
	}
	for n := 0; n < len(raw); n += 1 + n/50 {
		if check(7, group, slices.Clone(raw[:n])) == nil {
			t.Fatalf("%d of %d bytes are taken", n, len(raw))
		}
	}
	admission, refused := r.engine.BeginSnapshot().Append(nil), r.engine.EndSnapshot(nil)
	for n := 0; n < len(admission); n += 1 + n/50 {
		e := features.NewEngine(r.plan, features.Options{Seed: [16]byte{7}})
		if features.NewRestore(e, r.plan.LogIDs()).Admission(bytes.NewReader(admission[:n]), refused, nil, nil) == nil {
			t.Fatalf("%d of %d bytes of the admission are taken", n, len(admission))
		}
	}
}

// FuzzSnapshotGroup has the loader read bytes of anyone: it never panics, and
// what it takes it can attach.
func FuzzSnapshotGroup(f *testing.F) {
	r := &run{t: nil, plan: compile(f, specOf(wordy)), offsets: map[[2]int]int64{}}
	r.readers = []*features.Reader{r.plan.NewReader(0), r.plan.NewReader(1)}
	o := features.Options{Seed: [16]byte{7}, Few: 1}
	e := features.NewEngine(r.plan, o)
	for _, x := range r.payments(rand.New(rand.NewPCG(1, 1)), 400, 30, false) {
		r.give(e, x, nil)
	}
	e.DropTouches()
	group := e.Group("c1")
	f.Add(e.AppendGroup(nil, group), 0, byte(0))
	f.Fuzz(func(_ *testing.T, raw []byte, at int, flip byte) {
		raw = slices.Clone(raw)
		if len(raw) > 0 {
			raw[uint(at)%uint(len(raw))] ^= flip
		}
		back := features.NewRestore(features.NewEngine(r.plan, o), r.plan.LogIDs())
		if g, err := back.Check(group, raw); err == nil {
			back.Attach(g, nil)
		}
	})
}

// LogID.Hash follows what the state is made of, and nothing else.
func TestLogIDFollowsTheState(t *testing.T) {
	base := specOf(wordy)
	of := func(text string) []string {
		var hashes []string
		for _, id := range compile(t, text).LogIDs() {
			hashes = append(hashes, id.Hash)
		}
		return hashes
	}
	want := of(base)
	for name, text := range map[string]string{
		"the name of a view":    strings.Replace(base, "\n  w:\n", "\n  ww:\n", 1),
		"the name of a feature": strings.Replace(base, "      tail:", "      tails:", 1),
		"min_count":             strings.Replace(base, "q: 0.5, windows: [10s]", "q: 0.5, min_count: 3, windows: [10s]", 1),
		"a default":             strings.Replace(base, "field: qty, windows: [5s]", "field: qty, default: 0, windows: [5s]", 1),
	} {
		if got := of(text); text == base || !slices.Equal(got, want) {
			t.Errorf("%s changes the state", name)
		}
	}
	for name, text := range map[string]string{
		"a window":   strings.Replace(base, "field: qty, windows: [5s]", "field: qty, windows: [6s]", 1),
		"a filter":   strings.Replace(base, "filter: 'ok'", "filter: '!ok'", 1),
		"a field":    strings.Replace(base, "aggregation: first, field: mcc", "aggregation: first, field: qty", 1),
		"the budget": strings.Replace(base, "event_budget: 6", "event_budget: 7", 1),
		"ttl":        strings.Replace(base, "ttl: 20s", "ttl: 21s", 1),
		"a feature":  strings.Replace(base, "      run: ", "      runs:  {aggregation: streak, filter: '!ok'}\n      run: ", 1),
	} {
		if got := of(text); got[0] == want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("%s does not change the state of its log, and of no other: %v, was %v", name, got, want)
		}
	}
	late := of(strings.Replace(base, "allowed_lateness: 1m", "allowed_lateness: 2m", 1))
	if late[0] == want[0] || late[1] == want[1] || late[2] != want[2] {
		t.Errorf("what a source accepts does not change the state of its logs, and of no other: %v, was %v", late, want)
	}
}

// Thousands of damaged groups are refused or attached, without a panic.
func TestSnapshotOfAnyBytes(t *testing.T) {
	r := newRunOf(t, specOf(wordy), 1)
	random := rand.New(rand.NewPCG(19, 1))
	for _, x := range r.payments(random, 400, 30, false) {
		r.give(r.engine, x, nil)
	}
	r.engine.DropTouches()
	group, o := r.engine.Group("c1"), features.Options{Seed: [16]byte{7}, Few: 1}
	raw, attached := r.engine.AppendGroup(nil, group), 0
	back := features.NewRestore(features.NewEngine(r.plan, o), r.plan.LogIDs())
	for range 20_000 {
		damaged := slices.Clone(raw)
		for range 1 + random.IntN(2) {
			switch at := random.IntN(len(damaged) - 8); random.IntN(4) {
			case 0:
				damaged[at] ^= 1 << random.IntN(8)
			case 1:
				damaged[at] = byte(random.IntN(256))
			case 2:
				clear(damaged[at : at+8])
			default:
				copy(damaged[at:], damaged[random.IntN(len(damaged)):])
			}
		}
		if _, err := back.Check(group, slices.Clone(damaged)); err != nil {
			continue
		}
		fresh := features.NewRestore(features.NewEngine(r.plan, o), r.plan.LogIDs())
		g, err := fresh.Check(group, damaged)
		if err != nil {
			t.Fatal(err)
		}
		fresh.Attach(g, nil)
		if attached++; attached == 300 {
			break
		}
	}
	if attached == 0 {
		t.Error("no damage was in a number")
	}
}
