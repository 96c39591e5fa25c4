// Package generate makes the traffic of examples/quickstart: payments and the
// activity of the same users, with realistic skew, disorder, duplicates and
// injected fraud. The same options give the same records, byte for byte. It
// writes nowhere and never looks at a clock.
package generate

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"
)

// The sources that records are made for.
const (
	Payments = "payments"
	Activity = "activity"
)

// Options say what is generated. Shares are between 0 and 1, of background
// records; the zero value is clean traffic without fraud.
type Options struct {
	Seed  uint64
	Start time.Time // of event time; zero: DefaultStart
	Rate  float64   // records per second of event time; 0: DefaultRate
	Cards int       // 0: DefaultCards
	Users int       // 0: DefaultUsers

	OutOfOrder float64 // arrive up to MaxDisorder after younger ones
	Duplicates float64 // arrive again, byte for byte
	Late       float64 // are LateBy behind: later than the quickstart allows
	Bad        float64 // would be dead letters

	Fraud      float64 // episodes per background record: 0.002 is one in 500
	FraudKinds []Kind  // which; empty: all
	Labels     bool    // put the kind of fraud into the undeclared field _label
}

// The defaults of Options.
const (
	DefaultRate  = 100
	DefaultCards = 50_000
	DefaultUsers = 40_000
)

// DefaultStart is where event time begins when nothing else is said.
var DefaultStart = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

const (
	// MaxDisorder is how far a record may come after younger ones.
	MaxDisorder = 20 * time.Second
	// LateBy is how old a late record is at least; the quickstart allows 1h.
	LateBy = 65 * time.Minute
)

// Validate says which option makes no sense.
func (o Options) Validate() error {
	for _, share := range []struct {
		name  string
		value float64
	}{{"out-of-order", o.OutOfOrder}, {"duplicates", o.Duplicates}, {"late", o.Late}, {"bad", o.Bad}, {"fraud", o.Fraud}} {
		if !(share.value >= 0 && share.value <= 1) {
			return fmt.Errorf("the share %s is %v: it lies between 0 and 1", share.name, share.value)
		}
	}
	if sum := o.OutOfOrder + o.Late + o.Bad; sum > 1 {
		return fmt.Errorf("the shares out-of-order, late and bad add up to %v: at most 1 is left for them", sum)
	}
	if !(o.Rate >= 0 && o.Rate <= 1e6) {
		return fmt.Errorf("the rate is %v records per second of event time: it lies between 0 and 1000000", o.Rate)
	}
	if o.Cards < 0 || o.Users < 0 || o.Cards > 1e8 || o.Users > 1e8 {
		return fmt.Errorf("%d cards and %d users: at most 100000000 each", o.Cards, o.Users)
	}
	for _, k := range o.FraudKinds {
		if scripts[k] == nil {
			return fmt.Errorf("there is no fraud %q: it is one of %v", k, Kinds())
		}
	}
	return nil
}

// Event is one generated record.
type Event struct {
	Source string // Payments or Activity
	Key    []byte // of the record in the log: the card, or the user
	Value  []byte // JSON
	// Time is the stream's clock when the record arrives, which is its event
	// time unless it is out of order, late, doubled or bad. It never runs
	// backwards.
	Time time.Time
}

// Generator makes records without end.
type Generator struct {
	o        Options
	r        *rand.Rand
	world    *world
	clock    time.Time // of the next background record
	waiting  queue     // records that arrive later
	made     uint64
	prefix   string // of ids: another seed or start never repeats one
	noFuture uint64 // until so many are made, no record from the future
}

// New makes a generator. Options that Validate refuses give strange traffic.
func New(o Options) *Generator {
	if o.Start.IsZero() {
		o.Start = DefaultStart
	}
	o.Start = o.Start.UTC()
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Cards == 0 {
		o.Cards = DefaultCards
	}
	if o.Users == 0 {
		o.Users = DefaultUsers
	}
	if len(o.FraudKinds) == 0 {
		o.FraudKinds = Kinds()
	}
	r := rand.New(rand.NewPCG(o.Seed, 0x66726573686574))
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %d", o.Seed, o.Start.UnixMilli())
	return &Generator{o: o, r: r, world: newWorld(r, o.Cards, o.Users), clock: o.Start, prefix: strconv.FormatUint(uint64(h.Sum32()), 36)}
}

// Next makes the record that arrives next.
func (g *Generator) Next() Event {
	for len(g.waiting) == 0 || g.waiting[0].Time.After(g.clock) {
		g.background()
	}
	return heap.Pop(&g.waiting).(Event)
}

// background makes one ordinary record at the clock, and moves the clock on.
// Sometimes an episode of fraud begins with it.
func (g *Generator) background() {
	at := g.clock
	g.clock = at.Add(time.Duration(g.r.ExpFloat64() / g.o.Rate * float64(time.Second)))
	if g.r.Float64() < g.o.Fraud {
		kind := g.o.FraudKinds[g.r.IntN(len(g.o.FraudKinds))]
		scripts[kind](g, at)
	}
	happened, arrives, broken := at, at, false
	switch x := g.r.Float64(); {
	case x < g.o.OutOfOrder:
		arrives = at.Add(g.upTo(MaxDisorder))
	case x < g.o.OutOfOrder+g.o.Late:
		happened = at.Add(-LateBy - g.upTo(LateBy))
	case x < g.o.OutOfOrder+g.o.Late+g.o.Bad:
		broken = true
	}
	var e Event
	if g.r.Float64() < paymentShare {
		e = g.payment(g.world.payment(g.r, happened))
	} else {
		e = g.activity(g.world.activity(g.r, happened))
	}
	if broken {
		g.damage(&e, at)
	}
	g.arrive(e, arrives)
	if g.r.Float64() < g.o.Duplicates {
		g.arrive(e, arrives.Add(g.upTo(MaxDisorder)))
	}
}

// paymentShare is how much of the traffic is payments.
const paymentShare = 0.55

// upTo is a random duration in [1ms, most].
func (g *Generator) upTo(most time.Duration) time.Duration {
	return time.Duration(1+g.r.Int64N(most.Milliseconds())) * time.Millisecond
}

// id is a new one.
func (g *Generator) id(kind string) string {
	g.made++
	return kind + g.prefix + "-" + strconv.FormatUint(g.made, 10)
}

// arrive queues a record.
func (g *Generator) arrive(e Event, at time.Time) {
	e.Time = at
	heap.Push(&g.waiting, e)
}

// queue is a heap of records on their way, the next one first. It holds what
// happens within MaxDisorder and the length of an episode: bounded by the rate.
type queue []Event

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].Time.Before(q[j].Time) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(Event)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
