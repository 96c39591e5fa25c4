package mutants

// mutant is one planted bug.
type mutant struct {
	name string
	file string // from the repository's root
	old  string // must occur exactly once
	new  string
	more bool // only where all are asked for (make verify)
}

// table begins with the bugs that the issue names. When engine code moves, its
// mutant moves with it: a text that is not found fails the test by name.
var table = []mutant{
	{
		name: "left window edge: the event exactly w old stays",
		file: "features/spans.go",
		old:  "tail = x.leaveInts(rows, tail, l.plan.width, w, t-x.length)\n\t\t\t} else {\n\t\t\t\ttail = l.leaveSpan(x, rows, tail, w, t-x.length)\n",
		new:  "tail = x.leaveInts(rows, tail, l.plan.width, w, t-x.length-1)\n\t\t\t} else {\n\t\t\t\ttail = l.leaveSpan(x, rows, tail, w, t-x.length-1)\n",
	},
	{
		name: "left edge of a delayed window: the event exactly as old stays", more: true,
		file: "features/advance.go",
		old:  "tail < head && l.plan.timeAt(rows, tail) <= from; tail++",
		new:  "tail < head && l.plan.timeAt(rows, tail) < from; tail++",
	},
	{
		name: "a sum of squares outgrows its word", more: true,
		file: "features/narrow.go",
		old:  "if !fits {\n",
		new:  "if false {\n",
	},
	{
		name: "right window edge: an event exactly the delay old does not count",
		file: "features/advance.go",
		old:  "l.plan.timeAt(rows, head) <= t-k.delay {",
		new:  "l.plan.timeAt(rows, head) < t-k.delay {",
	},
	{
		name: "tie order: the offset decides before the partition",
		file: "features/engine.go",
		old:  "return uint64(ev.Partition)<<48 | uint64(ev.Offset)",
		new:  "return uint64(ev.Offset)<<16 | uint64(ev.Partition)",
	},
	{
		name: "duplicate counted: the same id at the same time from another partition",
		file: "features/admit.go",
		old:  "l.plan.id(row) == idHash {",
		new:  "l.plan.id(row) == idHash+1 {",
	},
	{
		name: "tail cursor off by one after a late event exactly w old",
		file: "features/spans.go",
		old:  "for first < len(l.spans) && t <= now-l.spans[first].length {",
		new:  "for first < len(l.spans) && t < now-l.spans[first].length {",
	},
	{
		name: "late event dropped: exactly allowed_lateness is refused",
		file: "features/admit.go",
		old:  "p.watermark-ev.Time > src.AllowedLateness.Milliseconds()",
		new:  "p.watermark-ev.Time >= src.AllowedLateness.Milliseconds()",
	},
	{
		name: "exclude_current excludes every event of its time",
		file: "features/read.go",
		old:  "\tif seesCurrent {\n\t\tc.to--\n\t}\n\te.scan(",
		new:  "\tif seesCurrent {\n\t\tc.to--\n\t}\n\tfor seesCurrent && c.to > c.from && m.log.plan.timeAt(m.rows, c.to-1) == m.t {\n\t\tc.to--\n\t}\n\te.scan(",
	},
	{
		name: "min_count off by one",
		file: "features/read.go",
		old:  "case args.N < x.minCount:",
		new:  "case args.N <= x.minCount:",
	},
	{
		name: "gap edge: a silence of exactly ttl or gap continues the life or session",
		file: "features/advance.go",
		old:  "t-int64(w[c.view.state+viewNewest]) >= c.gap {",
		new:  "t-int64(w[c.view.state+viewNewest]) > c.gap {",
	},
	{
		name: "a row is found that is exactly ttl old", more: true,
		file: "features/read.go",
		old:  "m.newest != 0 && m.t-m.newest < v.ttl",
		new:  "m.newest != 0 && m.t-m.newest <= v.ttl",
	},
	{
		name: "left window edge of the slow path", more: true,
		file: "features/scan.go",
		old:  "return cut{l.rows.FirstAfter(rows, t-k.delay-k.length), to, false}",
		new:  "return cut{l.rows.FirstAfter(rows, t-k.delay-k.length-1), to, false}",
	},
	{
		name: "session join: a late event that joins two sessions or lives is only counted",
		file: "features/life.go",
		old:  "\t\tl.see(e, c, w, row)\n\t\tl.rebuildLife(c, w)\n",
		new:  "\t\tl.see(e, c, w, row)\n",
	},
	{
		name: "a missing field counts", more: true,
		file: "features/place.go",
		old:  "return b.input < 0 || c.values[b.input].Has()",
		new:  "return true",
	},
	{
		name: "dedup_window one millisecond short", more: true,
		file: "features/admit.go",
		old:  "p.ids.expire(p.watermark - s.plan.source.DedupWindow.Milliseconds())",
		new:  "p.ids.expire(p.watermark - s.plan.source.DedupWindow.Milliseconds() + 1)",
	},
	{
		name: "a value that comes again is counted twice while its first is the oldest of the window", more: true,
		file: "features/insert.go",
		old:  "if j >= c.cursor.tail(w) {",
		new:  "if j > c.cursor.tail(w) {",
	},
	{
		name: "an extreme outlives its window by a millisecond", more: true,
		file: "features/partread.go",
		old:  "m.log.stacks.First(m.state[p.stack.at:], m.t-x.cursor.length)",
		new:  "m.log.stacks.First(m.state[p.stack.at:], m.t-x.cursor.length-1)",
	},
	{
		name: "state is not kept for the allowed lateness", more: true,
		file: "features/insert.go",
		old:  "oldest := newest - l.plan.span - l.plan.lateness\n",
		new:  "oldest := newest - l.plan.span\n",
	},
	{
		name: "an empty window ignores its default", more: true,
		file: "features/read.go",
		old:  "case args.N == 0 && x.hasDef",
		new:  "case args.N < 0 && x.hasDef",
	},
	{
		name: "decayed: a late event weighs as if it were new",
		file: "features/aggregate/decayed.go",
		old:  "sum += float64(v * fade(-age, half))",
		new:  "sum += v",
	},
	{
		name: "decayed: a delay that only cuts, and weighs from now", more: true,
		file: "features/aggregate/decayed.go",
		old:  "age := max(a.Since-a.Delay, 0)",
		new:  "age := max(a.Since, 0)",
	},
	{
		name: "zscore by the population's deviation",
		file: "features/aggregate/zscore.go",
		old:  "deviation := math.Sqrt(s / n / (n - 1))",
		new:  "deviation := math.Sqrt(s / n / n)",
	},
	{
		name: "a gap deviation of two events", more: true,
		file: "features/aggregate/interarrival.go",
		old:  "if a.N < 3 || a.A[gapsFirst] == a.A[gapsLast] {",
		new:  "if a.N < 2 || a.A[gapsFirst] == a.A[gapsLast] {",
	},
	{
		name: "first: the event exactly w old is the first", more: true,
		file: "features/partread.go",
		old:  "i := m.log.rows.FirstAfter(m.rows, m.t-k.length);",
		new:  "i := m.log.rows.FirstAfter(m.rows, m.t-k.length-1);",
	},
	{
		name: "top_share and entropy: a value that left the log counts once in its life", more: true,
		file: "features/tally.go",
		old:  "l.tables.Put(h, key, n+1)",
		new:  "l.tables.Put(h, key, 1)",
	},
	{
		name: "entropy: values that occur twice are left out", more: true,
		file: "features/aggregate/share.go",
		old:  "if c < 2 {",
		new:  "if c < 3 {",
	},
	{
		name: "slope: times that leave a window stay in its sums", more: true,
		file: "features/aggregate/trend.go",
		old:  "subWide(w[trendSquares:trendValues], terms[trendSquares:trendValues])",
		new:  "subWide(w[trendSquares:trendValues], terms[trendTimes:trendSquares])",
	},
	{
		name: "top_share: one of several most frequent values takes the others with it", more: true,
		file: "features/tally.go",
		old:  "if left == 0 && most == b {",
		new:  "if most == b {",
	},
	{
		name: "gaps: a late event does not see the oldest of its window", more: true,
		file: "features/beside.go",
		old:  "for j := i - 1; j >= k.tail(w) && prev == 0; j-- {",
		new:  "for j := i - 1; j > k.tail(w) && prev == 0; j-- {",
	},
	{
		name: "tile edge: a window past the budget begins a tile early",
		file: "features/tiles.go",
		old:  "first, end := k.tileOf(m.t-k.delay-k.length+1), int64(never)",
		new:  "first, end := k.tileOf(m.t-k.delay-k.length), int64(never)",
	},
	{
		name: "tile edge: a window past the budget lacks the tile of its tail",
		file: "features/tiles.go",
		old:  "number < first || number >= end {",
		new:  "number <= first || number >= end {",
	},
	{
		name: "retraction twice: of two that take an event back the later one decides",
		file: "features/retract.go",
		old:  "if t := l.time(taking); row[l.takenAt] == 0 || !l.takenBy(row, t, l.place(taking)) {",
		new:  "if t := l.time(taking); row[l.takenAt] == 0 || l.takenBy(row, t, l.place(taking)) {",
	},
	{
		name: "retraction effective before its own time",
		file: "features/retract.go",
		old:  "return by < t || (by == t && row[l.takenAt+1] <= place)",
		new:  "return by < t || by > t || row[l.takenAt+1] <= place",
	},
	{
		name: "late re-inflation: a late event enters a delayed window that it has left",
		file: "features/insert.go",
		old:  "if t > now-k.delay-k.length && t <= now-k.delay {",
		new:  "if t <= now-k.delay {",
	},
	{
		name: "drift: what leaves a sum of doubles is rounded once more",
		file: "features/aggregate/part.go",
		old:  "sub128(w, lo, hi)",
		new:  "sub128(w, lo>>44<<44, hi)",
	},
	{
		name: "last n behind a delay: an event exactly the delay old does not count",
		file: "features/lastn.go",
		old:  "c.to = l.rows.FirstAfter(rows, t-k.delay)",
		new:  "c.to = l.rows.FirstAfter(rows, t-k.delay-1)",
	},
	{
		name: "with this event: only the first entity's log is asked whether it was applied",
		file: "features/with.go",
		old:  "\t\t\tc.place = l.plan.place(row)\n\t\t\treturn true, false\n\t\t}\n",
		new:  "\t\t\tc.place = l.plan.place(row)\n\t\t\treturn true, false\n\t\t}\n\t\treturn false, false\n",
	},
	{
		name: "window moved back: a value that occurs again is not counted",
		file: "features/shift.go",
		old:  "words[0] += e.reappearing(s, p)",
		new:  "e.reappearing(s, p)",
	},
	{
		name: "window moved back: an extreme that is not seen yet",
		file: "features/shift.go",
		old:  "case t > s.t, t == s.t &&",
		new:  "case t == s.t &&",
		more: true,
	},
	{
		name: "window moved back: what left it since does not come back",
		file: "features/shift.go",
		old:  "for i := s.from; i < s.tail; i++ {",
		new:  "for i := s.from; i < s.tail-1; i++ {",
		more: true,
	},
	{
		name: "retraction: a window runs that reaches back to what was taken back",
		file: "features/retract.go",
		old:  "|| !m.log.undisturbed(m.state, m.t-r.reach) {",
		new:  "|| !m.log.undisturbed(m.state, m.t-r.reach/2) {",
	},
	{
		name: "restored: the numbers of texts are those of the snapshot",
		file: "features/snapshotattach.go",
		old:  "\t\t\tx.rows.Set(at, number)\n",
		new:  "",
	},
	{
		name: "restored: the first record behind a group's cut is taken for one that it has",
		file: "features/snapshot.go",
		old:  "offset < cuts[partition]",
		new:  "offset <= cuts[partition]",
	},
	{
		name: "restored: a duplicate of another partition is taken for new",
		file: "features/admit.go",
		old:  "if known && s.noting {",
		new:  "if known && s.noting && s.newest == 0 {",
		more: true,
	},
	{
		name: "argmax: of equal ones the latest wins",
		file: "features/window/stack.go",
		old:  "code, largest) && !(ties && code == live[(from-1)*entryWords+1]) {",
		new:  "code, largest) {",
		more: true,
	},
	{
		name: "an extreme at hand outlives its window by a millisecond",
		file: "features/direct.go",
		old:  "l.stacks.Best(w[p.stack.at:], t-k.length)",
		new:  "l.stacks.Best(w[p.stack.at:], t-k.length-1)",
		more: true,
	},
	{
		name: "few rows: the event exactly w old stays",
		file: "features/directfew.go",
		old:  "l.plan.timeAt(rows, j-1) > from; j--",
		new:  "l.plan.timeAt(rows, j-1) >= from; j--",
	},
	{
		name: "few rows: a silence of exactly the gap continues the life",
		file: "features/directfew.go",
		old:  "if next-at >= gap {",
		new:  "if next-at > gap {",
		more: true,
	},
	{
		name: "few rows: what excludes the current event sees it",
		file: "features/directfew.go",
		old:  "earlier = l.plan.upTo(rows, l.plan.len(rows)-1)",
		new:  "earlier = l.plan.upTo(rows, l.plan.len(rows))",
		more: true,
	},
	{
		name: "is_new at hand: a value exactly w old is known",
		file: "features/direct.go",
		old:  "n.Time() >= from",
		new:  "n.Time() >= from-1",
	},
}
