package features

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

// This file is the contract in stub form; the engine's author replaces it.

// Plan is a compiled spec: immutable, safe for concurrent use.
type Plan struct{}

// Scope of Compile: Served compiles what run needs, All compiles everything (test, backfill).
type What uint8

const (
	Served What = iota
	All
)

// Compile turns a spec into a plan, or says in an *Unavailable what this build cannot run.
func Compile(s *spec.Spec, what What) (*Plan, error) { panic("stub") }

// CannotRun lists what the engine of this build lacks for s (connectors and model kinds are cmd's to check).
func CannotRun(s *spec.Spec) []Missing { panic("stub") }

func (p *Plan) Spec() *spec.Spec          { panic("stub") }
func (p *Plan) Layout(source int) *Layout { panic("stub") }
func (p *Plan) Rows() []*RowLayout        { panic("stub") }

// Reader does everything about a record that needs no state: decode, schema, future, computed fields, source filter
// (S8). One goroutine each.
type Reader struct{}

func (p *Plan) NewReader(source int) *Reader { panic("stub") }

// Read decodes value into ev, whose Source, Partition, Offset and RecordTime are set by the caller. nil: accepted so far.
// The rejection is reused by the next Read.
func (r *Reader) Read(value []byte, ev *event.Event) *event.Rejection { panic("stub") }

// ReadTexts is Read for named texts: CSV cells, given events of spec tests.
func (r *Reader) ReadTexts(names []string, texts []string, ev *event.Event) *event.Rejection {
	panic("stub")
}

// Counts are what Read saw and accepted: S14 unknown enum values, S17 missing values.
func (r *Reader) Counts() ReadCounts { panic("stub") }

type ReadCounts struct{ UnknownEnum, Missing map[string]int64 }

// Engine is the state of all entities of a plan. One goroutine.
type Engine struct{}

type Options struct {
	Seed [16]byte // keys the hashes that decide values; same seed, same state
}

func NewEngine(p *Plan, o Options) *Engine { panic("stub") }

// NewVector makes a vector of the right shape for a source.
func (p *Plan) NewVector(source int) *Vector { panic("stub") }

// Admit decides late and duplicate (S9, S10) and remembers the record if accepted. Apply must follow an acceptance.
func (e *Engine) Admit(ev *event.Event) *event.Rejection { panic("stub") }

// Apply puts an admitted event into every view of its source and fills out (nil: a silent replay) with what it is enriched with.
func (e *Engine) Apply(ev *event.Event, out *Vector) { panic("stub") }

// Rows calls f for every row touched since the last call, each once, in an order that depends on the events only, and forgets the touches.
func (e *Engine) Rows(f func(*Row)) { panic("stub") }

// DropTouches forgets the touches without reading rows (after a silent replay).
func (e *Engine) DropTouches() { panic("stub") }

// ReadRow is the read of now of one entity's row at t, which is at or after its newest event (S6).
func (e *Engine) ReadRow(view *spec.View, key string, t int64, out *Row) { panic("stub") }

// SetCoverage tells from when on a source has been read.
func (e *Engine) SetCoverage(source int, c Coverage) { panic("stub") }

// Watermark is the newest event time accepted in a partition (ms), false before the first.
func (e *Engine) Watermark(source int, partition int32) (int64, bool) { panic("stub") }

// Stats: per view number of live keys, state bytes, evictions ...
func (e *Engine) Stats() Stats { panic("stub") }

type Stats struct {
	Views []ViewStats
}
type ViewStats struct {
	View  *spec.View
	Keys  int64
	Bytes int64
}

// JoinKey makes an entity's key text from its parts: parts percent-encoded (% and ,) and joined with "," when composite (S15).
func JoinKey(parts []string) string { panic("stub") }

func (u *Unavailable) Error() string { panic("stub") }
