package features

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// S10 b: a set of ids over many blocks has what was added and is not forgotten,
// and what it has lent stays as it was, whatever comes and goes.
func TestIDsThatAreLentStayAsTheyWere(t *testing.T) {
	random := rand.New(rand.NewPCG(32, 1))
	var r recent
	var all []stamped // as they came; those from first on are not forgotten
	first, stamp := 0, int64(0)
	type loan struct {
		hashes lentHashes
		want   []byte
	}
	var loans []loan
	for i := range uint64(60_000) {
		stamp += int64(random.IntN(3))
		r.add(i, stamp)
		all = append(all, stamped{i, stamp})
		if random.IntN(4000) == 0 {
			was := r.lend()
			if was.len() != len(all)-first {
				t.Fatalf("%d hashes are lent, want %d", was.len(), len(all)-first)
			}
			loans = append(loans, loan{was, bytesOf(was)})
		}
		if random.IntN(500) == 0 {
			until := stamp - int64(random.IntN(9000))
			if random.IntN(20) == 0 {
				until = stamp + 1 // all of them
			}
			r.expire(until)
			for first < len(all) && all[first].stamp < until {
				first++
			}
			for _, at := range []int{first - 1, first, len(all) - 1} {
				if at >= 0 && at < len(all) && r.has(all[at].hash) != (at >= first) {
					t.Fatalf("hash %d of %d, the first of which is %d: known is %v", at, len(all), first, at < first)
				}
			}
		}
	}
	for i, l := range loans {
		if !bytes.Equal(bytesOf(l.hashes), l.want) {
			t.Errorf("loan %d has changed", i)
		}
	}
	if len(loans) < 5 {
		t.Error("the test tests little")
	}
}

// Once warm, ids that come and go take no memory that was not there.
func TestIDsThatComeAndGoAllocateNothing(t *testing.T) {
	var r recent
	n := uint64(0)
	turn := func() {
		for range 5 * recentPerBlock {
			n++
			r.add(n, int64(n))
			r.expire(int64(n) - 3*recentPerBlock)
		}
	}
	turn()
	turn()
	if got := testing.AllocsPerRun(10, turn); got > 1 { // the map is its own
		t.Errorf("%v allocations for %d ids", got, 5*recentPerBlock)
	}
}

func bytesOf(x lentHashes) (b []byte) {
	for i := range x.blocks {
		b = x.appendBlock(b, i)
	}
	return b
}
