// Package features is the engine: events in, exact windowed features out. It
// is pure: no goroutine, no clock, no I/O, no logging. Time is always event time
// and always an argument. What a value means is docs/semantics.md, S1 to S36.
//
// # Use
//
//	plan, err := features.Compile(s, what)       // once per spec; immutable
//	engine := features.NewEngine(plan, options)  // all state; one goroutine
//	reader := plan.NewReader(source)             // bytes to events; one per goroutine
//
//	reader.Read(value, &ev)                      // decode, check, compute fields, filter
//	engine.Admit(&ev)                            // late? duplicate?
//	engine.Apply(&ev, vector)                    // change the state, fill the event's values
//	engine.Rows(write)                           // the rows that were touched since the last call
//	engine.Read(view, key, t, row)               // the values of one entity at t, without an event
//
// # What is kept
//
// All views of one entity over one source share an entity log (logPlan, entityLog).
// For each entity it has rows, one per event (logrow.go), in a block of memory
// without pointers, and beside them, from the ninth event on, a running state: words
// that hold the sums, counts and positions of every window as of the newest event
// (spans.go, narrow.go, promote.go). What does not fit words (extremes, distinct
// values, quantiles) is in structures that all features with the same need
// share (structures.go). Past event_budget, rows are folded into tiles (budget.go,
// tiles.go); past distinct_budget, a sketch counts (crowd.go).
//
// # How a value is computed
//
// There are several paths to one result; scan.go is the reference for the others,
// and tests hold each of them to it and to the oracle.
//
//   - An event later than all of its entity's, in a log of plain sums: one pass over
//     the windows (follow.go), evaluated by loops over flat tables (even.go, flat.go,
//     figures.go, direct.go).
//   - Any other event at or behind the running state: advance.go moves the windows on,
//     insert.go puts the row in, cell by cell evaluation follows (partread.go).
//   - A moment before the running state (a late event, a view of another source): the
//     windows are moved back by the rows in between (shift.go, shiftlife.go), or put
//     together from nodes over rows (levels.go).
//   - Everything else: the window is cut from the log and scanned (scan.go).
//
// # Where things are
//
// Begin with api.go, engine.go, logplan.go and scan.go; read the rest when you need it.
//
// A spec becomes a plan:
//
//	api.go            statuses, values, vectors and rows: what callers see
//	compile.go        Compile: views, services and models, one after the other
//	plan.go           Plan: what it consists of, immutable
//	cells.go, cell.go a feature becomes a cell of parts, which features share
//	logplan.go        the log of an entity over a source: bits, words, structures
//	layout.go         columns of vectors and rows; derived features and rules
//	lookup.go         fields that are looked up in tables
//	unavailable.go    what this build cannot run
//	size.go           how much memory a plan needs ...
//	sizing.go         ... for blocks that grow with events that come at random ...
//	sizeskew.go       ... of keys that are not equally busy
//
// A record becomes an event that counts, or does not:
//
//	reader.go         decode, check, compute, filter: all that needs no state
//	admit.go          late? duplicate?
//	recent.go         the ids of the last minutes
//	waits.go          events that take back one that is not there yet
//
// An event meets its entities:
//
//	engine.go         Engine: Apply, from the event to its vector
//	key.go, hash.go   keys as text; hashes that decide values
//	entities.go       key to state; entities with few events
//	stage.go          what several events need of memory is fetched together
//	place.go          where an event is in the log of each of its entities
//	cap.go            who is forgotten where there are too many entities
//	interner.go       texts that rows give back, as numbers
//
// What an entity keeps:
//
//	logrow.go         a row of the log, word by word
//	spans.go          sliding windows as words beside the rows; nested
//	narrow.go         sums that fit one word, and what makes them two
//	life.go           lives and sessions: chains of events with short silences
//	structures.go     what does not fit words; the structures below, as they are shared
//	tally.go          how often each value occurs
//	contest.go        the smallest of several most frequent values
//	quantile.go       counts by bucket
//	beside.go         parts that are more than the sum of rows: gaps, mode
//	listed.go         times of rows with a bit that few rows have
//	earlier.go        where a rare value occurred before
//	levels.go         nodes over rows, for what cannot be taken back
//	budget.go, tiles.go past event_budget: rows are folded into tiles
//	crowd.go          past distinct_budget: a sketch
//
// An event changes what is kept:
//
//	advance.go        windows move on to the time of the event
//	insert.go         its row goes in, and into all that runs
//	follow.go         the short way, for an event behind all of its entity's
//	promote.go        the ninth event: a running state is made
//	ripe.go           lives with a delay: events whose delay is over
//	retract.go        an event takes another one back ...
//	strike.go         ... whose row stays, struck
//
// Values are read:
//
//	read.go           a reading of all views of an entity, with statuses
//	own.go            of the event at hand, where nothing special is to be said
//	even.go           windows that ask the same of the same rows
//	plain.go, flat.go counts, sums, means, deviations, ratios in loops without calls
//	figures.go        cells that are one step from words
//	direct.go         cells whose parts are at hand
//	partread.go       any other cell, part by part
//	few.go            entities without running state: one walk over the rows
//	lastn.go          the last n events
//	walk.go           the newest few, lists, streaks: a walk back
//	shift.go          late, or of another source: windows moved back ...
//	shiftlife.go      ... and lives
//	scan.go           the reference: a window is cut from the log and scanned
//	with.go           as if an event had just arrived (S7)
//	rows.go           rows for the store, and reads at a moment
//	everyrow.go       a walk over all rows, for a store that has lost them
//
// Features with by, one value for each category:
//
//	by.go             what is kept and who reads it
//	divided.go        a record for each category
//	ranking.go        the records in order: those with the most events first
//	dividedvalues.go  what counts values, by category
//	dividedmode.go    the mode of a category
//	dividedsets.go    different values of all categories that are not shown ...
//	dividedrest.go    ... and where more than a few are shown
//	dividednodes.go   what cannot be taken back: nodes with a record for each category
//	dividedanew.go    a category that loses an event is put together anew
//	dividedgaps.go    what lies between the events of a category
//	dividedwalk.go    walks that pass the events of other categories
//
// The state as bytes (decisions 19 and 32):
//
//	snapshot.go       what a snapshot is
//	snapshotplan.go   which parts of it another plan may keep
//	snapshotadmit.go  what admits the next record of each source
//	snapshotwrite.go  a group of keys is written in slices, while events are applied
//	snapshotgroup.go  a group is checked ...
//	snapshotattach.go ... and its entities are moved in
//	snapshottexts.go  texts, whose numbers differ between engines
//	restore.go        Restore: all pieces into an engine that has seen nothing
package features
