package main

// table is the scorecard: the rows, the number of trials in CI and in full.
func table() []*row {
	return []*row{
		{name: "kills", what: "kill -9 at random and at every named step", short: 100, long: 1000, run: kills},
		{name: "zombies", what: "the owner is frozen past its session, replaced, and wakes", short: 12, long: 100, run: zombies},
		{name: "matrix", what: "requests to the broker answered by errors, done and not done", short: 64, long: len(allCases()), run: matrix, byCommit: true},
		{name: "wipes", what: "a store of 200,000 (long: 1,000,000) rows is killed and comes back empty", short: 3, long: 10, run: wipes},
		{name: "failovers", what: "a replica takes over and has lost acknowledged rows", short: 2, long: 10, run: failovers},
		{name: "outages", what: "the store is refused, silent one way or the other, slow, frozen, full, reset", short: 7, long: 70, run: outages},
	}
}
