package spec

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Severity of a diagnostic (S36).
type Severity uint8

// The severities: an error refuses the spec, a warning does not.
const (
	ErrorSeverity Severity = iota
	WarningSeverity
)

// String is the word that stands before the message.
func (s Severity) String() string {
	if s == WarningSeverity {
		return "warning"
	}
	return "error"
}

// Diagnostic is one finding, with its place and, where there is one, a
// suggestion.
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

// Warning is a finding about a place of s, of someone who knows more than the
// specs: an engine, a setting.
func (s *Spec) Warning(pos Position, suggestion, format string, args ...any) Diagnostic {
	d := Diagnostic{Severity: WarningSeverity, Pos: pos, Message: fmt.Sprintf(format, args...), Suggestion: suggestion}
	if lines := s.lines[pos.File]; pos.Line > 0 && pos.Line <= len(lines) {
		d.Line = lines[pos.Line-1]
		d.End = wordEnd([]rune(d.Line), pos.Col)
	}
	return d
}

// wordEnd is the last column of the name that begins at col.
func wordEnd(line []rune, col int) int {
	end := col
	for end < len(line) && (unicode.IsLetter(line[end]) || unicode.IsDigit(line[end]) || strings.ContainsRune("_.@", line[end])) {
		end++
	}
	return end
}

// Sorted is d by file and place, each finding once.
func (d Diagnostics) Sorted() Diagnostics { return d.sorted() }

// HasErrors reports whether one of d is an error.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d, func(x Diagnostic) bool { return x.Severity == ErrorSeverity })
}

// Error is the first finding and the number of the others, so that a caller
// may return d as an error.
func (d Diagnostics) Error() string {
	if len(d) == 0 {
		return "no findings"
	}
	first := fmt.Sprintf("%s: %s", d[0].Pos, d[0].Message)
	if d[0].Suggestion != "" {
		first += " (" + d[0].Suggestion + ")"
	}
	if len(d) > 1 {
		first += fmt.Sprintf(", and %d more", len(d)-1)
	}
	return first
}

// String is file:line:column, without what is not known.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	if p.Col == 0 {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// sorted is d by file and place, each finding once.
func (d Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(d, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col), cmp.Compare(a.Severity, b.Severity))
	})
	return slices.CompactFunc(d, func(a, b Diagnostic) bool { return a.Pos == b.Pos && a.Message == b.Message })
}

// Render prints every finding as a compiler would: place and message, the
// source line with carets below, and what to write instead.
func (d Diagnostics) Render(w io.Writer) error {
	for i := range d {
		if _, err := io.WriteString(w, d[i].render()); err != nil {
			return fmt.Errorf("print findings: %w", err)
		}
	}
	return nil
}

// maxShownLine is how many characters of a source line are shown.
const maxShownLine = 120

func (d *Diagnostic) render() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s\n", d.Pos, d.Severity, printable(d.Message))
	if d.Pos.Line > 0 && d.Line != "" {
		line, from := shownPart([]rune(d.Line), d.Pos.Col-1)
		number := fmt.Sprint(d.Pos.Line)
		carets := max(d.End-d.Pos.Col+1, 1)
		carets = min(carets, max(len([]rune(line))-(d.Pos.Col-1-from), 1))
		fmt.Fprintf(&b, "  %s | %s\n", number, line)
		fmt.Fprintf(&b, "  %s | %s%s\n", strings.Repeat(" ", len(number)),
			strings.Repeat(" ", d.Pos.Col-1-from), strings.Repeat("^", carets))
	}
	if d.Suggestion != "" {
		fmt.Fprintf(&b, "  help: %s\n", printable(d.Suggestion))
	}
	return b.String()
}

// shownPart cuts a long line around the column col, from 0, and says where the
// part begins.
func shownPart(line []rune, col int) (text string, from int) {
	if len(line) <= maxShownLine {
		return printable(string(line)), 0
	}
	from = max(0, min(col-maxShownLine/2, len(line)-maxShownLine))
	return printable(string(line[from:min(from+maxShownLine, len(line))])), from
}

// printable keeps what a file says from driving the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}
