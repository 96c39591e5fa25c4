package main

// table is the scorecard: the rows, the number of trials in CI and in full.
func table() []*row {
	return []*row{
		{name: "kills", what: "kill -9 at random and at every named step", short: 100, long: 1000, piece: 100, run: kills},
		{name: "zombies", what: "the owner is frozen past its session, replaced, and wakes", short: 12, long: 100, piece: 20, run: zombies},
		{name: "matrix", what: "requests to the broker answered by errors, done and not done", short: 64, long: len(allCases()), piece: 48, run: matrix, byCommit: true},
		{name: "resets", what: "requests to the real Kafka that end in a reset, done and not done", short: 4, long: 24, run: resets, byCommit: true},
		{name: "crashes", what: "a real Kafka is killed under load and starts again", short: 2, long: 20, piece: 5, run: crashes},
		{name: "wipes", what: "a store of 200,000 (long: 1,000,000) rows is killed and comes back empty", short: 3, long: 10, run: wipes},
		{name: "failovers", what: "a replica takes over and has lost acknowledged rows", short: 2, long: 10, run: failovers},
		{name: "outages", what: "the store is refused, silent one way or the other, slow, frozen, full, reset", short: 7, long: 70, piece: 14, run: outages},
		{name: "corruptions", what: "checkpoints torn, flipped, cut, swapped: found, and the one before is taken", short: 300, long: 2000, run: corruptions},
		{name: "storm", what: "three members join, leave, die and freeze, twice a second", short: 40, long: 400, piece: 80, run: storm},
		{name: "wires", what: "ends and produces held beyond the next transaction, answers lost, silence one way, resets", short: 6, long: 100, piece: 24, run: wires},
		{name: "disks", what: "checkpoints on a disk that is full, read-only, without inodes, or fails to sync", short: 0, long: 40, piece: 8, run: disks},
		{name: "stalls", what: "a step stands for ever at a named place: the watchdog leaves a dump and ends with 70", short: 1, long: 16, piece: 8, run: stalls},
		{name: "hazards", what: "retention gaps, a topic made anew or grown, offsets set: fails closed", short: 7, long: 50, piece: 10, run: hazards},
		{name: "abuse", what: "events from the far future and past, without time, out of order, twice", short: 10_000, long: 300_000, piece: 100_000, run: abuse},
	}
}
