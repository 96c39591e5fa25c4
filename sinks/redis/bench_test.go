package redis

import (
	"context"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
	"github.com/freshet-dev/freshet/verify/redisfault"
)

const (
	benchRows    = 1024
	benchColumns = 17 // with _v, _as_of and _status 20 fields, as the floors have
)

// benchmarkRows are rows as a busy second has them: counts, sums, and one value
// in eight missing.
func benchmarkRows() []sinks.VersionedRow {
	var columns []sinktest.Column
	for i := range benchColumns {
		columns = append(columns, sinktest.Column{Name: fmt.Sprintf("txn_count_%dm", i), Type: spec.Double})
	}
	layout := sinktest.Layout(&spec.View{Name: "card_velocity", Version: 1, TTL: 48 * time.Hour,
		Entity: &spec.Entity{Name: "card", PII: true}}, columns...)
	rows := make([]sinks.VersionedRow, benchRows)
	for i := range rows {
		values := make([]event.Value, benchColumns)
		for j := range values {
			switch {
			case j%8 == 7: // no value
			case j%2 == 0:
				values[j] = event.OfDouble(float64(i % 50))
			default:
				values[j] = event.OfDouble(float64(i*j) + 0.25)
			}
		}
		rows[i] = sinktest.MakeRow(layout, fmt.Sprintf("card-%06d", i), sinktest.At(7, uint32(i)), values...)
	}
	return rows
}

// BenchmarkWriteRows is the store beside its floor, the bare client with every
// argument made beforehand: HSET alone, and HSET, HDEL and EXPIRE as the store
// sends them. Read the ratio of the rows/s.
func BenchmarkWriteRows(b *testing.B) {
	rows := benchmarkRows()
	o := options(realServer(b))
	b.Cleanup(func() { deleteNamespace(b, openStore(b, o).client, o.Namespace) })
	ctx := context.Background()
	b.Run("store", func(b *testing.B) {
		store := openStore(b, o)
		b.ReportAllocs()
		for b.Loop() {
			if err := store.Write(ctx, rows); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
	})
	for _, floor := range []struct {
		name     string
		hsetOnly bool
	}{{"floor-same-commands", false}, {"floor-hset-only", true}} {
		b.Run(floor.name, func(b *testing.B) {
			store := openStore(b, o)
			commands := rawCommands(ctx, store, rows, floor.hsetOnly)
			b.ReportAllocs()
			for b.Loop() {
				for _, part := range commands {
					pipeline := store.client.Pipeline()
					for _, args := range part {
						pipeline.Do(ctx, args...)
					}
					if _, err := pipeline.Exec(ctx); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// rawCommands are the arguments of the store's own commands, as strings.
func rawCommands(ctx context.Context, store *Store, rows []sinks.VersionedRow, hsetOnly bool) [][][]any {
	var parts [][][]any
	for start := 0; start < len(rows); start += rowsPerPipeline {
		var part [][]any
		for _, command := range store.rows.encode(ctx, rows[start:min(start+rowsPerPipeline, len(rows))]) {
			if hsetOnly && command.Name() != "hset" {
				continue
			}
			args := make([]any, len(command.Args()))
			for i, arg := range command.Args() {
				if c, ok := arg.(*cell); ok {
					arg = string(c.text)
				}
				args[i] = arg
			}
			part = append(part, args)
		}
		parts = append(parts, part)
	}
	return parts
}

// BenchmarkEncodeRows is what a row costs before the client has it.
func BenchmarkEncodeRows(b *testing.B) {
	rows := benchmarkRows()
	o := options("redis://127.0.0.1:1")
	store := openStore(b, o)
	ctx := context.Background()
	var commands []goredis.Cmder
	b.ReportAllocs()
	for b.Loop() {
		for start := 0; start < len(rows); start += rowsPerPipeline {
			commands = store.rows.encode(ctx, rows[start:start+rowsPerPipeline])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
	_ = commands
}

// BenchmarkFenceAndScript is what a row costs on one server, under its fence, and
// on a cluster of one node, as a script: rows/s of one writer, and the server's
// own CPU time for a row.
func BenchmarkFenceAndScript(b *testing.B) {
	ctx := context.Background()
	rows := benchmarkRows()
	single, err := redisfault.Start(ctx)
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(single.Close)
	cluster, err := redisfault.StartCluster(ctx, 1, false)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	on := options("redis://" + cluster.Masters[0].Addr)
	on.Cluster = true
	for _, way := range []struct {
		name    string
		options Options
		server  *redisfault.Server
	}{{"fence", options("redis://" + single.Addr), single}, {"script", on, cluster.Masters[0]}} {
		b.Run(way.name, func(b *testing.B) {
			store := openStore(b, way.options)
			if _, _, err := store.TakeOver(ctx, sinks.Writer{First: true}); err != nil {
				b.Fatal(err)
			}
			batch := uint64(1)
			before, err := way.server.Busy(ctx)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				batch++
				for i := range rows {
					rows[i].Version.Batch = batch
				}
				if err := store.Write(ctx, rows); err != nil {
					b.Fatal(err)
				}
			}
			after, err := way.server.Busy(ctx)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64((after-before).Microseconds())/float64(b.N)/benchRows, "server-µs/row")
		})
	}
}
