package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet-dev/freshet/sources/generate"
)

// runGenerate runs the verb, and returns the exit code, stdout and stderr.
func runGenerate(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = execute(append([]string{"generate"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestGenerateWritesFilesThatTheSeedDecides(t *testing.T) {
	read := func(seed string) (payments, activity string) {
		dir := t.TempDir()
		if code, _, errs := runGenerate("--output-dir", dir, "--count", "2000", "--seed", seed, "--bad", "0.02"); code != exitDone {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		p, err := os.ReadFile(filepath.Join(dir, "payments.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := os.ReadFile(filepath.Join(dir, "activity.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return string(p), string(a)
	}
	p1, a1 := read("1")
	p2, a2 := read("1")
	p3, _ := read("2")
	if p1 != p2 || a1 != a2 {
		t.Error("the same seed wrote other files")
	}
	if p1 == p3 {
		t.Error("another seed wrote the same file")
	}
	if n := strings.Count(p1+a1, "\n"); n != 2000 {
		t.Errorf("%d lines, want 2000", n)
	}
}

func TestGenerateToStdoutIsPaced(t *testing.T) {
	began := time.Now()
	code, out, errs := runGenerate("--stdout", "--count", "40", "--rate", "200", "--fraud", "none")
	if code != exitDone || strings.Count(out, "\n") != 40 {
		t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("40 records at 200/s took %v", took)
	}
}

// TestGenerateWritesToKafka: what kafka-go writes, franz-go reads: all of it,
// each key's records in one partition in the order of the generator.
func TestGenerateWritesToKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	const count = 5000
	code, _, errs := runGenerate("--brokers", strings.Join(cluster.ListenAddrs(), ","), "--count", "5000", "--seed", "9", "--start", "2026-01-05T10:00:00Z",
		"--topics", "activity=other.activity", "--partitions", "3")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	want := map[string][]string{} // by topic and key
	g := generate.New(generate.Options{Seed: 9, Start: time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC), OutOfOrder: 0.05, Duplicates: 0.01, Fraud: defaultFraud})
	for range count {
		e := g.Next()
		topic := map[string]string{"payments": "quickstart.payments.v1", "activity": "other.activity"}[e.Source]
		want[topic+string(e.Key)] = append(want[topic+string(e.Key)], string(e.Value))
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("quickstart.payments.v1", "other.activity"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, partitionOf, partitions := map[string][]string{}, map[string]int32{}, map[int32]bool{}
	for n := 0; n < count; {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("only %d of %d records arrived", n, count)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			key := r.Topic + string(r.Key)
			if p, known := partitionOf[key]; known && p != r.Partition {
				t.Errorf("%s is in the partitions %d and %d", key, p, r.Partition)
			}
			partitionOf[key] = r.Partition
			partitions[r.Partition] = true
			got[key] = append(got[key], string(r.Value))
		})
	}
	if len(partitions) != 3 || len(got) != len(want) {
		t.Errorf("%d partitions, %d keys, want 3 and %d", len(partitions), len(got), len(want))
	}
	for key, values := range want {
		if strings.Join(got[key], "\n") != strings.Join(values, "\n") {
			t.Fatalf("%s arrived as\n%s\nwant\n%s", key, strings.Join(got[key], "\n"), strings.Join(values, "\n"))
		}
	}
}

func TestGenerateSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--fraud tax", exitUsage, "card_testing"}, {"--late 2 --stdout", exitUsage, "late"}, {"--topics logins=x", exitUsage, "payments and activity"},
		{"--stdout --output-dir x", exitUsage, "one of them"}, {"--realtime --start 2026-01-05T10:00:00Z", exitUsage, "now"},
		{"--start yesterday", exitUsage, "2026-01-05T12:00:00Z"}, {"--writers 0", exitUsage, "--writers"}, {"--count -1", exitUsage, "--count"},
		{"--rate -1", exitUsage, "--rate"}, {"extra", exitUsage, "extra"}, {"--brokers 127.0.0.1:1", exitUnreachable, "127.0.0.1:1"},
	} {
		if code, _, errs := runGenerate(strings.Fields(c.args)...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("generate %s: exit code %d: %s", c.args, code, errs)
		}
	}
}

// TestGenerateStartsWhereNothingIsFuture: unpaced records to Kafka end now.
func TestGenerateStartsWhereNothingIsFuture(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		flags generateFlags
		want  time.Time
	}{
		{generateFlags{count: 1000}, now.Add(-10 * time.Second)},
		{generateFlags{count: 1000, eventRate: 10}, now.Add(-100 * time.Second)},
		{generateFlags{count: 1000, rate: 50}, now},
		{generateFlags{count: 0}, now},
		{generateFlags{count: 1000, realtime: true}, now},
		{generateFlags{count: 1000, stdout: true}, generate.DefaultStart},
		{generateFlags{count: 1000, start: "2026-02-01T00:00:00+01:00"}, time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)},
	} {
		c.flags.writers, c.flags.partitions, c.flags.fraud = 1, 1, []string{"all"}
		if err := c.flags.settle(now); err != nil || !c.flags.options.Start.Equal(c.want) {
			t.Errorf("%+v: starts at %s, want %s (%v)", c.flags, c.flags.options.Start, c.want, err)
		}
	}
}
