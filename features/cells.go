package features

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// log is the log of an entity over a source, made when first asked for.
func (c *compiler) log(sp *sourcePlan, entity *spec.Entity) *logPlan {
	for _, l := range sp.logs {
		if l.entity == entity {
			return l
		}
	}
	l := &logPlan{
		index:    len(c.plan.logs),
		source:   sp,
		entity:   entity,
		lateness: sp.source.AllowedLateness.Milliseconds(),
		budget:   c.budgetOf(sp.source, entity),
		distinct: c.distinctBudgetOf(sp.source, entity),
	}
	if l.budget >= tailMask && c.failed == nil {
		c.failed = fmt.Errorf("%s over %s: an event_budget of %d is more than a window's cursor counts", entity.Name, sp.source.Name, l.budget)
	}
	l.hasID = sp.source.IDField != nil
	if sp.source.Retracts != nil {
		l.retracts = true
		l.taking = l.bit(bitPlan{filter: -1, cond: -1, numerator: -1, input: -1, mark: takingMark})
		l.found = l.bit(bitPlan{filter: -1, cond: -1, numerator: -1, input: -1, mark: foundMark})
		l.ids = &earlierPlan{bit: -1, lane: ofID}
		l.earliers = append(l.earliers, l.ids)
		l.span = l.lateness + 1 // an original may be earlier than what takes it back, and later by just the lateness
	}
	c.plan.logs = append(c.plan.logs, l)
	at := 0
	for at < len(sp.logs) && sp.logs[at].entity.Index < entity.Index {
		at++
	}
	sp.logs = append(sp.logs[:at], append([]*logPlan{l}, sp.logs[at:]...)...)
	return l
}

// maxViews is how many views of one entity may share a log: each has a bit in
// the word that notes which rows are to be written.
const maxViews = 64

// view is a view's plan, made when first asked for.
func (c *compiler) view(v *spec.View) *viewPlan {
	if vp := c.plan.views[v.Index]; vp != nil {
		return vp
	}
	sp := c.plan.sources[v.Source.Index]
	l := c.log(sp, v.Entity)
	if len(l.views) >= maxViews && c.failed == nil {
		c.failed = fmt.Errorf("%s:%d: more than %d views of %s over %s; split the namespace",
			v.Pos.File, v.Pos.Line, maxViews, v.Entity.Name, v.Source.Name)
	}
	vp := &viewPlan{
		view:  v,
		log:   l,
		touch: 1 << len(l.views),
		ttl:   v.TTL.Milliseconds(),
		cells: map[*spec.Feature]*cell{},
	}
	vp.stands = l.bit(bitPlan{filter: c.cond(sp, v.Filter), cond: -1, numerator: -1, input: -1})
	vp.entered = l.bit(bitPlan{filter: c.cond(sp, v.Filter), cond: -1, numerator: -1, input: -1, held: l.retracts})
	l.views = append(l.views, vp)
	l.ttl = max(l.ttl, vp.ttl)
	c.plan.views[v.Index] = vp
	return vp
}

// bit is the place of a bit among a log's flags.
func (l *logPlan) bit(b bitPlan) int {
	for i, x := range l.bits {
		if x == b {
			return i
		}
	}
	l.bits = append(l.bits, b)
	return len(l.bits) - 1
}

// lane is the place of an input among a log's lanes.
func (l *logPlan) lane(input int) int {
	for i, x := range l.lanes {
		if x == input {
			return i
		}
	}
	l.lanes = append(l.lanes, input)
	return len(l.lanes) - 1
}

// cursor is the window of a feature, shared by all that are cut alike.
func (l *logPlan) cursor(v *viewPlan, f *spec.Feature) *cursorPlan {
	want := cursorPlan{delay: f.Def.Delay.Milliseconds(), length: f.Window.Length.Milliseconds()}
	reach := want.length
	switch f.Window.Kind {
	case spec.Lifetime, spec.HalfLife:
		want.length, want.gap = 0, v.ttl
		reach = v.ttl
	case spec.Session:
		want.length, want.gap = 0, reach
	case spec.Last:
		want.last, want.gap, want.view = f.Window.N, v.ttl, v
	}
	switch {
	case f.Def.By != nil:
		want.by, want.view = true, v
		if want.gap > 0 && want.last == 0 {
			want.last = math.MaxInt // all of the life
		}
	case want.gap > 0 && want.last == 0:
		want.life = l.chain(v, want.gap)
	}
	if want.gap > 0 && want.last > 0 && (want.delay > 0 || l.retracts || want.last == math.MaxInt) {
		want.within = l.chain(v, want.gap)
	}
	want.stripped = l.retracts
	want.scanned = want.last > 0 || (want.delay > 0 && want.life != nil)
	l.span = max(l.span, want.delay+reach)
	if want.slides() {
		want.grid = gridOf(want.delay+want.length, v.view.Granularity.Milliseconds())
	}
	for _, x := range l.cursors {
		if x.delay == want.delay && x.length == want.length && x.life == want.life && x.scanned == want.scanned &&
			x.last == want.last && x.gap == want.gap && x.by == want.by && x.view == want.view && x.grid == want.grid {
			return x
		}
	}
	k := &want
	l.cursors = append(l.cursors, k)
	if k.last > 0 || l.retracts && k.life != nil {
		l.lasts = append(l.lasts, k)
	}
	if k.life != nil {
		k.life.cursors = append(k.life.cursors, k)
	}
	return k
}

// chain is a view's chain of a gap in ms, shared by all features of it.
func (l *logPlan) chain(v *viewPlan, gap int64) *chainPlan {
	for _, c := range v.chains {
		if c.gap == gap {
			return c
		}
	}
	c := &chainPlan{view: v, gap: gap}
	v.chains, l.chains = append(v.chains, c), append(l.chains, c)
	return c
}

// part is the accumulator of a cursor, shared by all cells that need the same.
func (l *logPlan) part(k *cursorPlan, p partPlan) *partPlan {
	for _, x := range k.parts {
		if x.part == p.part && x.bit == p.bit && x.lane == p.lane && x.half == p.half && x.limit == p.limit && x.order == p.order && x.q == p.q {
			x.spreads, x.ranks = x.spreads || p.spreads, x.ranks || p.ranks
			if p.ranks {
				l.rank(k, x)
			}
			return x
		}
	}
	p.unique = p.bit
	switch p.part {
	case aggregate.Distinct:
		p.set = k.sets
		k.sets++
		if k.life != nil || k.keeps() {
			p.table = l.table(k, &p)
		}
	case aggregate.Buckets:
		l.buckets(k, &p)
	case aggregate.Counts, aggregate.Mode:
		p.set = k.sets
		k.sets++
		if k.life != nil {
			p.census = l.census()
		}
		if k.keeps() {
			p.counts[0] = l.census()
		}
		if p.ranks || p.part == aggregate.Mode {
			l.rank(k, &p)
		}
		if p.part == aggregate.Mode && k.keeps() {
			p.contest = l.contest()
		}
	case aggregate.Gaps, aggregate.Run:
		if k.life != nil {
			k.life.ordered = true
		}
	case aggregate.Newest:
		if k.keeps() {
			p.newest = l.newest(k, &p)
		}
	case aggregate.Smallest, aggregate.Largest, aggregate.Best:
		if k.keeps() && k.life == nil {
			p.stack = l.stack(k, &p)
		}
	}
	p.listed = l.listed(k, &p)
	k.walks = k.walks || p.part.Walks()
	k.points = k.points || k.delay > 0 && (p.newest != nil || p.stack != nil || p.table != nil || p.part == aggregate.Oldest)
	k.parts = append(k.parts, &p)
	if p.table != nil {
		p.nth = len(p.table.counts)
		p.table.counts = append(p.table.counts, tableCount{k, &p})
	}
	return &p
}

// rank gives a part that counts values what finds the most frequent one.
func (l *logPlan) rank(k *cursorPlan, p *partPlan) {
	if k.keeps() && p.counts[1] == nil {
		p.counts[1] = l.census()
	}
}

// buckets gives a Buckets part where its values are counted. Those of the same
// values and window are counted once, whatever quantiles are asked for.
func (l *logPlan) buckets(k *cursorPlan, p *partPlan) {
	for _, x := range k.parts {
		if x.part == p.part && x.bit == p.bit && x.lane == p.lane {
			p.set, p.census, p.counts, p.shares = x.set, x.census, x.counts, true
			return
		}
	}
	p.set = k.buckets
	k.buckets++
	if k.life != nil {
		p.census = l.histogram()
	}
	if k.keeps() {
		p.counts[0] = l.histogram()
	}
}

// limits are the doubles of a source that some definition sums: beyond 1e15 the
// record is refused (S20). They do not depend on what is served: the same
// records are accepted in a test and in a run.
func (c *compiler) limits(sp *sourcePlan) {
	seen := map[string]bool{}
	for _, v := range c.plan.spec.Views {
		for _, d := range v.Definitions {
			agg := aggregate.Find(d.Aggregation)
			if v.Source != sp.source || agg == nil || (d.Field == nil && d.Value == nil) {
				continue
			}
			limit := limitPlan{inputPlan: inputOf(d, raw)}
			key := limit.name
			if d.Field == nil && d.Filter != nil {
				key += " where " + d.Filter.Text
			}
			if seen[key] || !slices.ContainsFunc(agg.Parts(limit.number()), aggregate.Part.SumsDoubles) {
				continue
			}
			seen[key] = true
			if d.Field == nil {
				limit.program = c.compileOver(sp, d.Value)
				if d.Filter != nil {
					limit.filter = c.compileOver(sp, d.Filter)
				}
			}
			sp.limits = append(sp.limits, limit)
		}
	}
}

// unitOf is a definition's unit of time results in milliseconds.
func unitOf(d *spec.Definition) float64 {
	if d.Unit == 0 {
		return float64(time.Second / time.Millisecond)
	}
	return float64(d.Unit) / float64(time.Millisecond)
}

// finish lays out rows and state once all cells are known.
func (l *logPlan) finish() {
	for i, x := range l.source.logs {
		if x == l {
			l.order = i
		}
	}
	l.span = max(l.span, 1) // an event that is late by just the lateness finds its peers
	l.layRow()
	for lane, input := range l.lanes {
		if l.source.inputs[input].encoding == text {
			l.texts = append(l.texts, lane)
		}
	}
	at := l.finishState()
	for _, k := range l.cursors {
		for _, p := range k.parts {
			if (k.scanned || !p.runs(k) || p.narrow || p.implied) && !p.part.Walks() {
				p.at = at
				at += p.size()
			}
		}
	}
	l.scratch = at
	for _, k := range l.cursors {
		for _, p := range k.running {
			l.addOp(k, p)
		}
	}
	l.laySpans()
	l.summing = !l.retracts && len(l.tables)+len(l.delayed)+len(l.beside)+len(l.stacks)+len(l.newests)+len(l.ripening) == 0
	l.light = len(l.chains)+len(l.texts) == 0 && !l.retracts
	l.layFollowing()
	l.layMentions()
}

// finishState gives every word of an entity's state its offset.
func (l *logPlan) finishState() int {
	at := atLarge
	take := func(n int) int {
		at += n
		return at - n
	}
	handle := func(kind handleKind) int {
		l.handles = append(l.handles, handlePlan{at, kind})
		return take(window.HandleWords)
	}
	l.handles = []handlePlan{{atRows, rowsHandle}}
	l.forgetting()
	l.layTiles()
	l.layLevels()
	l.atTiles, l.atFolded, l.atTurn = handle(tilesHandle), take(1), take(1)
	for _, v := range l.views {
		v.state = take(viewWords)
		if l.retracts {
			take(1)
		}
	}
	if l.retracts {
		l.atTaken, l.atPending = take(takenStateWords), handle(tableHandle)
	}
	if slices.ContainsFunc(l.cursors, (*cursorPlan).sums) {
		l.atWide = handle(wordsHandle)
	}
	for _, k := range l.cursors {
		l.takeCursor(k, take)
		l.takeRipe(k, handle)
		for _, x := range k.divided {
			x.at, x.index = handle(cacheHandle), handle(cacheHandle)
			if x.groups != nil {
				x.groups.at, x.groups.index, x.rest = handle(cacheHandle), x.index, handle(cacheHandle)
			}
		}
		for _, p := range k.parts {
			if !k.scanned && p.runs(k) {
				l.takePart(k, p, take)
			}
			if k.life != nil {
				if p.part.Walks() {
					p.base = handle(wordsHandle)
				} else {
					p.base = take(p.size())
				}
			}
		}
	}
	for _, c := range l.chains {
		c.state = take(chainWords)
	}
	l.takeShared(take, handle)
	l.words, l.largest = at, largestOf(l.budget)
	l.small = min(l.largest, 1<<31)
	return at
}

// takeShared gives what windows share its words.
func (l *logPlan) takeShared(take func(int) int, handle func(handleKind) int) {
	for _, x := range l.newests {
		x.at = take(aggregate.Newest.Words())
		x.text = x.lane >= 0 && slices.Contains(l.texts, x.lane)
	}
	for _, x := range l.stacks {
		x.at = handle(stackHandle)
	}
	for _, x := range l.tables {
		x.at, x.sketch, x.memories = handle(tableHandle), handle(tableHandle), handle(wordsHandle)
	}
	for _, x := range l.censuses {
		x.at = handle(tableHandle)
	}
	for _, x := range l.lists {
		x.at = handle(cacheHandle)
	}
	if l.levels.width > 0 {
		l.levels.at = handle(cacheHandle)
	}
	for _, x := range l.branches {
		x.at, x.held = handle(cacheHandle), handle(cacheHandle)
	}
	for _, x := range l.histograms {
		x.at = handle(histogramHandle)
	}
	for _, x := range l.earliers {
		x.at = handle(cacheHandle)
	}
	for _, x := range l.contests {
		x.at, x.places = handle(cacheHandle), handle(cacheHandle)
	}
}

// takeCursor gives a sliding window with a running state its own words.
func (l *logPlan) takeCursor(k *cursorPlan, take func(int) int) {
	switch {
	case k.scanned || k.life != nil:
		return
	case k.delay == 0:
		k.at = take(1)
	default:
		k.at = take(2)
	}
	l.sliding = append(l.sliding, k)
}

// takePart gives a running part its words.
func (l *logPlan) takePart(k *cursorPlan, p *partPlan, take func(int) int) {
	k.running = append(k.running, p)
	size := p.size()
	if k.isSpan() {
		size = l.keep(p)
	}
	p.run = take(size)
	p.at = p.run
	if p.narrow {
		l.narrows = append(l.narrows, p)
	}
	k.lifted = k.lifted || p.narrow || p.implied
}

// addOp notes what a row does to a running part. A life counts its values by
// the table.
func (l *logPlan) addOp(k *cursorPlan, p *partPlan) {
	if p.shares || (k.life != nil && p.part == aggregate.Distinct) {
		return
	}
	if p.part.Beside() {
		k.beside = append(k.beside, p)
		return
	}
	k.ops = append(k.ops, l.opOf(p, p.unique))
}

// opOf is what the rows with a bit do to a part.
func (l *logPlan) opOf(p *partPlan, bit int) op {
	word, shift := l.bitAt(bit)
	o := op{part: p.part, number: p.number, shift: shift, flags: uint16(word), at: int32(p.at), half: p.half, of: p}
	if p.lane >= 0 {
		o.lane = uint16(l.lanesAt + p.lane)
	}
	if p.order > 0 {
		o.order, o.orders = uint16(l.lanesAt+p.order-1), p.orders
	}
	return o
}

func roundHalfAway(x float64) int64 { return int64(math.Round(x)) }
