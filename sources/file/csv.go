package file

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"github.com/freshet-dev/freshet/sources"
)

// rows cuts a CSV file (RFC 4180) into rows. A row may hold line ends within
// quotes; it may be as long as a record may be.
type rows struct {
	lines *lines
	names []string
	cells *csv.Reader
	feed  feed
	text  []byte // of the row being parsed

	// Lines that were read in search of the end of a quote and then were not
	// part of the row.
	again []physical
}

type physical struct {
	number int64
	text   []byte
	length int
}

// feed hands the parser one row at a time: encoding/csv would read to the end
// of the file in search of the end of a quote.
type feed struct{ rest []byte }

func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func newRows(l *lines) (*rows, error) {
	r := &rows{lines: l}
	head, err := r.raw()
	if errors.Is(err, io.EOF) {
		return r, nil // an empty file has no rows, and its header is not missed
	}
	if err != nil {
		return nil, err
	}
	names, err := r.parse(head.text)
	if err != nil {
		return nil, fmt.Errorf("line 1: the CSV header cannot be read: %w", err)
	}
	seen := map[string]bool{}
	for i, name := range names {
		switch {
		case name == "":
			return nil, fmt.Errorf("line 1: column %d of the CSV header has no name", i+1)
		case seen[name]:
			return nil, fmt.Errorf("line 1: the CSV header names column %q twice", name)
		}
		seen[name] = true
	}
	r.names = names
	return r, nil
}

// record is the next row that is not blank.
func (r *rows) record() (sources.Record, error) {
	row, err := r.raw()
	if err != nil {
		return sources.Record{}, err
	}
	record := sources.Record{Offset: row.number, Value: row.text}
	if row.length > len(row.text) {
		record.Oversized = row.length
		return record, nil
	}
	texts, err := r.parse(row.text)
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong):
		record.Damaged = fmt.Sprintf("the CSV row cannot be read: %v, byte %d", wrong.Err, byteOf(row.text, wrong))
	case err != nil:
		record.Damaged = "the CSV row cannot be read"
	case len(texts) != len(r.names):
		record.Damaged = fmt.Sprintf("the CSV row has %d cells, its header has %d", len(texts), len(r.names))
	default:
		record.Cells = &sources.Cells{Names: r.names, Texts: texts}
	}
	return record, nil
}

// byteOf is where in a row it is wrong. The parser says the line, counted from the
// first that it was given, and the byte of the line, both from 1.
func byteOf(row []byte, wrong *csv.ParseError) int {
	at := 0
	for range wrong.Line - wrong.StartLine {
		at += bytes.IndexByte(row[at:], '\n') + 1
	}
	return at + wrong.Column - 1
}

// parse takes a row apart. The parser is made anew after an error, and where it
// did not see the row end where raw did: its buffer would hold the rest.
func (r *rows) parse(row []byte) ([]string, error) {
	if r.cells == nil {
		r.feed.rest = nil
		r.cells = csv.NewReader(&r.feed)
		r.cells.FieldsPerRecord = -1
	}
	r.text = append(append(r.text[:0], row...), '\n')
	r.feed.rest = r.text
	before := r.cells.InputOffset()
	texts, err := r.cells.Read()
	if read := r.cells.InputOffset() - before; err == nil && read != int64(len(r.text)) {
		err = errors.New("a quote stands where none can")
	}
	if err != nil {
		r.cells = nil
	}
	return texts, err
}

// raw is the next row as it stands: one line, or several where quotes hold
// line ends. If the quote that is open at its end never closes within the
// size of a record, the first line is the row, and the parser will refuse it.
func (r *rows) raw() (physical, error) {
	first, err := r.line()
	for err == nil && first.length == len(first.text) && len(bytes.TrimSpace(first.text)) == 0 {
		first, err = r.line()
	}
	if err != nil || first.length > len(first.text) {
		return first, err
	}
	open := openQuote(first.text, false)
	if !open {
		return first, nil
	}
	text := append([]byte(nil), first.text...)
	var joined []physical
	for open {
		more, err := r.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return physical{}, err
		}
		if err == nil {
			joined = append(joined, more)
		}
		if err != nil || more.length > len(more.text) || len(text)+1+len(more.text) > r.lines.max {
			r.again = append(joined, r.again...)
			return first, nil
		}
		text = append(append(text, '\n'), more.text...)
		open = openQuote(more.text, true)
	}
	return physical{number: first.number, text: text, length: len(text)}, nil
}

func (r *rows) line() (physical, error) {
	if len(r.again) > 0 {
		line := r.again[0]
		r.again = r.again[1:]
		return line, nil
	}
	number := r.lines.number
	text, length, err := r.lines.line()
	return physical{number, text, length}, err
}

// openQuote reports whether a quoted cell is open at the end of a line that
// begins within one, or not.
func openQuote(line []byte, quoted bool) bool {
	cellStart := !quoted
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted && c == '"' && i+1 < len(line) && line[i+1] == '"':
			i++ // a quote within quotes
		case c == '"' && (quoted || cellStart):
			quoted = !quoted
		}
		cellStart = !quoted && c == ','
	}
	return quoted
}
