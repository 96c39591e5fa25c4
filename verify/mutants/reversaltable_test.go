package mutants

// reversalTable holds bugs that taking events out of what runs could have (decision 17).
// Crowds of events that take each other back come to them.
var reversalTable = []faultMutant{
	reversal("retraction: an occurrence that is found in place of another counts in windows it has left", "features/strike.go",
		"\t\tif j >= c.cursor.tail(w) {\n\t\t\tw[c.part.run]++",
		"\t\tif j >= 0 {\n\t\t\tw[c.part.run]++"),
	reversal("retraction: a value does not occur in a peer of what is taken back", "features/strike.go",
		"l.lastAt(x.bit, x.lane, rows, t, word, i); j >= 0 {",
		"l.lastAt(x.bit, x.lane, rows, t-1, word, i); j >= 0 {"),
	reversal("retraction: a life counts a value whose only event is taken back", "features/strike.go",
		"\t\t\t\tw[n.part.at]--\n",
		"\t\t\t\tw[n.part.at] -= 0\n"),
	reversal("retraction: an extreme of a life stays when its event is taken back", "features/strike.go",
		"p.number) == words[1] {",
		"p.number) == words[0] {"),
	reversal("retraction: a node above two others keeps what was taken back", "features/levels.go",
		"\t\tif end > made*fanOut {\n\t\t\treturn\n\t\t}\n\t\tl.joinNodes(",
		"\t\tif end > made*fanOut || level > 1 {\n\t\t\treturn\n\t\t}\n\t\tl.joinNodes("),
	reversal("retraction: what is raised for a reading is not in the parts beside", "features/strike.go",
		"\t\tif i >= k.tail(w) {\n\t\t\tl.joinAll(k, w, i, l.plan.len(rows))",
		"\t\tif i < 0 {\n\t\t\tl.joinAll(k, w, i, l.plan.len(rows))"),
	reversal("retraction: of two that take an event back at one time both raise it", "features/retract.go",
		"return row[l.takenAt] == uint64(l.time(taking))+1 && row[l.takenAt+1] == l.place(taking)",
		"return row[l.takenAt] == uint64(l.time(taking))+1"),
	reversal("retraction: the next event behind a reader raises nothing", "features/strike.go",
		"for i := n; i < l.plan.len(rows); i++ {",
		"for i := n + 1; i < l.plan.len(rows); i++ {"),
	reversal("retraction: only the newest of several with an id is looked at", "features/retract.go",
		"t != noOccurrence; t = l.linked(x, w, id, t) {\n\t\tf(",
		"t != noOccurrence; t = noOccurrence {\n\t\tf("),
	reversal("retraction: what is taken back of a delayed window is taken out before it is seen", "features/strike.go",
		"i >= k.tail(w) && i < k.head(w) {\n\t\t\tl.plan.remove(",
		"i >= k.tail(w) {\n\t\t\tl.plan.remove("),
	reversal("retraction: a gap is left out that a struck event made", "features/strike.go",
		"\t\t\tl.leaveGaps(p, w, rows, i, k.tail(w), 0)\n",
		"\t\t\tl.leaveGaps(p, w, rows, i, 0, 0)\n"),
	reversal("retraction: a raised event is not struck again", "features/strike.go",
		"\tfor _, i := range l.raised {\n\t\tl.strike(",
		"\tfor _, i := range l.raised[:len(l.raised)/2] {\n\t\tl.strike("),
}

// reversal is such a bug.
func reversal(name, file, before, after string) faultMutant {
	return faultMutant{mutant: mutant{name: name, file: file, old: before, new: after},
		pkg: "./verify", run: "^TestCrowdsOfReversalsEqualOracle$", cases: "6000"}
}
