package main

import (
	"context"
	"fmt"

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
			missing = append(missing, features.Missing{What: source.Type + " sources", Pos: source.Pos})
		}
		if !sourceFormats[source.Format] && !fromFiles {
			missing = append(missing, features.Missing{What: "format " + source.Format, Pos: source.Pos})
		}
		if source.History != nil && !fromFiles {
			missing = append(missing, features.Missing{What: historyFrom + source.History.Type + " files", Pos: source.Pos})
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
	config := kafka.Config{Client: p.kafka, Group: p.group(), InstanceID: p.settings.Kafka.InstanceID, Observe: p.observe}
	if p.session != nil {
		config.Transaction = p.session
	}
	for _, source := range p.spec.Sources {
		config.Topics = append(config.Topics, kafka.Topic{Source: source.Index, Name: source.Topic})
	}
	return kafka.NewConsumer(ctx, config)
}

// openFiles reads the files of --input in place of the live sources.
func (p *plant) openFiles() (sources.Consumer, error) {
	config := file.Config{Sources: len(p.spec.Sources), Stdin: p.app.in, Peek: p.peek()}
	for _, in := range p.inputs {
		config.Inputs = append(config.Inputs, file.Input{Source: in.source.Index, Path: in.path})
	}
	consumer, err := file.Open(config)
	if err != nil {
		return nil, failed(err, "")
	}
	return consumer, nil
}

// peek tells the event time of a record before its turn, by decoding it as the
// pipeline will.
func (p *plant) peek() func(*sources.Record) (ms int64, accepted, ok bool) {
	readers := make([]*features.Reader, len(p.spec.Sources))
	for i := range readers {
		readers[i] = p.plan.NewReader(i)
		readers[i].SetTables(p.tables)
	}
	var ev event.Event
	return func(r *sources.Record) (ms int64, accepted, ok bool) {
		ev.Source, ev.Partition, ev.Offset, ev.RecordTime = r.Source, r.Partition, r.Offset, r.Time
		var refused *event.Rejection
		if r.Cells != nil {
			refused = readers[r.Source].ReadTexts(r.Cells.Names, r.Cells.Texts, &ev)
		} else {
			refused = readers[r.Source].Read(r.Value, &ev)
		}
		switch {
		case refused == nil:
			return ev.Time, true, true
		case refused.Reason == event.Filtered:
			return ev.Time, false, true
		}
		return 0, false, false
	}
}
