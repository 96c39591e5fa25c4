package spec

// program is replaced by the author of config/spec.
type program struct{}

// Load reads the spec files and folders and returns one Spec per namespace. All errors and warnings of all files come
// in Diagnostics; specs is nil when there is an error among them.
func Load(paths []string) (specs []*Spec, diags Diagnostics, err error) { panic("stub") }

// Severity of a diagnostic.
type Severity uint8

const (
	ErrorSeverity Severity = iota
	WarningSeverity
)

// Diagnostic is one finding, with its place and, where there is one, a suggestion.
type Diagnostic struct {
	Severity   Severity
	Pos        Position
	End        int // last column, inclusive; 0: one caret
	Message    string
	Suggestion string
	Line       string // the source line
}

// Diagnostics is sorted by file and place.
type Diagnostics []Diagnostic

func (d Diagnostics) HasErrors() bool { panic("stub") }

// Interpret is the reference evaluator (cel-go's interpreter over the promoted tree). lookup gives the value of a name:
// float64, bool, string, time.Time or time.Duration; false: no value. Result: the same types; false: no value (S17).
func (e *Expr) Interpret(lookup func(Name) (any, bool)) (any, bool) { panic("stub") }
