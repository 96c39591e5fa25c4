package redis

import (
	"context"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
)

// encoder turns rows into commands. Its buffers are used again for the next
// pipeline, so the commands of one must be done with by then.
type encoder struct {
	keys    keys
	layouts map[*features.RowLayout]*rowNames
	expires expiries

	text     []byte // all values of a pipeline, one after another
	cells    []cell
	args     []any
	commands []goredis.Cmder
}

// rowNames are the parts of a layout's commands that are the same in every row,
// boxed once: putting a string into an argument list costs an allocation.
type rowNames struct {
	prefix, suffix string
	names          []any // by column
	at             []any // <name>_at by column, nil where the value does not move
	ttl            any   // nil: rows do not expire
	ifNew          any   // the ttl for rowScript, where only a new row needs it
	extra          time.Duration
}

// cell is one argument: the client takes its bytes as they are, and a pointer
// goes into an argument list without an allocation.
type cell struct{ text []byte }

// MarshalBinary gives the argument's bytes.
func (c *cell) MarshalBinary() ([]byte, error) { return c.text, nil }

func newEncoder(k keys) encoder {
	return encoder{keys: k, layouts: make(map[*features.RowLayout]*rowNames), expires: newExpiries()}
}

// encode gives the commands of a pipeline: for each row HSET of what it has,
// HDEL of what it has not, PEXPIRE where it has not had one just now. They are
// valid until the next call.
func (e *encoder) encode(ctx context.Context, rows []sinks.VersionedRow) []goredis.Cmder {
	e.text, e.cells, e.args = e.text[:0], e.cells[:0], e.args[:0]
	clear(e.commands)
	clear(e.expires.skipped)
	e.commands, e.expires.skipped = e.commands[:0], e.expires.skipped[:0]
	for i := range rows {
		e.row(ctx, &rows[i])
	}
	return e.commands
}

func (e *encoder) row(ctx context.Context, row *sinks.VersionedRow) {
	names := e.namesOf(row.Layout)
	key := e.key(names, row)
	boxed := any(key) // once: all commands share it

	start := len(e.args)
	e.args = append(e.args, "hset", boxed)
	e.fields(names, row, e.cell(appendVersion(e.text, row.Version)))
	fields := (len(e.args) - start - 2) / 2
	hset := e.command(ctx, start)

	start = len(e.args)
	e.args = append(e.args, "hdel", boxed)
	if e.missing(names, row) {
		e.command(ctx, start)
	} else {
		e.args = e.args[:start]
	}
	switch {
	case names.ttl == nil:
	case e.expires.kept(key, names.extra):
		e.expires.skipped = append(e.expires.skipped, skip{hset, int64(fields), boxed, names.ttl})
	default:
		start = len(e.args)
		e.args = append(e.args, "pexpire", boxed, names.ttl)
		e.command(ctx, start)
	}
}

func (e *encoder) key(names *rowNames, row *sinks.VersionedRow) string {
	return names.prefix + e.keys.tokens.RedisKey(row.Layout.View.Entity, row.Key) + names.suffix
}

// fields appends what HSET takes: all values that a row has, and what it says
// of itself.
func (e *encoder) fields(names *rowNames, row *sinks.VersionedRow, version *cell) {
	asOf := e.cell(strconv.AppendInt(e.text, row.AsOf, 10))
	for i, value := range row.Values {
		if !value.Has() {
			continue
		}
		e.args = append(e.args, names.names[i], e.cell(appendValue(e.text, value, row.Layout.Columns[i].Scale)))
		if names.at[i] != nil {
			e.args = append(e.args, names.at[i], asOf)
		}
	}
	e.args = append(e.args,
		fieldVersion, version,
		fieldAsOf, asOf,
		fieldStatus, e.cell(appendStatuses(e.text, &row.Row)))
}

// missing appends what HDEL takes, and reports whether there is any.
func (e *encoder) missing(names *rowNames, row *sinks.VersionedRow) (any bool) {
	for i, value := range row.Values {
		if value.Has() {
			continue
		}
		any = true
		e.args = append(e.args, names.names[i])
		if names.at[i] != nil {
			e.args = append(e.args, names.at[i])
		}
	}
	return any
}

// cell takes grown, which is e.text and one more argument behind it.
func (e *encoder) cell(grown []byte) *cell {
	// Where the arrays grew, earlier cells and arguments still point into the
	// former ones, which hold the same.
	e.cells = append(e.cells, cell{text: grown[len(e.text):]})
	e.text = grown
	return &e.cells[len(e.cells)-1]
}

func (e *encoder) command(ctx context.Context, start int) *goredis.Cmd {
	end := len(e.args)
	command := goredis.NewCmd(ctx, e.args[start:end:end]...)
	e.commands = append(e.commands, command)
	return command
}

func (e *encoder) namesOf(layout *features.RowLayout) *rowNames {
	if names := e.layouts[layout]; names != nil {
		return names
	}
	names := &rowNames{
		prefix: e.keys.rowPrefix(layout.View),
		suffix: rowSuffix(layout.View),
		names:  make([]any, len(layout.Columns)),
		at:     make([]any, len(layout.Columns)),
	}
	for i, column := range layout.Columns {
		names.names[i] = column.Feature.Short
		if column.Moves {
			names.at[i] = column.Feature.Short + suffixAt
		}
	}
	if ttl := layout.View.TTL; ttl > 0 {
		names.extra = extraOf(ttl)
		ms := millisOf(ttl + names.extra)
		names.ttl, names.ifNew = ms, "-"+ms
	}
	e.layouts[layout] = names
	return names
}

// ttlSeconds is a view's ttl as meta has it, rounded up. 0 is no ttl.
func ttlSeconds(v *spec.View) int64 {
	return int64((v.TTL + time.Second - 1) / time.Second)
}
