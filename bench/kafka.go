package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sources/generate"
)

// traffic is what a busy day looks like: some disorder, some duplicates, some
// fraud; half an hour of event time per hundred thousand events.
func traffic() generate.Options {
	return generate.Options{Seed: 1, Rate: 50, OutOfOrder: 0.05, Duplicates: 0.002, Fraud: 0.0005}
}

// benchFile runs the built binary from a JSON lines file to nowhere: decoding,
// features, scores and the records' bytes, without any server.
func benchFile() error {
	r, err := build()
	if err != nil {
		return err
	}
	defer r.close()
	gen := generate.New(traffic())
	files, payments, err := writeFiles(r.dir, gen, liveEvents)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d events of examples/quickstart, two sources, from JSON lines to /dev/null.\n\n", liveEvents)
	header()
	decoder := event.NewDecoder(r.spec.Sources[0])
	var ev event.Event
	measure("floor: raw decode of the payments", len(payments), func() {
		for _, p := range payments {
			decoder.Decode(p, &ev)
		}
	}).print()
	args := append([]string{"run", r.specPath, "--online-store", "none", "--output", "/dev/null", "--dead-letters", "/dev/null"}, files...)
	cmd := exec.Command(r.binary, args...)
	cmd.Env = append(cmd.Environ(), "FRESHET_ENTITY_KEY_SECRET="+benchSecret, "FRESHET_LISTEN=127.0.0.1:0")
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("freshet run: %w\n%s", err, out)
	}
	state := cmd.ProcessState
	res := result{name: "file to null, whole process", events: liveEvents, wall: time.Since(start),
		cpu: state.UserTime() + state.SystemTime(), outside: true, note: "start-up included"}
	res.print()
	return nil
}

// benchKafka drains a filled topic through the binary into Redis and Kafka.
func benchKafka() error {
	ctx := context.Background()
	r, err := build()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return err
	}
	if err := r.fill(liveEvents); err != nil {
		return err
	}
	fmt.Printf("\n%d events in two topics of %d partitions, drained at full speed: rows to Redis, scored records to Kafka.\n\n", liveEvents, livePartitions)
	header()
	if err := r.floorConsume(ctx); err != nil {
		return err
	}
	for _, delivery := range deliveries {
		if err := r.drain(ctx, delivery); err != nil {
			return err
		}
	}
	return r.floorRows(ctx)
}

// floorConsume reads the same records and drops them.
func (r *rig) floorConsume(ctx context.Context) error {
	starts := map[string]map[int32]kgo.Offset{}
	for _, topic := range r.inputs() {
		starts[topic] = map[int32]kgo.Offset{}
		for p := range int32(livePartitions) {
			starts[topic][p] = kgo.NewOffset().AtStart()
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(r.brokers), kgo.ConsumePartitions(starts))
	if err != nil {
		return err
	}
	defer client.Close()
	total, err := r.ends(ctx)
	if err != nil {
		return err
	}
	var failed error
	measure("floor: raw consume", int(total), func() {
		for n := int64(0); n < total && failed == nil; {
			fetches := client.PollFetches(ctx)
			failed = fetches.Err()
			n += int64(fetches.NumRecords())
		}
	}).print()
	return failed
}

func (r *rig) ends(ctx context.Context) (int64, error) {
	offsets, err := r.admin.ListEndOffsets(ctx, r.inputs()...)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, topic := range r.inputs() {
		for _, o := range offsets[topic] {
			sum += o.Offset
		}
	}
	return sum, nil
}

// drain runs the binary until everything is committed. The clock runs from a
// tenth of the way on, so that start-up and cold caches stay outside.
func (r *rig) drain(ctx context.Context, delivery string) error {
	total, err := r.ends(ctx)
	if err != nil {
		return err
	}
	cmd, err := r.start(delivery)
	if err != nil {
		return err
	}
	pids := r.servers(ctx)
	pids["freshet"] = cmd.Process.Pid
	first, err := r.waitFor(ctx, total/10)
	if err != nil {
		return r.abort(cmd, err)
	}
	begin, cpu, allocated, rows := time.Now(), cpuOf(pids), r.metric("go_memstats_alloc_bytes_total"), r.rowsWritten(ctx)
	last, err := r.waitFor(ctx, total)
	if err != nil {
		return r.abort(cmd, err)
	}
	wall, after := time.Since(begin), cpuOf(pids)
	rows = r.rowsWritten(ctx) - rows
	n := int(last - first)
	res := result{name: "Kafka to Redis and Kafka, " + delivery, events: n, wall: wall, cpu: after["freshet"] - cpu["freshet"],
		allocated: uint64(max(0, r.metric("go_memstats_alloc_bytes_total")-allocated))}
	perMillion := func(what string) float64 { return (after[what] - cpu[what]).Seconds() / float64(n) * 1e6 }
	res.note = fmt.Sprintf("broker %.1f, Redis %.1f CPU s per M events; %.1f rows per event", perMillion("broker"), perMillion("redis"), rows/float64(n))
	res.print()
	return r.stop(cmd)
}

// rowsWritten is how many HSETs the server has run: one a row.
func (r *rig) rowsWritten(ctx context.Context) float64 {
	for line := range strings.Lines(r.redis.Info(ctx, "commandstats").Val()) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_hset:calls="); ok {
			calls, _, _ := strings.Cut(rest, ",")
			n, _ := strconv.ParseFloat(calls, 64)
			return n
		}
	}
	return 0
}

// drainLimit bounds a drain: past it something hangs.
const drainLimit = 2 * time.Minute

func (r *rig) waitFor(ctx context.Context, n int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if at := r.committed(ctx); at >= n {
			return at, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("%d events were not committed within %v", n, drainLimit)
		}
	}
}

func cpuOf(pids map[string]int) map[string]time.Duration {
	used := map[string]time.Duration{}
	for name, pid := range pids {
		if pid != 0 {
			used[name], _ = processCPU(pid)
		}
	}
	return used
}

// floorRows writes the rows that the drain has left once more, as a bare
// pipeline of HSETs of ready-made arguments.
func (r *rig) floorRows(ctx context.Context) error {
	const most, batch = 50_000, 200
	var keys []string
	it := r.redis.Scan(ctx, 0, "freshet:"+r.namespace+":{*", 5000).Iterator()
	for it.Next(ctx) && len(keys) < most {
		keys = append(keys, it.Val())
	}
	pipe := r.redis.Pipeline()
	rows := make([][]any, len(keys))
	for from := 0; from < len(keys); from += batch {
		part := keys[from:min(from+batch, len(keys))]
		for _, k := range part {
			pipe.HGetAll(ctx, k)
		}
		replies, err := pipe.Exec(ctx)
		if err != nil {
			return err
		}
		for i, reply := range replies {
			for field, value := range reply.(*redis.MapStringStringCmd).Val() {
				rows[from+i] = append(rows[from+i], field, value)
			}
		}
	}
	fields := 0
	for _, row := range rows {
		fields += len(row) / 2
	}
	var failed error
	res := measure("floor: raw pipelined HSET (per row)", len(keys), func() {
		for from := 0; from < len(keys) && failed == nil; from += batch {
			for i := from; i < min(from+batch, len(keys)); i++ {
				pipe.HSet(ctx, keys[i], rows[i]...)
			}
			_, failed = pipe.Exec(ctx)
		}
	})
	res.note = strconv.Itoa(fields/max(1, len(keys))) + " fields a row; rows, not events"
	res.print()
	return failed
}
