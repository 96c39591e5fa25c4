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
// # Snapshots
//
// snapshot*.go write the state as bytes, group of keys by group of keys, while events
// are applied; restore.go reads them back. Decision 19 says what they promise.
package features
