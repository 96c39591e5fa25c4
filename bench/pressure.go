package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	pressureEvents = 700_000 // of three entities each that nobody has seen
	pressureLimit  = "512MiB"
)

// benchPressure drains events of as many cards, users and devices through the
// whole pipeline, under a memory limit that they do not fit in.
// FRESHET_BENCH_KEYS says how many events, FRESHET_BENCH_MEMORY the limit.
func benchPressure() error {
	ctx := context.Background()
	keys, limit := pressureEvents, pressureLimit
	if text := os.Getenv("FRESHET_BENCH_KEYS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("FRESHET_BENCH_KEYS: %w", err)
		}
		keys = n
	}
	if text := os.Getenv("FRESHET_BENCH_MEMORY"); text != "" {
		limit = text
	}
	r, err := build()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return err
	}
	if err := r.fillKeys(ctx, keys); err != nil {
		return err
	}
	began := time.Now()
	cmd, err := r.start(deliveries[0], "FRESHET_MEMORY_LIMIT="+limit)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d events, each of a card, a user and a device of its own, drained exactly once into Redis and Kafka; memory_limit %s.\n\n"+
		"| committed | seconds | CPU s | RSS | peak RSS | entities known | forgotten |\n|---|---|---|---|---|---|---|\n", keys, limit)
	for next := int64(keys / 8); ; {
		n := r.committed(ctx)
		if n >= next {
			cpu, _ := processCPU(cmd.Process.Pid)
			fmt.Printf("| %d | %.0f | %.0f | %s | %s | %.0f | %.0f |\n", n, time.Since(began).Seconds(), cpu.Seconds(),
				memoryOf(cmd.Process.Pid, "VmRSS"), memoryOf(cmd.Process.Pid, "VmHWM"), r.sum("freshet_state_keys"), r.sum("freshet_state_evictions_total"))
			next += int64(keys / 8)
		}
		switch {
		case n >= int64(keys):
			return r.stop(cmd)
		case time.Since(began) > pressureFor:
			return r.abort(cmd, errors.New("it was not drained in time"))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

const pressureFor = 20 * time.Minute

// fillKeys produces one payment of each key.
func (r *rig) fillKeys(ctx context.Context, keys int) error {
	begin, failed := time.Now().Add(-time.Hour), error(nil)
	for n := range keys {
		id := "card-" + strconv.Itoa(n)
		at := begin.Add(time.Duration(n) * time.Hour / time.Duration(keys)).UTC().Format("2006-01-02T15:04:05.000Z")
		value := fmt.Appendf(nil, `{"payment_id":"p%d","event_time":"%s","card_id":"%s","user_id":"user-%d","device_id":"device-%d","ip":"10.0.%d.%d","merchant_id":"m%d","mcc":"5411","channel":"ecom","amount":%d.25,"currency":"EUR","status":"approved","country":"DE"}`,
			n, at, id, n, n, n%200, n%250, n%300, 1+n%90)
		r.kafka.Produce(ctx, &kgo.Record{Topic: r.spec.Sources[0].Topic, Key: []byte(id), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	return errors.Join(r.kafka.Flush(ctx), failed)
}

// memoryOf is a line of a process's status.
func memoryOf(pid int, name string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return fmt.Sprintf("%d MiB", kb>>10)
		}
	}
	return "unknown"
}

// sum adds up all series of a metric of the instance.
func (r *rig) sum(name string) (sum float64) {
	for _, line := range r.scrape() {
		if rest, ok := strings.CutPrefix(line, name+"{"); ok {
			_, value, _ := strings.Cut(rest, "} ")
			f, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			sum += f
		}
	}
	return sum
}
