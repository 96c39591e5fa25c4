package spec

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
