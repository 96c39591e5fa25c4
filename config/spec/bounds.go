package spec

// The bounds of a namespace. A spec of a megabyte can ask for billions of
// features by {entity}, windows and repeats; what a plan holds is bounded here,
// far above what anyone keeps in one namespace.
const (
	MaxEntries      = 1000   // of one kind: sources, entities, views as written, services, models, tests
	MaxViews        = 2000   // {entity} views multiplied out
	MaxFeatures     = 20_000 // generated and derived
	MaxViewFeatures = 2000
	MaxDerived      = 256 // of one view or service
	MaxFields       = 1000
	MaxTestEvents   = 50_000   // of all tests, repeats multiplied out
	MaxFindings     = 1000     // that are reported; the rest are counted
	MaxTableBytes   = 64 << 20 // of one table's file, unpacked
	MaxTableRows    = 1_000_000
)

// bounded is the first most entries; more are reported at n.
func (l *loader) bounded(entries []entry, most int, n node, what string) []entry {
	if len(entries) <= most {
		return entries
	}
	l.errorf(n, "split the namespace", "%s: %d of them, at most %d are allowed", what, len(entries), most)
	return entries[:most]
}

// cut keeps the first findings and counts the others.
func (d Diagnostics) cut() Diagnostics {
	if len(d) <= MaxFindings {
		return d
	}
	rest := Diagnostic{Severity: WarningSeverity, Pos: Position{File: d[MaxFindings].Pos.File}}
	if d[MaxFindings:].HasErrors() {
		rest.Severity = ErrorSeverity
	}
	rest.Message = itoa(len(d)-MaxFindings) + " more findings are not shown"
	return append(d[:MaxFindings:MaxFindings], rest)
}
