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
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/logtest"
)

func TestConformance(t *testing.T) {
	for _, name := range []string{"out.jsonl", "out.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			logtest.Test(t, logtest.Suite{Begin: func(t *testing.T) logtest.Target {
				path := filepath.Join(t.TempDir(), name)
				l, err := Create(t.Context(), path, Values, nil)
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
	l, err := Create(t.Context(), Stdout, Headers, &out)
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
	l, _ := Create(t.Context(), Stdout, Values, &out)
	if err := l.Produce(context.Background(), []sinks.Record{{Value: []byte("{\n\"a\": 1\n}")}}); err != nil || out.String() != "{\"a\":1}\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	if err := l.Produce(context.Background(), []sinks.Record{{Topic: "x", Value: []byte("a\nb")}}); err == nil {
		t.Error("a value of two lines that is not JSON was taken")
	}
}

func TestCreateWhereThereIsNoFolder(t *testing.T) {
	if _, err := Create(t.Context(), filepath.Join(t.TempDir(), "no", "out"), Values, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

// gone is a pipe whose reader has left.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// Tried again it would fail for ever.
func TestAReaderThatHasGoneEndsTheRun(t *testing.T) {
	l, err := Create(t.Context(), Stdout, Values, gone{})
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
	l, err := Create(t.Context(), "/dev/full", Values, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = l.Produce(context.Background(), []sinks.Record{{Value: []byte("{}")}})
	if err = errors.Join(err, l.Close()); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}

// Killed and started again, a live run goes on behind its last commit: what a
// Produce has taken is in the file, and stays.
func TestContinueKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	if err := os.WriteFile(path, []byte("{\"n\":1}\n{\"n\""), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{`{"n":2}`, `{"n":3}`} {
		l, err := Continue(t.Context(), path, Values, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // which a kill would not have done
		if err := l.Produce(t.Context(), []sinks.Record{{Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := "{\"n\":1}\n{\"n\"\n{\"n\":2}\n{\"n\":3}\n"; err != nil || string(got) != want {
		t.Errorf("the file holds %q (%v), want %q", got, err, want)
	}
	if _, err := Continue(t.Context(), path+".gz", Values, nil); err == nil || !strings.Contains(err.Error(), "without .gz") {
		t.Errorf("a packed file is continued: %v", err)
	}
}

func newPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPipeWaitsForItsReaderNoLongerThanTheRun(t *testing.T) {
	path := newPipe(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Create(ctx, path, Values, nil); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("got %v", err)
	}
}

// A reader that takes nothing more holds up neither the end of a run nor its
// Close; one that leaves ends the run at once.
func TestAReaderOfAPipe(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		path := newPipe(t)
		reading := make(chan *os.File)
		go func() {
			f, _ := os.Open(path)
			reading <- f
		}()
		l, err := Create(t.Context(), path, Values, nil)
		if err != nil {
			t.Fatal(err)
		}
		reader := <-reading
		ctx, want := t.Context(), error(syscall.EPIPE)
		if leaves {
			_ = reader.Close()
		} else {
			defer func() { _ = reader.Close() }()
			limited, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			ctx, want = limited, context.DeadlineExceeded
		}
		more := make([]byte, 1<<20) // than a pipe holds
		for i := range more {
			more[i] = '1'
		}
		var fatal *sinks.Fatal
		if err := l.Produce(ctx, []sinks.Record{{Value: more}}); !errors.As(err, &fatal) || !errors.Is(err, want) {
			t.Errorf("leaves %v: got %v", leaves, err)
		}
		if err := l.Produce(t.Context(), []sinks.Record{{Value: []byte("{}")}}); !errors.As(err, &fatal) {
			t.Errorf("leaves %v: behind an unknown place it writes on: %v", leaves, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("leaves %v: told twice: %v", leaves, err)
		}
	}
}
