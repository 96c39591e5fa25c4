// Package spec is the feature spec language: strict YAML in, a resolved and
// checked model out. It knows nothing of engines, brokers or stores, so that
// the engine and the oracle can both be built from it and share nothing else.
//
// Load reads files, Check errors carry file:line:column. Everything in a *Spec
// is resolved: defaults filled in, "{entity}" views expanded, windows
// multiplied out, names bound to pointers, expressions parsed and type-checked.
// A *Spec is read-only once Load has returned it.
package spec

import (
	"path/filepath"
	"time"
)

// Spec is all that the files of one namespace say.
type Spec struct {
	Namespace string
	Owner     string
	Tags      []string
	Files     []string // as given, in reading order

	// In the order of the files, which is meaning: S5 breaks ties by it.
	Sources  []*Source
	Tables   []*Table
	Entities []*Entity
	Views    []*View
	Services []*Service
	Models   []*Model
	Tests    []*Test

	lines map[string][]string // by file: what Warning shows

	// Hash is the sha256, in hex, of everything that decides a value: not of
	// comments, descriptions, tests or connection settings. With WithTables it
	// covers the content of the tables too.
	Hash  string
	logic string // the hash without the tables' content, where Hash covers it
}

// Position is a place in a spec file. Lines and columns count from 1.
type Position struct {
	File      string
	Line, Col int
}

// Type is the declared type of a field, or the result type of a feature or an
// expression.
type Type uint8

// The types of spec-language.md 1.11. Result types of features are Double
// (every count, sum and ratio), Bool, String, Timestamp, and Int or Decimal
// where `last`, `min` and `max` return the field's own type.
const (
	NoType Type = iota
	String
	Int
	Double
	Bool
	Timestamp
	Decimal
	Duration // of expressions only
	List     // list features, and the reasons that a filter of the command line asks for
	Map      // from category to value: features with `by:`
)

// Source is one stream of events.
type Source struct {
	Index       int // place in Spec.Sources
	Name        string
	Description string
	Owner       string
	Type        string // kafka, kinesis, file
	Topic       string // of kafka
	Stream      string // of kinesis
	Path        string // of file
	Format      string // json, avro, protobuf, csv
	Connection  map[string]string

	TimestampField *Field
	IDField        *Field // nil: no de-duplication

	AllowedLateness time.Duration // resolved: S9 gives the default
	MaxAhead        time.Duration // default 10m
	DedupWindow     time.Duration // default 10m

	Retracts          *Field // nil: none
	RetractsTimeField *Field

	History *History
	Output  Output
	Filter  *Expr

	// Fields are the declared ones, then the computed, each in spec order; only
	// that a computed field comes after those that its expression mentions.
	Fields []*Field
	Pos    Position
}

// History is where events older than the stream's retention lie.
type History struct{ Type, Path string }

// Output is where every event of a source goes, enriched and scored.
type Output struct {
	Topic  string
	Key    *Entity // whose token is the record's key; nil: the source feeds no view and has no service
	PIIRaw bool    // pii: raw
	Set    bool    // the author wrote it
}

// Field is a declared or computed field of a source.
type Field struct {
	Index       int // place in Source.Fields
	Name        string
	Description string
	Type        Type
	Scale       int // digits after the point, of Decimal
	Unit        string
	TimeUnit    string // ms (default), s, us, ns: of an epoch timestamp
	Path        []string
	Optional    bool
	Strict      bool // an unknown enum value is a dead letter
	Text        bool // an int inside a string
	Enum        []string
	PII         bool
	Mask        string // last4, hash, ip24, drop; "" when not PII
	// KeepCardNumbers lets texts that look like card numbers leave as they are.
	KeepCardNumbers bool
	Expr            *Expr  // of a computed field
	Table           string // of a lookup
	TableKey        string
	TableColumn     string
	Pos             Position
}

// Table is small reference data that computed fields look values up in.
type Table struct {
	Name    string
	Path    string // as written: from the folder of the spec file, or absolute
	Key     string // the column that is looked up by: a string, unless Columns has it too
	Columns []TableColumn
	Reload  time.Duration // 0: never
	Pos     Position
}

// TableColumn is one column of a table.
type TableColumn struct {
	Name  string
	Type  Type
	Scale int // of Decimal
}

// Column is the declared column of a name.
func (t *Table) Column(name string) (TableColumn, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return TableColumn{}, false
}

// File is where the table's file lies: its path is meant from the folder of
// the spec that declares it, wherever the command runs.
func (t *Table) File() string {
	if filepath.IsAbs(t.Path) {
		return t.Path
	}
	return filepath.Join(filepath.Dir(t.Pos.File), t.Path)
}

// Entity is a thing that features are kept for.
type Entity struct {
	Index       int
	Name        string
	Description string
	Key         []string // field names; several make a composite key
	PII         bool     // a key field is marked pii in some source: keys leave as tokens
	Pos         Position
}

// View is a set of features of one entity over one source. A "{entity}" view
// has become one View for each entity.
type View struct {
	Index       int
	Name        string
	Version     int
	Latest      bool // the bare name means this version (S29)
	Description string
	Owner       string
	Tags        []string
	Source      *Source
	Entity      *Entity
	TTL         time.Duration
	Filter      *Expr // over the source's fields; nil: all events

	Online         string // served, all, none
	Refresh        time.Duration
	RefreshPos     Position // where the author wrote a Refresh; none: the default
	RefreshOff     bool
	Granularity    time.Duration
	EventBudget    int
	DistinctBudget int
	FreshnessSLO   time.Duration

	Definitions []*Definition // as written under features:
	// Features are all generated ones, then the derived, in spec order; only
	// that a derived one comes after those that it mentions.
	Features []*Feature
	Pos      Position
}

// Definition is one entry under a view's features:, before its windows are
// multiplied out.
type Definition struct {
	Name        string
	Description string
	Aggregation string
	Field       *Field // nil where Value is set or none is needed
	Value       *Expr  // instead of a field
	Filter      *Expr
	Numerator   *Expr // of ratio

	Windows        []Window
	Delay          time.Duration
	ExcludeCurrent bool
	MinCount       int
	HasDefault     bool
	Default        Literal
	Hidden         bool

	Unit    time.Duration // of time results: default 1s
	Q       float64
	Per     time.Duration
	N       int
	Limit   int
	OrderBy *Field
	By      *Field
	Top     int
	Pos     Position
}

// WindowKind says how a window is cut.
type WindowKind uint8

// The kinds of window (S20 to S24).
const (
	Sliding  WindowKind = iota // (t-delay-Length, t-delay]
	Lifetime                   // all events since the row last appeared (S22)
	Last                       // the last N events
	Session                    // the current session, closed by Length of silence
	HalfLife                   // weighs, never cuts; Length is the half-life
)

// Window is one window of a definition.
type Window struct {
	Kind   WindowKind
	Length time.Duration
	N      int
	Text   string // as the author wrote it: 1h, 24h, 5
}

// Literal is a value written in a spec: a default or an expectation.
type Literal struct {
	Type  Type // NoType: null
	Num   float64
	Bool  bool
	Str   string
	Keys  []string  // of a Map: the categories, by Items
	Items []Literal // of a List or Map
}

// Feature is one generated or derived value of a view.
type Feature struct {
	Index  int // place in View.Features
	View   *View
	Short  string // txn_count_1h
	Def    *Definition
	Window Window
	Expr   *Expr // of a derived one; then Def is nil

	Description string
	Type        Type
	Scale       int // of Decimal results
	HasDefault  bool
	Default     Literal
	Hidden      bool
	EventBound  bool // has a meaning only with an event (S6)
	Served      bool // written and emitted by run (1.11 online:); never of a hidden one
	Pos         Position
}

// Full is the name of a feature everywhere but in Redis: view.short, or
// view@version.short for a version that is not the latest.
func (f *Feature) Full() string { return f.View.Ref() + "." + f.Short }

// Ref is how a view is named: its bare name, or name@version for a version
// that is not the latest.
func (v *View) Ref() string {
	if v.Latest {
		return v.Name
	}
	return v.Pinned()
}

// Service is the ordered input of one model.
type Service struct {
	Index         int
	Name          string
	Version       int
	Description   string
	On            *Source
	RequestFields []RequestField
	MaxStaleness  time.Duration
	Features      []*Feature // in vector order
	// Categories are by Features: the category of a feature with `by:` (S25),
	// none of all others.
	Categories []Category
	Derived    []*ServiceDerived
	Pos        Position
}

// Category is the one that is listed of a feature with `by:` (S25), whose text may
// be empty; the zero value is none.
type Category struct {
	Name   string
	Listed bool
}

// OfCategory is the category of that name.
func OfCategory(name string) Category { return Category{name, true} }

// RequestField is a value that the caller supplies; on the stream it is the
// event's field of that name (S30).
type RequestField struct {
	Name string
	Type Type
	Pos  Position
}

// ServiceDerived is a derived value of a service. Its names are view.feature
// and request.x. Full name: service.name.
type ServiceDerived struct {
	Name       string
	Expr       *Expr
	Type       Type
	HasDefault bool
	Default    Literal
	Pos        Position
}

// Model scores the events of a service's source.
type Model struct {
	Index      int
	Name       string
	Version    int
	Service    *Service
	Runtime    string // expr, or one this build may not have
	Score      *Expr  // of expr; nil: the weights of the rules
	OnError    string // band
	Bands      []Band // rising Min
	MaxReasons int    // 0: all
	Rules      []*Rule
	Shadow     bool
	Artifact   string
	Pos        Position
}

// Band is a named range of scores: from Min up to the next band's.
type Band struct {
	Name string
	Min  float64
}

// Rule is one reason code.
type Rule struct {
	Code      string
	When      *Expr
	Weight    float64
	HasWeight bool
	Text      string
	Pos       Position
}

// Test is one entry of tests: (1.10, S35).
type Test struct {
	Name   string
	Source *Source
	Start  time.Time
	Given  []Given
	Expect []Expect
	Pos    Position
}

// Given is one event of a test, repeats already multiplied out. Values holds
// the text of each field as written, defaults merged in; it is read by the
// declared type of the field (S33).
type Given struct {
	Source  *Source
	At      time.Duration // offset from Start
	Arrives time.Duration
	Values  []GivenValue
	Pos     Position
}

// GivenValue is one field of a given event: its YAML scalar.
type GivenValue struct {
	Field *Field
	Text  string
	Null  bool
	Pos   Position
}

// Expect is one expectation of a test.
type Expect struct {
	At       time.Duration
	Event    string // an id, instead of At
	HasAt    bool
	Entity   *Entity
	Key      []string // values in the order of Entity.Key
	Features []Want
	Statuses []WantStatus
	Reasons  []WantReasons
	Scores   []WantScore
	Bands    []WantBand
	Dropped  []WantDropped
	Pos      Position
}

// Want is the expected value of one feature. Op is "", approx, above, below.
type Want struct {
	Feature *Feature        // nil for a service's derived
	Derived *ServiceDerived // with Service
	Service *Service
	Op      string
	Value   Literal
	Abs     float64
	Rel     float64
	Missing bool     // nothing stands behind the name yet
	Key     Position // of the name that it stands behind
	Pos     Position
}

// WantStatus, WantReasons, WantScore, WantBand and WantDropped are the other
// lines of an expectation.
type (
	WantStatus struct {
		Feature *Feature        // nil for a service's derived
		Derived *ServiceDerived // with Service
		Service *Service
		Status  string
		Missing bool // nothing stands behind the name yet
		Key     Position
		Pos     Position
	}
	WantReasons struct {
		Model   *Model
		Codes   []string
		Missing bool // nothing stands behind the name yet
		Key     Position
		Pos     Position
	}
	WantScore struct {
		Model *Model
		Want  Want
		Pos   Position
	}
	WantBand struct {
		Model   *Model
		Band    string
		Missing bool // nothing stands behind the name yet
		Key     Position
		Pos     Position
	}
	WantDropped struct {
		Reason  string
		Count   int
		Missing bool // nothing stands behind the name yet
		Key     Position
		Pos     Position
	}
)

// Pinned is name@version, whatever the latest version is: the form in Redis.
func (v *View) Pinned() string { return v.Name + "@" + itoa(v.Version) }
