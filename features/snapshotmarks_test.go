package features_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// again is the run with an engine that was restored from this one's snapshot.
func (r *run) again(o features.Options) *run {
	r.t.Helper()
	p := &photo{}
	r.engine.DropTouches()
	p.take(r.engine, 0, sent{}, "")
	other := *r
	other.engine = p.restored(r.t, r, o, nil)
	return &other
}

// What is known of entities that are gone is known after a restart.
func TestSnapshotHasTheMarksOfWhatIsGone(t *testing.T) {
	for _, few := range []int{0, 1} {
		r := cappedRun(t, 1, few)
		b := neighbours(r, 2)[1]
		r.pay("0s", `"card":"a","qty":1`)
		r.pay("5s", `"card":"`+b+`","qty":1`) // a is evicted
		r = r.again(features.Options{Seed: [16]byte{7}, Few: few, MaxKeys: groups})
		r.wantRead("v.n_10s", b, "6s", "1 WARMING")
		r.wantRead("v.n_10s", "a", "6s", "0 WARMING")
		r.pay("6s", `"card":"a"`) // b is evicted
		r.want("v.n_10s", "1 WARMING", "v.ever", "1 WARMING")
		if n := r.engine.Stats().Logs[0].Keys; n != 1 {
			t.Errorf("%d keys, want 1", n)
		}

		r = newRunOf(t, specOf(capped), few)
		r.pay("0s", `"card":"a","qty":1`)
		r.engine.DropTouches()
		for i := range 20 {
			r.pay(fmt.Sprint(7200+i, "s"), fmt.Sprintf(`"card":"c%d"`, i))
		}
		r.wantRead("v.n_10s", "a", "0s", "0 INCOMPLETE") // forgotten, an hour after its last event
		r.again(features.Options{Seed: [16]byte{7}, Few: few}).wantRead("v.n_10s", "a", "0s", "0 INCOMPLETE")
	}
}

// What a group has forgotten leaves no doubt in another one, which was written before
// that and has its records still to come.
func TestSnapshotLeavesNoDoubtInOtherGroups(t *testing.T) {
	r := newRunOf(t, specOf(capped), 1)
	late := func(key string) bool { return r.engine.Group(key)*7%5 == 4 } // when photo.take writes its group
	gone := "a"
	for i := 0; !late(gone) || r.engine.Group(gone) == r.engine.Group("b"); i++ {
		gone = fmt.Sprint("a", i)
	}
	var all []sent
	for i, x := range []struct {
		at  time.Duration
		key string
	}{{0, gone}, {30 * time.Minute, "b"}, {62 * time.Minute, "c"}, {62 * time.Minute, "d"}, {62 * time.Minute, "e"}, {63 * time.Minute, "b"}} {
		one := sent{text: fmt.Sprintf(`{"at":%d,"id":"i%d","card":"%s"}`, start.Add(x.at).UnixMilli(), i, x.key)}
		one.event.Offset, one.event.RecordTime = int64(i), event.NoTime
		all = append(all, one)
	}
	p := &photo{begin: 0, end: 4}
	for i, x := range all[:5] {
		r.give(r.engine, x, nil)
		r.engine.DropTouches()
		p.take(r.engine, i, x, map[int]string{0: "b"}[i])
	}
	if n := r.engine.Stats().Logs[0].Keys; n != 4 {
		t.Fatalf("%d keys are known, %s was to be forgotten", n, gone)
	}
	other := *r
	other.engine = p.restored(t, r, features.Options{Seed: [16]byte{7}, Few: 1}, all[:5])
	other.give(other.engine, all[5], other.vectors[0])
	other.want("v.ever", "2", "v.three_last3", "0")
	other.wantRead("v.n_10s", gone, "0s", "0 INCOMPLETE")
}

// A smaller cap than the one that the snapshot was written under is kept from
// the next new key of a group on.
func TestSnapshotUnderASmallerCap(t *testing.T) {
	r := cappedRun(t, 10, 0)
	keys := neighbours(r, 11)
	for i, key := range keys[:10] {
		r.pay(fmt.Sprint(i, "s"), `"card":"`+key+`"`)
	}
	r = r.again(features.Options{Seed: [16]byte{7}, MaxKeys: 3 * groups})
	r.pay("10s", `"card":"`+keys[10]+`"`)
	if s := r.engine.Stats().Logs[0]; s.Keys != 3 {
		t.Errorf("%d keys are known, at most 3 may be", s.Keys)
	}
	r.wantRead("v.n_10s", keys[9], "11s", "1")
}

// A log that was defined otherwise is filled from the earliest record, while
// another one of the same source keeps what it has, with the coverage that it
// had: records from before are not there any more.
func TestSnapshotOfAnotherDefinition(t *testing.T) {
	r := newRunOf(t, specOf(wordy), 1)
	all := r.payments(rand.New(rand.NewPCG(3, 1)), 300, 10, false)
	for _, x := range all[:200] {
		r.give(r.engine, x, nil)
	}
	r.engine.DropTouches()
	p := &photo{}
	for _, x := range all[:200] {
		p.take(r.engine, -1, x, "")
	}
	p.take(r.engine, 0, all[199], "")
	changed := newRunOf(t, strings.Replace(specOf(wordy), "session: 3s", "session: 4s", 1), 1)
	back := features.NewRestore(changed.engine, r.plan.LogIDs())
	if ids := back.Rebuilt(); len(ids) != 1 || ids[0].Source != "pay" || ids[0].Entity != "user" || !back.FromStart(0) || back.FromStart(1) {
		t.Fatalf("to be rebuilt: %v", ids)
	}
	for g := range p.groups {
		checked, err := back.Check(g, p.groups[g])
		if err != nil {
			t.Fatal(err)
		}
		back.Attach(checked, p.cuts[g])
	}
	if err := back.Admission(bytes.NewReader(p.admission), p.refused, p.first, p.last); err != nil {
		t.Fatal(err)
	}
	const earliest = 100 // of what is retained
	for _, x := range all[earliest:200] {
		if x.event.Source == 0 {
			changed.give(changed.engine, x, nil)
		}
	}
	changed.engine.EndReplay()
	changed.engine.SetCoverage(0, features.Coverage{Since: start.UnixMilli() + earliest*200})
	changed.engine.DropTouches()

	fresh := newRunOf(t, strings.Replace(specOf(wordy), "session: 3s", "session: 4s", 1), 1)
	for _, x := range all[:200] {
		fresh.give(fresh.engine, x, nil)
	}
	for _, key := range []string{"c1", "c2", "c3"} {
		for _, name := range []string{"v.modes", "v.q_10s", "v.last_10s", "v.ever"} {
			changed.wantRead(name, key, "41s", fresh.read(name, key, "41s"))
		}
	}
	got := changed.read("w.sum", "u1", "41s")
	if want := fresh.read("w.sum", "u1", "41s"); got != want && got != want+" WARMING" {
		t.Errorf("w.sum is %s, want %s", got, want)
	}
	if got := changed.read("v.modes", "c1", "41s"); strings.Contains(got, "WARMING") {
		t.Errorf("v.modes is %s: its log was read from the start", got)
	}
}

// What a record was refused for before the snapshot it is refused for again,
// where a log that was restored knows it: else its partition would have its id,
// and refuse what is accepted (S10).
func TestS10RefusedTwinsAreRefusedAgainForARebuiltLog(t *testing.T) {
	text := specOf(wordy)
	r := newRunOf(t, text, 1)
	pay := func(r *run, partition int, at, fields, want string) sent {
		t.Helper()
		place := [2]int{0, partition}
		x := sent{event: event.Event{Partition: int32(partition), Offset: r.offsets[place], RecordTime: event.NoTime}}
		if got := r.record("pay", partition, at, fields); got != want {
			t.Errorf("%s at %s is %s, want %s", fields, at, got, want)
		}
		return x
	}
	p := &photo{}
	p.take(r.engine, -1, pay(r, 2, "0s", `"id":"t","user":"u","qty":1`, "accepted"), "")
	p.take(r.engine, -1, pay(r, 0, "0s", `"id":"t","user":"u","qty":1`, "duplicate"), "")
	p.take(r.engine, 0, pay(r, 1, "0s", `"id":"o","card":"c","user":"u","qty":2`, "accepted"), "")

	changed := newRunOf(t, strings.Replace(text, "event_budget: 6", "event_budget: 7", 1), 1)
	back := features.NewRestore(changed.engine, r.plan.LogIDs())
	if ids := back.Rebuilt(); len(ids) != 1 || ids[0].Entity != "card" {
		t.Fatalf("to be rebuilt: %v", ids)
	}
	for g := range p.groups {
		checked, err := back.Check(g, p.groups[g])
		if err != nil {
			t.Fatal(err)
		}
		back.Attach(checked, p.cuts[g])
	}
	if err := back.Admission(bytes.NewReader(p.admission), p.refused, p.first, p.last); err != nil {
		t.Fatal(err)
	}
	pay(changed, 2, "0s", `"id":"t","user":"u","qty":1`, "accepted")
	pay(changed, 0, "0s", `"id":"t","user":"u","qty":1`, "duplicate")
	pay(changed, 1, "0s", `"id":"o","card":"c","user":"u","qty":2`, "accepted")
	changed.engine.EndReplay()
	for _, r := range []*run{r, changed} {
		pay(r, 0, "1s", `"id":"t","user":"u","qty":4`, "accepted") // not a retry: the partition has accepted none
		r.want("w.sum", "7")
	}
}
