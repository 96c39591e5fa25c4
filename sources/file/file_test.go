package file

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"

	"github.com/freshet-dev/freshet/sources"
	"github.com/freshet-dev/freshet/sources/sourcetest"
)

const testMaxRecord = 4096

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	sourcetest.Test(t, sourcetest.Suite{
		Ends:           true,
		Single:         true,
		MaxRecordBytes: testMaxRecord,
		Begin: func(t *testing.T, partitions ...int) sourcetest.Run {
			dir := t.TempDir()
			config := Config{Sources: len(partitions), Peek: noTime, MaxRecordBytes: testMaxRecord}
			path := func(source int) string { return filepath.Join(dir, fmt.Sprintf("%d.jsonl", source)) }
			for source := range partitions {
				config.Inputs = append(config.Inputs, Input{source, path(source)})
				write(t, path(source), "")
			}
			return sourcetest.Run{
				Append: func(t *testing.T, source int, _ int32, values ...string) {
					write(t, path(source), strings.Join(values, "\n")+"\n")
				},
				Open: func(t *testing.T) sources.Consumer { return mustOpen(t, config) },
			}
		},
	})
}

func noTime(*sources.Record) (int64, bool, bool) { return 0, false, false }

// peekT reads the time of {"t": ms} records and of CSV rows with a column t; a
// record with "no": true is refused.
func peekT(r *sources.Record) (int64, bool, bool) {
	if r.Cells != nil {
		var ms int64
		i := slices.Index(r.Cells.Names, "t")
		n, err := fmt.Sscan(r.Cells.Texts[i], &ms)
		return ms, n == 1 && err == nil, n == 1 && err == nil
	}
	var v struct {
		T  *int64
		No bool
	}
	if json.Unmarshal(r.Value, &v) != nil || v.T == nil {
		return 0, false, false
	}
	return *v.T, !v.No, true
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	writeFile(t, path, text)
	return path
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, config Config) *Consumer {
	t.Helper()
	c, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// drain reads everything. Records are copied: they live until the next Poll.
func drain(t *testing.T, config Config, max int) ([]sources.Record, error) {
	t.Helper()
	c := mustOpen(t, config)
	defer func() { _ = c.Close(context.Background()) }()
	var all []sources.Record
	for {
		p, err := c.Poll(t.Context(), max)
		if err != nil {
			return all, err
		}
		if p.Ended {
			return all, nil
		}
		all = append(all, p.Records...)
	}
}

func all(t *testing.T, config Config, max int) []sources.Record {
	t.Helper()
	records, err := drain(t, config, max)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func places(records []sources.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%d/%d:%d ", r.Source, r.Partition, r.Offset)
	}
	return strings.TrimSpace(b.String())
}

func TestS05MergeByRunningMaximum(t *testing.T) {
	dir := t.TempDir()
	// Source 0 has a late record (t=5) behind t=20: its running maximum stays 20,
	// so it comes after source 1's 15 and ties with source 1's 20, which is later
	// in the order of sources.
	a := write(t, filepath.Join(dir, "a.jsonl"), `{"t":10}`+"\n"+`{"t":20}`+"\n"+`{"t":5}`+"\n"+`{"t":30}`+"\n")
	b := write(t, filepath.Join(dir, "b.jsonl"), `{"t":10}`+"\n"+`{"t":15}`+"\n"+`{"t":20}`+"\n"+`{"t":25}`+"\n")
	config := Config{Inputs: []Input{{1, b}, {0, a}}, Sources: 2, Peek: peekT} // given in the other order
	want := "0/0:0 1/0:0 1/0:1 0/0:1 0/0:2 1/0:2 1/0:3 0/0:3"
	for _, max := range []int{1, 3, 100} {
		if got := places(all(t, config, max)); got != want {
			t.Errorf("polls of %d: got %s, want %s", max, got, want)
		}
	}
}

func TestS05RefusedRecordsMoveNoTime(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.jsonl"), `{"t":10}`+"\n"+`{"t":50,"no":true}`+"\n"+`{"t":20}`+"\n")
	b := write(t, filepath.Join(dir, "b.jsonl"), `{"t":15}`+"\n"+`{"t":30}`+"\n")
	got := places(all(t, Config{Inputs: []Input{{0, a}, {1, b}}, Sources: 2, Peek: peekT}, 100))
	if want := "0/0:0 0/0:1 1/0:0 0/0:2 1/0:1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestS05SecondFileOfASourceIsItsNextPartition(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.jsonl"), `{"t":1}`+"\n"+`{"t":3}`+"\n")
	b := write(t, filepath.Join(dir, "b.jsonl"), `{"t":2}`+"\n")
	got := places(all(t, Config{Inputs: []Input{{0, a}, {0, b}}, Sources: 1, Peek: peekT}, 100))
	if want := "0/0:0 0/1:0 0/0:1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestS11FutureInFiles(t *testing.T) {
	const day = dayMs
	lines := func(times ...int64) string {
		var b strings.Builder
		for _, ms := range times {
			fmt.Fprintf(&b, `{"t":%d}`+"\n", ms)
		}
		return b.String()
	}
	repeat := func(ms int64, n int) []int64 { return slices.Repeat([]int64{ms}, n) }
	base := int64(1_700_000_000_000)
	tests := []struct {
		name  string
		times []int64
		want  []int // indexes marked as future
	}{
		{"exactly a day ahead is not", []int64{base, base + day, base - 1}, nil},
		{"a ms more, and none comes near", []int64{base, base + day + 1, base}, []int{1}},
		{"the next one comes to within a day", []int64{base, base + 3*day, base + 2*day}, nil},
		{"the next one stays a ms short", []int64{base, base + 3*day, base + 2*day - 1}, []int{1}},
		{"no records follow", []int64{base, base + 3*day}, nil},
		{"the first record has none before it", []int64{base + 9*day, base}, nil},
		{"the 100th that follows comes near", append(append([]int64{base, base + 3*day}, repeat(base, 99)...), base+3*day), nil},
		{"the 101st is too late", append(append([]int64{base, base + 3*day}, repeat(base, 100)...), base+3*day), []int{1}},
		{"two wrong ones in a row vouch for each other", []int64{base, base + 9*day, base + 9*day, base}, nil},
		{"a future record moves no time", []int64{base, base + 9*day, base, base + 2*day, base}, []int{1, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "a.jsonl"), lines(test.times...))
			var got []int
			for i, r := range all(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: peekT}, 7) {
				if r.Future {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("future: %v, want %v", got, test.want)
			}
		})
	}
}

func TestLinesKeepTheirNumbers(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "a"), "\xef\xbb\xbf{\"t\":1}\r\n\n  \n{broken\n{\"t\":2}")
	records := all(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: peekT}, 100)
	if got, want := places(records), "0/0:0 0/0:3 0/0:4"; got != want {
		t.Errorf("places %s, want %s", got, want)
	}
	for i, want := range []string{`{"t":1}`, `{broken`, `{"t":2}`} {
		if got := string(records[i].Value); got != want {
			t.Errorf("record %d is %q, want %q", i, got, want)
		}
	}
}

func TestManyRecordsKeepTheirBytes(t *testing.T) {
	var b strings.Builder
	const n = 20_000
	for i := range n {
		fmt.Fprintf(&b, `{"t":%d,"pad":"%s"}`+"\n", i, strings.Repeat("x", i%300))
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(b.String()))
	_ = w.Close()
	path := write(t, filepath.Join(t.TempDir(), "a.jsonl.gz"), packed.String())
	var joined strings.Builder
	for _, r := range all(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: peekT}, 999) {
		joined.Write(r.Value)
		joined.WriteByte('\n')
	}
	if joined.String() != b.String() {
		t.Error("the records are not the file")
	}
}

func TestCSV(t *testing.T) {
	text := "t,name,note\n" +
		"1,a,plain\n" +
		"2,b,\"two\nlines, \"\"quoted\"\"\"\n" +
		"\n" +
		"3,c,stray\"quote\n" +
		"4,d\n" +
		"5,e,\n" +
		"6,f,\"never closed\n" +
		"7,g,last\n"
	path := write(t, filepath.Join(t.TempDir(), "a.csv"), text)
	records := all(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: peekT}, 100)
	want := []struct {
		offset  int64
		texts   string
		damaged string
	}{
		{1, "1|a|plain", ""},
		{2, "2|b|two\nlines, \"quoted\"", ""},
		{5, "", `bare " in non-quoted-field, byte 9`},
		{6, "", "2 cells, its header has 3"},
		{7, "5|e|", ""},
		{8, "", "quote"},
		{9, "7|g|last", ""},
	}
	if len(records) != len(want) {
		t.Fatalf("%d records, want %d: %s", len(records), len(want), places(records))
	}
	for i, w := range want {
		r := records[i]
		texts := ""
		if r.Cells != nil {
			texts = strings.Join(r.Cells.Texts, "|")
		}
		if r.Offset != w.offset || texts != w.texts || (r.Damaged == "") != (w.damaged == "") || !strings.Contains(r.Damaged, w.damaged) {
			t.Errorf("row %d: line %d %q damaged %q, want line %d %q %q", i, r.Offset, texts, r.Damaged, w.offset, w.texts, w.damaged)
		}
	}
	if got := string(records[5].Value); got != `6,f,"never closed` {
		t.Errorf("the raw row is %q", got)
	}
}

func TestCSVRowOverTheCap(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "a.csv"), "t,x\n1,"+strings.Repeat("y", testMaxRecord)+"\n2,z\n")
	records := all(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: peekT, MaxRecordBytes: testMaxRecord}, 100)
	if len(records) != 2 || records[0].Oversized != testMaxRecord+2 || records[0].Cells != nil || records[1].Cells == nil {
		t.Errorf("got %d records, the first marked %d", len(records), records[0].Oversized)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"missing", Config{Inputs: []Input{{0, filepath.Join(dir, "none.csv")}}}, "no such file"},
		{"directory", Config{Inputs: []Input{{0, dir}}}, "it is a directory"},
		{"not gzip", Config{Inputs: []Input{{0, write(t, filepath.Join(dir, "a.csv.gz"), "t,x\n")}}}, "not a gzip file"},
		{"damaged gzip", Config{Inputs: []Input{{0, write(t, filepath.Join(dir, "b.gz"), "\x1f\x8bxxxxxxxxxxxxxxxxxxxx")}}}, "not a gzip file"},
		{"array", Config{Inputs: []Input{{0, write(t, filepath.Join(dir, "a.json"), " [{}]")}}}, "one object per line"},
		{"stdin twice", Config{Inputs: []Input{{0, "-"}, {0, "-"}}}, "only one can be"},
	}
	for _, test := range tests {
		test.config.Sources, test.config.Peek, test.config.Stdin = 1, noTime, strings.NewReader("")
		c, err := Open(test.config)
		if err == nil {
			_ = c.Close(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestWhatIsFoundLaterEndsTheRun(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte("{\"t\":1}\n{\"t\":2}\n"))
	_ = w.Close()
	short := packed.String()[:packed.Len()-6] // its checksum is gone
	dir := t.TempDir()
	for path, want := range map[string]string{
		write(t, filepath.Join(dir, "a.jsonl.gz"), short):     "a.jsonl.gz: unexpected EOF",
		write(t, filepath.Join(dir, "b.csv"), "a,a\n1,2\n"):   `line 1: the CSV header names column "a" twice`,
		write(t, filepath.Join(dir, "c.csv"), "a,,b\n1,2,3"):  "column 2 of the CSV header has no name",
		write(t, filepath.Join(dir, "d.csv"), "a,\"b\n1,2,3"): "header cannot be read",
	} {
		_, err := drain(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: noTime}, 100)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Standard input hands over what is there, and a silent one holds up neither
// a cancelled Poll nor Close.
func TestStandardInput(t *testing.T) {
	in, out := io.Pipe()
	c := mustOpen(t, Config{Inputs: []Input{{0, "-"}}, Sources: 1, Peek: peekT, Stdin: in})
	poll := func(ctx context.Context) sources.Poll {
		t.Helper()
		p, err := c.Poll(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	poll(t.Context())
	_, _ = out.Write([]byte("{\"t\":1}\n{\"t\":"))
	if p := poll(t.Context()); places(p.Records) != "0/0:0" {
		t.Errorf("got %+v, want the whole line", p)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if p := poll(ctx); len(p.Records) > 0 || p.Ended {
		t.Errorf("got %+v from a silent input", p)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_ = out.Close() // ends the reading goroutine, for goleak
}

// A named pipe that nobody writes to holds up nothing either, from Open on.
func TestANamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: peekT})
	if _, err := c.Poll(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if p, err := c.Poll(ctx, 10); err != nil || len(p.Records) > 0 || p.Ended {
		t.Errorf("got %+v, %v of a pipe without a writer", p, err)
	}
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = out.WriteString("{\"t\":1}\n")
	if p, err := c.Poll(t.Context(), 10); err != nil || places(p.Records) != "0/0:0" {
		t.Errorf("got %+v, %v", p, err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_ = out.Close() // ends the reading goroutine, for goleak
}

func TestSourceWithoutInputOwnsAnEmptyPartition(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "a.jsonl"), "{\"t\":1}\n")
	c := mustOpen(t, Config{Inputs: []Input{{1, path}}, Sources: 3, Peek: peekT})
	defer func() { _ = c.Close(t.Context()) }()
	p, err := c.Poll(t.Context(), 1)
	if err != nil || len(p.Owned) != 3 {
		t.Errorf("owner of %+v, %v", p.Owned, err)
	}
}

// The byte is one of the row, whatever its line, and wherever the row stands.
func TestAStrayQuoteIsNamedByItsByteInTheRow(t *testing.T) {
	row := "2,\"two\nlines\"x\"\""
	path := write(t, filepath.Join(t.TempDir(), "a.csv"), "t,note\n1,\"of\ntwo lines\"\n"+row+"\n")
	records := all(t, Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: peekT}, 100)
	want := fmt.Sprintf(", byte %d", strings.Index(row, `"x`))
	if len(records) != 2 || !strings.HasSuffix(records[1].Damaged, want) {
		t.Errorf("got %+v, want %q", records, want)
	}
}
