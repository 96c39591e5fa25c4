package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
)

// replay is the state that files lead to: what a run over them would hold at
// its end, without an output.
type replay struct {
	plan    *features.Plan
	tables  []*event.Table
	engine  *features.Engine
	newest  int64 // event time of the newest record applied, ms
	applied int
	refused [event.NumReasons]int
}

const replayPoll = 4096 // records of one poll

// replayFiles applies what a run would accept of the inputs, in its order. All
// records take part in what is late and what is a duplicate; only those up to
// until are applied, so that a reading at until sees no later event.
func (a *app) replayFiles(ctx context.Context, s *spec.Spec, inputs []input, until int64) (*replay, error) {
	s, tables, err := a.runningSpec(s)
	if err != nil {
		return nil, err
	}
	r := &replay{tables: tables, newest: event.NoTime}
	if r.plan, err = features.Compile(s, features.All); err != nil {
		return nil, err
	}
	var options features.Options
	_, _ = rand.Read(options.Seed[:]) // never fails: it would end the process
	r.engine = features.NewEngine(r.plan, options)
	consumer, err := openInputs(r.plan, tables, inputs, a.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = consumer.Close(ctx) }()
	readers := readersOf(r.plan, tables)
	var ev event.Event
	for {
		poll, err := consumer.Poll(ctx, replayPoll)
		if err != nil {
			return nil, fmt.Errorf("read the inputs: %w", err)
		}
		for i := range poll.Records {
			rec := &poll.Records[i]
			refused := &event.Rejection{Reason: event.Decode}
			if rec.Oversized == 0 && rec.Damaged == "" {
				refused = readRecord(readers, rec, &ev)
			}
			if rec.Future && (refused == nil || refused.Reason == event.Filtered) {
				refused = &event.Rejection{Reason: event.Future}
			}
			if refused == nil {
				refused = r.engine.Admit(&ev)
			}
			if refused != nil {
				r.refused[refused.Reason]++
				continue
			}
			if ev.Time <= until {
				r.engine.Apply(&ev, nil)
				r.newest = max(r.newest, ev.Time)
				r.applied++
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if poll.Ended {
			r.engine.DropTouches()
			return r, nil
		}
	}
}
