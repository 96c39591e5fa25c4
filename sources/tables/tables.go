// Package tables reads the files of a spec's tables: small reference data that
// computed fields look values up in. A file is JSON lines or CSV with a header,
// either of them with .gz; it is read whole, and refused whole where one row of
// it cannot be trusted.
package tables

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/file"
)

// Error is a file that cannot be a table's content: which, where in it, and
// what is wrong. It holds no value of the file.
type Error struct {
	Table  *spec.Table
	File   string
	Line   int // from 1; 0: not of one line
	Column int // the byte in the line, from 1; 0: not of one place
	Detail string
	Next   string // what to do; "" where Detail says it
}

func (e *Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place += fmt.Sprintf(":%d", e.Line)
	}
	if e.Column > 0 {
		place += fmt.Sprintf(":%d", e.Column)
	}
	return e.Of() + ": " + place + ": " + e.Detail
}

// Of names the table and where it is declared.
func (e *Error) Of() string {
	return fmt.Sprintf("table %s, %s:%d", e.Table.Name, e.Table.Pos.File, e.Table.Pos.Line)
}

// Read reads a table's file. The error is an *Error.
func Read(t *spec.Table) (*event.Table, error) {
	name := t.File()
	wrong := func(line, column int, detail string) *Error {
		return &Error{Table: t, File: name, Line: line, Column: column, Detail: detail}
	}
	data, err := file.Whole(name, spec.MaxTableBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e := wrong(0, 0, "there is no such file")
		e.Next = "a table's path is meant from the folder of its spec file"
		return nil, e
	case errors.Is(err, file.ErrTooLarge):
		return nil, wrong(0, 0, tooLarge())
	case err != nil:
		return nil, wrong(0, 0, err.Error())
	}
	table := event.NewTable(t)
	sum := sha256.Sum256(data)
	table.Hash = hex.EncodeToString(sum[:])
	headed := false
	err = file.Each(name, data, spec.MaxTableBytes, func(r *sources.Record) error {
		line := int(r.Offset) + 1
		if r.Damaged != "" {
			return wrong(line, 0, r.Damaged)
		}
		if table.Len() == spec.MaxTableRows {
			return wrong(line, 0, fmt.Sprintf("a table has at most %d rows: join larger data upstream", spec.MaxTableRows))
		}
		if r.Cells != nil && !headed {
			headed = true
			if missing := absent(t, r.Cells.Names); len(missing) > 0 {
				return wrong(1, 0, fmt.Sprintf("the header has no column %s: it has %s", strings.Join(missing, ", "), strings.Join(r.Cells.Names, ", ")))
			}
		}
		var rej *event.Rejection
		if r.Cells != nil {
			rej = table.AddTexts(r.Cells.Names, r.Cells.Texts)
		} else {
			rej = table.AddJSON(r.Value)
		}
		if rej == nil {
			return nil
		}
		return wrong(line, columnOf(r, rej), detailOf(rej))
	})
	var known *Error
	switch {
	case err == nil && table.Len() == 0:
		// Most likely someone is writing it: that must not empty the table.
		return nil, wrong(0, 0, "there is no row in it")
	case err == nil:
		return table, nil
	case errors.As(err, &known):
		return nil, known
	case errors.Is(err, file.ErrTooLarge):
		return nil, wrong(0, 0, tooLarge())
	}
	return nil, wrong(0, 0, err.Error())
}

func tooLarge() string {
	return fmt.Sprintf("larger than %d MiB, the most that a table may hold: join larger data upstream", spec.MaxTableBytes>>20)
}

// Hashes are what spec.Spec.WithTables takes.
func Hashes(tables []*event.Table) []string {
	var hashes []string
	for _, t := range tables {
		hashes = append(hashes, t.Hash)
	}
	return hashes
}

// absent are the declared columns that a header lacks.
func absent(t *spec.Table, header []string) []string {
	var missing []string
	if !slices.Contains(header, t.Key) {
		missing = append(missing, t.Key)
	}
	for _, c := range t.Columns {
		if c.Name != t.Key && !slices.Contains(header, c.Name) {
			missing = append(missing, c.Name)
		}
	}
	return missing
}

func detailOf(rej *event.Rejection) string {
	if rej.Field == "" {
		return rej.Detail
	}
	return rej.Field + ": " + rej.Detail
}

// columnOf is where in its line a row is wrong, 0 where that is not known.
func columnOf(r *sources.Record, rej *event.Rejection) int {
	switch {
	case rej.Offset < 0 && r.Cells != nil:
		return cellColumn(r.Value, slices.Index(r.Cells.Names, rej.Field))
	case rej.Offset < 0:
		return 0
	case r.Cells != nil:
		return cellColumn(r.Value, rej.Offset)
	}
	return rej.Offset + 1
}

// cellColumn is where a cell begins. The row was read once already; only where
// something is wrong is it read again.
func cellColumn(row []byte, cell int) int {
	reader := csv.NewReader(bytes.NewReader(row))
	reader.FieldsPerRecord = -1
	if cells, err := reader.Read(); err != nil || cell < 0 || cell >= len(cells) {
		return 0
	}
	_, column := reader.FieldPos(cell)
	return column
}
