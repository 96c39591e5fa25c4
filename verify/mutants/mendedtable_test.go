package mutants

// mendedTable holds faults that the engine had, or that its newer structures
// could have, each with the test that is named after the rule it breaks: histories
// drawn at random seldom come to them.
var mendedTable = []faultMutant{
	{mutant: mutant{
		name: "an entity is forgotten before the first record of a partition was seen",
		file: "features/admit.go",
		old:  "\t\toldest = 0\n",
		new:  "\t\toldest = s.newest\n",
	}, pkg: "./features", run: "^TestS10NothingIsForgottenBeforeEachPartitionWasSeen$"},
	{mutant: mutant{
		name: "a log that is caught up with is trimmed by its own newest event",
		file: "features/insert.go",
		old:  "newest = min(newest, e.sources[l.plan.source.source.Index].reference())",
		new:  "newest = max(newest, e.sources[l.plan.source.source.Index].reference())",
	}, pkg: "./features", run: "^TestS22PartitionsMayComeAgainOneAfterTheOther$"},
	{mutant: mutant{
		name: "a streak does not know between which places of what was folded an event lies",
		file: "features/life.go",
		old:  "return t < folded || l.breaksIn(c, w, row, stays)",
		new:  "return t < folded",
	}, pkg: "./features", run: "^TestS26AStreakKnowsThePlacesOfWhatWasFolded$"},
	{mutant: mutant{
		name: "what is put together in order sees an event before what has left the log behind it",
		file: "features/life.go",
		old:  "(gone != 0 && t-gone < c.gap || c.ordered && stays)",
		new:  "(gone != 0 && t-gone < c.gap)",
	}, pkg: "./features", run: "^TestS22AnOrderBeforeWhatHasLeftTheLogIsNotKnown$"},
	{mutant: mutant{
		name: "the gaps of a life lack an event before all that have left the log",
		file: "features/aggregate/interarrival.go",
		old:  "} else if from[gapsLast] <= w[gapsFirst] {",
		new:  "} else if from[gapsLast] < 0 {",
	}, pkg: "./features", run: "^TestS22GapsOfALifeWhateverTheOrder$"},
	{mutant: mutant{
		name: "a life of too many values is incomplete once a row has left the log, and not when one may have",
		file: "features/crowd.go",
		old:  "if life > kept || !",
		new:  "if !s.base || !",
	}, pkg: "./features", run: "^TestS01ALifeIsIncompleteByWhatMayHaveLeft$"},
	{mutant: mutant{
		name: "a life of too many values is told what a table that has let go of some still has",
		file: "features/crowd.go",
		old:  "\twords[x.parts[0].at] = uint64(set.Len())\n",
		new:  "",
	}, pkg: "./features", run: "^TestS01ALifeIsIncompleteByWhatMayHaveLeft$|^TestS01ALifeOfTooManyValuesIsAFunctionOfTheSet$"},
	{mutant: mutant{
		name: "an entity with few rows has more values than are kept",
		file: "features/entities.go",
		old:  "few = min(few, l.distinct)",
		new:  "few = max(few, 0)",
	}, pkg: "./features", run: "^TestS01ALifeOfTooManyValuesIsAFunctionOfTheSet$"},
	{mutant: mutant{
		name: "most slots of a table are never looked at",
		file: "features/window/table.go",
		old:  "% uint64(len(slots)/2))",
		new:  "& uint64(len(slots)/2-1))",
	}, pkg: "./features/window", run: "^TestTablesForgetByTurns$"},
	{mutant: mutant{
		name: "a value that a window past the budget begins with is known a tile too early",
		file: "features/tiles.go",
		old:  "return k.tileOf(from+1)*k.grid - 1",
		new:  "return k.tileOf(from)*k.grid - 1",
	}, pkg: "./features", run: "^TestS26AValueIsKnownFromTheTileOfTheTailOn$"},
	{mutant: mutant{
		name: "what was taken back is folded with its contribution",
		file: "features/retract.go",
		old:  "\tl.plan.strip(row)\n}\n\n// asOf",
		new:  "}\n\n// asOf",
	}, pkg: "./features", run: "^TestS16WhatWasTakenBackIsFoldedWithoutItsContribution$"},
	{mutant: mutant{
		name: "the row of a view is as of its newest event, when one that takes back has left the log",
		file: "features/retract.go",
		old:  "*at = max(*at, row[l.plan.takenAt+2]-1)",
		new:  "*at = max(*at, 0)",
	}, pkg: "./features", run: "^TestS16WhatWasTakenBackIsFoldedWithoutItsContribution$"},
	{mutant: mutant{
		name: "two short keys have one hash",
		file: "features/hash.go",
		old:  "\tk.hi |= uint64(n) << 56\n",
		new:  "",
	}, pkg: "./features", run: "^TestAShortKeyIsMadeOfItsHashAgain$"},
	{mutant: mutant{
		name: "a group that is being written has an entity as an event has changed it since",
		file: "features/place.go",
		old:  "\tl.asItWas(e, k.state[atKey], k.slot)\n",
		new:  "",
	}, pkg: "./features", run: "^TestAGroupInPartsIsOfOneMoment$"},
	{mutant: mutant{
		name: "a group that is being written lacks an entity that was evicted since",
		file: "features/cap.go",
		old:  "held := l.hold(l.entities.state(n)[atKey], n)",
		new:  "held := false",
	}, pkg: "./features", run: "^TestAGroupInPartsIsOfOneMoment$"},
	{mutant: mutant{
		name: "a group that is being written lacks an entity that was idle and is forgotten since",
		file: "features/insert.go",
		old:  "\tl.asItWas(e, w[atKey], slot)\n",
		new:  "",
	}, pkg: "./features", run: "^TestAGroupInPartsIsOfOneMoment$"},
	{mutant: mutant{
		name: "left window edge of an event behind all rows: the event exactly w old stays",
		file: "features/follow.go",
		old:  "first > from {",
		new:  "first >= from {",
	}, pkg: "./features", run: "^TestS01EventsThatFollowCountWhatIsInTheWindow$"},
	{mutant: mutant{
		name: "a span counts as empty behind a silence that is a second too short",
		file: "features/follow.go",
		old:  "if was > t-s.length {",
		new:  "if was > t-s.length+1000 {",
	}, pkg: "./features", run: "^TestS01EventsThatFollowCountWhatIsInTheWindow$"},
	{mutant: mutant{
		name: "a sum of squares outgrows its word behind all rows",
		file: "features/follow.go",
		old:  "x.keeps > 1 && w[x.squares]>>63 != 0",
		new:  "x.keeps > 2",
	}, pkg: "./features", run: "^TestS01EventsThatFollowCountWhatIsInTheWindow$"},
	{mutant: mutant{
		name: "left window edge of an even reading of few rows",
		file: "features/even.go",
		old:  "int64(rows[at]>>window.OwnBits) > from;",
		new:  "int64(rows[at]>>window.OwnBits) >= from;",
	}, pkg: "./features", run: "^TestS01EventsThatFollowCountWhatIsInTheWindow$"},
	{mutant: mutant{
		name: "an event follows one of its time that is behind it",
		file: "features/follow.go",
		old:  "ev.Time <= int64(w[atNow])",
		new:  "ev.Time < int64(w[atNow])",
	}, pkg: "./features", run: "^TestS03AnEventOfEqualTimeThatIsBeforeAnotherDoesNotFollowIt$"},
	{mutant: mutant{
		name: "mode: a value that becomes rarer does not play its games again",
		file: "features/contest.go",
		old:  "\t\tc.rival(at - 1)[1] = n\n\t\tl.playFrom(p, w, c, at-1)\n",
		new:  "\t\tc.rival(at - 1)[1] = n\n",
	}, pkg: "./features", run: "^TestS20ManyValuesAreCountedOneByOne$"},
	{mutant: mutant{
		name: "mode: of equal values the one that came first wins",
		file: "features/contest.go",
		old:  "b[1] > a[1] || b[1] == a[1] && b[1] > 0 && l.counting.smaller(l.plan, p, b[0], a[0])",
		new:  "b[1] > a[1]",
	}, pkg: "./features", run: "^TestS20ManyValuesAreCountedOneByOne$"},
	{mutant: mutant{
		name: "values behind the state: a late one is not linked to the next",
		file: "features/earlier.go",
		old:  "\tl.linkTo(x, w, word, after, t)\n",
		new:  "\tif after == newestOfAll {\n\t\tl.linkTo(x, w, word, after, t)\n\t}\n",
	}, pkg: "./features", run: "^TestS20ManyValuesAreCountedOneByOne$"},
	{mutant: mutant{
		name: "values behind the state: what has left the window still counts",
		file: "features/earlier.go",
		old:  "return int64(t) > l.plan.timeAt(s.rows, s.from)",
		new:  "return t > 0",
	}, pkg: "./features", run: "^TestS20ManyValuesAreCountedOneByOne$"},
	{mutant: mutant{
		name: "values behind the state: a row of the very time that is not seen counts",
		file: "features/earlier.go",
		old:  "for int64(t) >= ends {",
		new:  "for int64(t) > ends {",
	}, pkg: "./features", run: "^TestS20ManyValuesAreCountedOneByOne$"},
	{mutant: mutant{
		name: "values of a delayed window are fed by the window that names them",
		file: "features/structures.go",
		old:  "if x.slides() && !x.scanned && x.delay == k.delay {",
		new:  "if x == k {",
	}, pkg: "./features", run: "^TestS24ValuesOfDelayedWindowsCountInAll$"},
	{mutant: mutant{
		name: "by category: one that has an event less stays where it ranked",
		file: "features/divided.go",
		old:  "\t\tl.sink(x, all, number)\n",
		new:  "",
	}, pkg: "./features", run: "^TestS25ManyCategories$"},
	{mutant: mutant{
		name: "by category: what all have together keeps what has left",
		file: "features/divided.go",
		old:  "l.putInto(x, all[:x.width], row, gone)",
		new:  "l.putInto(x, all[:x.width], row, gone && r[1] > 0)",
	}, pkg: "./features", run: "^TestS25ManyCategories$"},
	{mutant: mutant{
		name: "by category: the one that takes an empty seat does not sink from there",
		file: "features/ranking.go",
		old:  "\tl.sinkAmong(x, all, last, seats-1)\n",
		new:  "",
	}, pkg: "./features", run: "^TestS25ManyCategories$"},
	{mutant: mutant{
		name: "by category: the others of a life lack one of the two below a seat",
		file: "features/ranking.go",
		old:  "for next := 2 * seat; next <= min(2*seat+1,",
		new:  "for next := 2 * seat; next <= min(2*seat,",
	}, pkg: "./features", run: "^TestS25ManyCategories$"},
	{mutant: mutant{
		name: "by category: those above a seat lack the row that came there",
		file: "features/ranking.go",
		old:  "for ; seat > 0; seat /= 2 {\n\t\tl.steps++\n",
		new:  "for ; seat > 3; seat /= 2 {\n\t\tl.steps++\n",
	}, pkg: "./features", run: "^TestS25ManyCategories$"},
}
