package features

import "github.com/freshet-dev/freshet/features/aggregate"

// The structures of a log, each shared by all parts that need the same.

func (l *logPlan) newest(k *cursorPlan, p *partPlan) *newestPlan {
	delay := k.delay
	for _, x := range l.newests {
		if x.bit == p.bit && x.lane == p.lane && x.delay == delay {
			return x
		}
	}
	x := &newestPlan{bit: p.bit, lane: p.lane, delay: delay, of: p}
	l.newests = append(l.newests, x)
	if delay > 0 {
		k.newests = append(k.newests, x)
	}
	return x
}

func (l *logPlan) census() *censusPlan {
	x := &censusPlan{}
	l.censuses = append(l.censuses, x)
	return x
}

func (l *logPlan) histogram() *censusPlan {
	x := &censusPlan{}
	l.histograms = append(l.histograms, x)
	return x
}

func (l *logPlan) contest() *contestPlan {
	x := &contestPlan{}
	l.contests = append(l.contests, x)
	return x
}

func (l *logPlan) stack(k *cursorPlan, p *partPlan) *stackPlan {
	want := stackPlan{bit: p.bit, lane: p.lane, largest: p.part != aggregate.Smallest, number: p.number, delay: k.delay}
	if p.part == aggregate.Best {
		want.lane, want.number, want.ties = p.order-1, p.orders, true
	}
	for _, x := range l.stacks {
		if x.bit == want.bit && x.lane == want.lane && x.largest == want.largest && x.ties == want.ties && x.delay == want.delay {
			x.reach = max(x.reach, k.length)
			return x
		}
	}
	x := &want
	x.reach = k.length
	l.stacks = append(l.stacks, x)
	if k.delay > 0 {
		k.stacks = append(k.stacks, x)
	}
	return x
}

// table is where the values of a Distinct part are found, and for sliding
// windows the bit that the part counts.
func (l *logPlan) table(k *cursorPlan, p *partPlan) *tablePlan {
	var x *tablePlan
	for _, y := range l.tables {
		if y.bit == p.bit && y.lane == p.lane && y.life == k.life && y.delay == k.delay {
			x = y
		}
	}
	if x == nil {
		x = &tablePlan{bit: p.bit, lane: p.lane, life: k.life, delay: k.delay}
		x.earlier = l.earlier(p.bit, p.lane)
		l.tables = append(l.tables, x)
		if k.slides() && k.delay > 0 {
			first := l.firstDelayed(k)
			first.tables = append(first.tables, x)
		}
		if k.life != nil {
			k.life.tables = append(k.life.tables, x)
		} else {
			x.unique = l.bit(bitPlan{filter: -1, cond: -1, numerator: -1, input: -1, unique: len(l.tables)})
		}
	}
	if k.life == nil {
		p.unique = x.unique
	}
	x.reach = max(x.reach, k.length)
	return x
}

// firstDelayed is the first of the windows with a running state and the delay of
// one: it moves on before the others, all of which count the values of a row by the
// marks that the tables it feeds have set.
func (l *logPlan) firstDelayed(k *cursorPlan) *cursorPlan {
	for _, x := range l.cursors {
		if x.slides() && !x.scanned && x.delay == k.delay {
			return x
		}
	}
	return k
}
