package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/logtest"
)

func TestConformance(t *testing.T) {
	for _, name := range []string{"out.jsonl", "out.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			logtest.Test(t, logtest.Suite{Begin: func(t *testing.T) logtest.Target {
				path := filepath.Join(t.TempDir(), name)
				l, err := Create(path, Values, nil)
				if err != nil {
					t.Fatal(err)
				}
				return logtest.Target{Log: l, Topic: "any", Read: func(t *testing.T) [][]sinks.Record {
					if err := l.Close(); err != nil {
						t.Fatal(err)
					}
					return [][]sinks.Record{lines(t, path)}
				}}
			}})
		})
	}
}

func lines(t *testing.T, path string) []sinks.Record {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	var all []sinks.Record
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		all = append(all, sinks.Record{Value: []byte(scanner.Text())})
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDeadLettersCarryTheirHeaders(t *testing.T) {
	var out bytes.Buffer
	l, err := Create(Stdout, Headers, &out)
	if err != nil {
		t.Fatal(err)
	}
	headers := []sinks.Header{{Key: "freshet.dlq.reason", Value: []byte("decode")}, {Key: "a\"b", Value: []byte("x\ny")}}
	if err := l.Produce(context.Background(), []sinks.Record{
		{Value: []byte("{\n \"a\": 1}"), Headers: headers},
		{Value: []byte("{broken\n"), Headers: headers[:1]},
	}); err != nil {
		t.Fatal(err)
	}
	want := `{"headers":{"freshet.dlq.reason":"decode","a\"b":"x\ny"},"value":{"a":1}}` + "\n" +
		`{"headers":{"freshet.dlq.reason":"decode"},"value":"{broken\n"}` + "\n"
	if out.String() != want { // standard output is not held back until Close
		t.Errorf("got %s\nwant %s", out.String(), want)
	}
}

func TestAValueOfSeveralLinesBecomesOne(t *testing.T) {
	var out bytes.Buffer
	l, _ := Create(Stdout, Values, &out)
	if err := l.Produce(context.Background(), []sinks.Record{{Value: []byte("{\n\"a\": 1\n}")}}); err != nil || out.String() != "{\"a\":1}\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	if err := l.Produce(context.Background(), []sinks.Record{{Topic: "x", Value: []byte("a\nb")}}); err == nil {
		t.Error("a value of two lines that is not JSON was taken")
	}
}

func TestCreateWhereThereIsNoFolder(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "no", "out"), Values, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

// gone is a pipe whose reader has left.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// Tried again it would fail for ever.
func TestAReaderThatHasGoneEndsTheRun(t *testing.T) {
	l, err := Create(Stdout, Values, gone{})
	if err != nil {
		t.Fatal(err)
	}
	var fatal *sinks.Fatal
	err = l.Produce(context.Background(), []sinks.Record{{Value: []byte("{}")}})
	if !errors.As(err, &fatal) || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the error is %v", err)
	}
}

func TestAFullDiskIsSaid(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("/dev/full is not here")
	}
	l, err := Create("/dev/full", Values, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Produce(context.Background(), []sinks.Record{{Value: []byte("{}")}})
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}
