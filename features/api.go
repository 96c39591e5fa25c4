package features

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// Status says how far a value can be trusted (S19). The order is the order of
// precedence: of several, the first is shown.
type Status uint8

// The closed list of statuses.
const (
	NoEntity Status = iota
	NotFound
	NeedsEvent
	Error
	Incomplete
	Degraded
	Warming
	Stale
	Default
	Present
)

var statusNames = [...]string{"NO_ENTITY", "NOT_FOUND", "NEEDS_EVENT", "ERROR", "INCOMPLETE",
	"DEGRADED", "WARMING", "STALE", "DEFAULT", "PRESENT"}

func (s Status) String() string { return statusNames[s] }

// first is the status that is shown of two (S19).
func first(a, b Status) Status { return min(a, b) }

// Other is the category that stands for all that `top` leaves out; a category
// of that name is shown as "_other" (S25), and one of that name as "__other".
const Other = "other"

// Column is one value of a record's vector.
type Column struct {
	Name    string        // full: view.short, or service.name
	Feature *spec.Feature // nil for a service's derived value
	// Category is the one that a service asks for of a feature with `by`: then
	// the value is its value, not a map.
	Category spec.Category
	Derived  *spec.ServiceDerived
	Service  *spec.Service // of Derived
	Emit     bool          // leaves in the record; the others are working values
	Scale    int           // of Decimal values
}

// Layout is what an event of one source is enriched with: the features of the
// services on that source, or without one the served features of every entity
// that the source has, and behind them the working values that derived values,
// rules and scores need.
type Layout struct {
	Source   *spec.Source
	Columns  []Column
	Entities []*spec.Entity // the entities whose keys the source has, in spec order
	Models   []ModelLayout  // the models whose service is on this source
}

// ModelLayout says where a model finds its input in the vector.
type ModelLayout struct {
	Model  *spec.Model
	Vector []int // columns, in the order of the service's vector
}

// Vector is what one event was enriched with. It is reused; its values live
// until the engine's next Apply.
type Vector struct {
	Values   []event.Value // by Layout.Columns
	Statuses []Status
	Keys     []string // by Layout.Entities: "" where the event has no such entity
	// Fired and Scores are by Layout.Models. Fired is by the model's Rules;
	// Scores is the value of the model's score expression, None without one.
	Fired  [][]bool
	Scores []event.Value
}

// RowLayout is the served columns of a view's row.
type RowLayout struct {
	View    *spec.View
	Columns []RowColumn
}

// RowColumn is one field of a row.
type RowColumn struct {
	Feature *spec.Feature
	// Category is the one that a service asks for of a feature with `by`, in rows
	// of Plan.Reads alone: the store holds the whole map.
	Category spec.Category
	Scale    int  // of Decimal values
	Moves    bool // changes without an edge: the store keeps <name>_at beside it (S27)
}

// Name is the full name of what the column holds, as in records.
func (c *RowColumn) Name() string { return ColumnName(c.Feature, c.Category) }

// Row is one entity's row of one view as the online store holds it: the read
// of now at AsOf, without an event (S6). Values and Statuses are by
// Layout.Columns. It is reused from row to row.
type Row struct {
	Layout   *RowLayout
	Key      string // the entity's key; composite parts joined as Key says
	AsOf     int64  // event time in ms of the newest event in the row
	Values   []event.Value
	Statuses []Status
}

// Coverage is from when on a source has been read, for WARMING (S19).
type Coverage struct {
	FromStart bool  // every partition was read from offset 0
	Since     int64 // else: the event time in ms from which on all of it was read
	// Hole is the event time in ms behind which records are known to be missing,
	// although some before them were read: what reaches behind it is INCOMPLETE. 0:
	// none are.
	Hole int64
}

// reaches reports whether all that came behind a time was read.
func (c Coverage) reaches(from int64) bool { return from >= c.since() }

// since is the time behind which all was read.
func (c Coverage) since() int64 {
	if c.FromStart {
		return c.Hole
	}
	return max(c.Since, c.Hole)
}

// status is what a window that begins at from can be, as far as its source was
// read.
func (c Coverage) status(from int64) Status {
	switch {
	case c.Hole != 0 && from < c.Hole:
		return Incomplete
	case !c.FromStart && from < c.Since:
		return Warming
	}
	return Present
}

// Unavailable is the error of Compile for a valid spec that this build cannot
// run: what is missing, and where it was asked for.
type Unavailable struct{ Items []Missing }

// Missing is one thing this build cannot do yet.
type Missing struct {
	What string // an aggregation's name, "session windows", ...
	Pos  spec.Position
}
