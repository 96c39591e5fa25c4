package redis

import (
	"context"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
)

// counts is what became of rows by the versions that stood there.
type counts struct {
	equal, stale, differ atomic.Int64
}

// add counts the answers of rowScript.
func (c *counts) add(rows []goredis.Cmder) {
	for _, row := range rows {
		switch answer, _ := answerOf(row); answer { // one without has failed the write before
		case rowEqual:
			c.equal.Add(1)
		case rowStale:
			c.stale.Add(1)
		case rowDiffers:
			c.differ.Add(1)
		}
	}
}

// looked is the look at a row that is about to be replaced on one server, where
// the fence alone decides: one row of sampleEvery, since it costs three commands.
type looked struct {
	row      []goredis.Cmder // HGET of its version, its statuses and its first value
	expected [3]string
}

const sampleEvery = 256

// sample begins the commands of a pipeline with a look at its first row.
func (s *Store) sample(ctx context.Context, commands []goredis.Cmder, rows int) (looked, []goredis.Cmder) {
	if s.unseen += rows; s.unseen < sampleEvery {
		return looked{}, commands
	}
	s.unseen = 0
	var l looked
	args := commands[0].Args() // hset key [field value]...
	for at := 2; at+1 < len(args); at += 2 {
		field, _ := args[at].(string)
		value, ok := args[at+1].(*cell)
		slot := 2
		switch {
		case !ok:
			continue
		case field == fieldVersion:
			slot = 0
		case field == fieldStatus:
			slot = 1
		case at > 2:
			continue
		}
		l.expected[slot] = string(value.text)
		l.row = append(l.row, goredis.NewCmd(ctx, "hget", args[1], field))
	}
	return l, append(l.row[:len(l.row):len(l.row)], commands...)
}

// judge counts what the look has found.
func (l looked) judge(c *counts) {
	same := true
	for _, command := range l.row {
		field, _ := command.Args()[2].(string)
		found, _ := command.(*goredis.Cmd).Text()
		switch field {
		case fieldVersion:
			if found != l.expected[0] {
				return
			}
		case fieldStatus:
			same = same && found == l.expected[1]
		default:
			same = same && found == l.expected[2]
		}
	}
	switch {
	case len(l.row) == 0:
	case same:
		c.equal.Add(1)
	default:
		c.differ.Add(1)
	}
}

// Versions says what became of rows so far by the versions that stood there.
func (s *Store) Versions() sinks.VersionCounts {
	return sinks.VersionCounts{Equal: s.counts.equal.Load(), Stale: s.counts.stale.Load(), Differ: s.counts.differ.Load()}
}
