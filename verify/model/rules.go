package model

import "cmp"

// Rule decides whether a row replaces the one that the store has.
type Rule struct {
	Name string
	// Accepts reports whether a row of version fresh replaces one of version old.
	Accepts func(old, fresh version) bool
	// RefreshRaisesBatch: a refresh takes a batch number of its own.
	RefreshRaisesBatch bool
}

// ours is the rule of the product: equal or newer, field by field.
func ours(old, fresh version) bool {
	return cmp.Or(cmp.Compare(fresh.incarnation, old.incarnation), cmp.Compare(fresh.batch, old.batch), cmp.Compare(fresh.owner, old.owner),
		cmp.Compare(fresh.seq, old.seq), cmp.Compare(fresh.asOf, old.asOf)) >= 0
}

// Ours is the rule of the product.
var Ours = Rule{Name: "incarnation, batch, owner, seq, as_of", Accepts: ours}

// Wrong are rules that look right. Each of them shows a stale row for ever in
// some history.
var Wrong = []Rule{
	{Name: "the last write wins", Accepts: func(version, version) bool { return true }},
	{Name: "contributions counted", Accepts: func(old, fresh version) bool { return fresh.contributions >= old.contributions }},
	{Name: "batch alone", Accepts: func(old, fresh version) bool { return fresh.batch >= old.batch }},
	{Name: "without owner", Accepts: func(old, fresh version) bool {
		return cmp.Or(cmp.Compare(fresh.incarnation, old.incarnation), cmp.Compare(fresh.batch, old.batch),
			cmp.Compare(fresh.seq, old.seq), cmp.Compare(fresh.asOf, old.asOf)) >= 0
	}},
	{Name: "without incarnation", Accepts: func(old, fresh version) bool {
		return cmp.Or(cmp.Compare(fresh.batch, old.batch), cmp.Compare(fresh.owner, old.owner), cmp.Compare(fresh.seq, old.seq)) >= 0
	}},
	{Name: "the writer's clock", Accepts: func(old, fresh version) bool { return fresh.wall >= old.wall }},
	{Name: "refreshes raise the batch number", Accepts: ours, RefreshRaisesBatch: true},
}
