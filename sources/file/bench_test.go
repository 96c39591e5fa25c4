package file

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/sources"
)

// BenchmarkFile reads 100,000 records of about 200 bytes from a file, without
// decoding them: the floor of a run over files.
func BenchmarkFile(b *testing.B) {
	const n = 100_000
	var lines, rows strings.Builder
	rows.WriteString("t,card,amount,note\n")
	for i := range n {
		fmt.Fprintf(&lines, `{"t":%d,"card":"c%d","amount":"12.34","note":"%s"}`+"\n", i, i%1000, strings.Repeat("x", 140))
		fmt.Fprintf(&rows, "%d,c%d,12.34,%s\n", i, i%1000, strings.Repeat("x", 140))
	}
	for name, text := range map[string]string{"a.jsonl": lines.String(), "a.csv": rows.String()} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), name)
			writeFile(b, path, text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				c, err := Open(Config{Inputs: []Input{{0, path}}, Sources: 1, Peek: func(*sources.Record) (int64, bool, bool) { return 0, false, false }})
				if err != nil {
					b.Fatal(err)
				}
				got := 0
				for {
					p, err := c.Poll(b.Context(), 512)
					if err != nil {
						b.Fatal(err)
					}
					if p.Ended {
						break
					}
					got += len(p.Records)
				}
				if got != n {
					b.Fatalf("%d records", got)
				}
				_ = c.Close(b.Context())
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
		})
	}
}
