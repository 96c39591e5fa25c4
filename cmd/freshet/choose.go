package main

import (
	"context"
	"fmt"
	"io"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/features/spectest"
	"github.com/freshet-dev/freshet/models"
	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/file"
	"github.com/freshet-dev/freshet/sources/kafka"
)

// The tables that choose. What is not listed here is "not available yet": the
// spec is valid, this build cannot run it.
var (
	// sourceTypes open the live inputs of a run, by `type:` of its sources.
	sourceTypes = map[string]func(context.Context, *plant) (sources.Consumer, error){
		"kafka": openKafkaSource,
	}
	// sourceFormats are the values of `format:` that the engine decodes. CSV
	// is for files.
	sourceFormats = map[string]bool{"json": true, "csv": true}
	// modelRuntimes make scorers, by `runtime:`.
	modelRuntimes = map[string]func(models.Definition) (models.Scorer, error){
		"expr": func(d models.Definition) (models.Scorer, error) { return models.NewExpr(d) },
	}
)

// missingConnectors lists the sources, formats and models of a spec that no
// table has. Files replace the whole of a source's connection: its type, its
// format, and the history that fills windows longer than a topic's retention.
func missingConnectors(s *spec.Spec, fromFiles bool) []features.Missing {
	var missing []features.Missing
	for _, source := range s.Sources {
		if sourceTypes[source.Type] == nil && !fromFiles {
			missing = append(missing, features.Missing{What: source.Type + aSource, Pos: source.Pos})
		}
		if !sourceFormats[source.Format] && !fromFiles {
			missing = append(missing, features.Missing{What: formatOf + source.Format, Pos: source.Pos})
		}
		if source.History != nil && !fromFiles {
			missing = append(missing, features.Missing{What: historyFrom + source.History.Type + " files", Pos: source.Pos})
		}
	}
	for _, v := range s.Views {
		if v.RefreshPos.Line > 0 && !fromFiles { // rows in Redis are as of the entity's last event
			missing = append(missing, features.Missing{What: "refresh", Pos: v.RefreshPos})
		}
	}
	for _, model := range s.Models {
		if modelRuntimes[model.Runtime] == nil {
			missing = append(missing, features.Missing{What: "runtime " + model.Runtime, Pos: model.Pos})
		}
	}
	return missing
}

// scorers makes the scorer of every model, by its index.
func scorers(s *spec.Spec) ([]models.Scorer, error) {
	var out []models.Scorer
	for _, m := range s.Models {
		scorer, err := modelRuntimes[m.Runtime](spectest.Definition(m))
		if err != nil {
			return nil, fmt.Errorf("model %s, %s:%d: %w", m.Name, m.Pos.File, m.Pos.Line, err)
		}
		out = append(out, scorer)
	}
	return out, nil
}

// openKafkaSource joins the group that reads all topics of the run.
func openKafkaSource(ctx context.Context, p *plant) (sources.Consumer, error) {
	c := kafka.Config{Client: p.kafka, Group: p.group(), InstanceID: p.settings.Kafka.InstanceID,
		SessionTimeout: config.SessionTimeout, AcceptGap: p.settings.Kafka.AcceptGap, Memory: p.memory, Observe: p.observe}
	if p.session != nil {
		c.Transaction = p.session
	}
	for _, source := range p.spec.Sources {
		c.Topics = append(c.Topics, kafka.Topic{Source: source.Index, Name: source.Topic,
			MaxAhead: source.MaxAhead, Lateness: source.AllowedLateness})
	}
	return kafka.NewConsumer(ctx, c)
}

// openFiles reads the files of --input in place of the live sources.
func (p *plant) openFiles() (sources.Consumer, error) {
	p.app.tellEmpty(p.spec, p.inputs)
	return openInputs(p.plan, p.tables, p.inputs, p.app.in)
}

// openInputs merges files into one stream, in the order in which a run reads them.
func openInputs(plan *features.Plan, tables []*event.Table, inputs []input, stdin io.Reader) (sources.Consumer, error) {
	config := file.Config{Sources: len(plan.Spec().Sources), Stdin: stdin, Peek: peek(readersOf(plan, tables))}
	for _, in := range inputs {
		config.Inputs = append(config.Inputs, file.Input{Source: in.source.Index, Path: in.path})
	}
	consumer, err := file.Open(config)
	if err != nil {
		return nil, failed(err, "")
	}
	return consumer, nil
}

// readersOf makes a reader for each source of a plan.
func readersOf(plan *features.Plan, tables []*event.Table) []*features.Reader {
	var readers []*features.Reader
	for i := range plan.Spec().Sources {
		reader := plan.NewReader(i)
		reader.SetTables(tables)
		readers = append(readers, reader)
	}
	return readers
}

// readRecord decodes a record as the pipeline does.
func readRecord(readers []*features.Reader, r *sources.Record, ev *event.Event) *event.Rejection {
	ev.Source, ev.Partition, ev.Offset, ev.RecordTime = r.Source, r.Partition, r.Offset, r.Time
	if r.Cells != nil {
		return readers[r.Source].ReadTexts(r.Cells.Names, r.Cells.Texts, ev)
	}
	return readers[r.Source].Read(r.Value, ev)
}

// peek tells the event time of a record before its turn.
func peek(readers []*features.Reader) func(*sources.Record) (ms int64, accepted, ok bool) {
	var ev event.Event
	return func(r *sources.Record) (ms int64, accepted, ok bool) {
		refused := readRecord(readers, r, &ev)
		switch {
		case refused == nil:
			return ev.Time, true, true
		case refused.Reason == event.Filtered:
			return ev.Time, false, true
		}
		return 0, false, false
	}
}
