package spec

import (
	"os"
	"testing"
)

// BenchmarkLoad is what generated specs of the judge and a reload cost.
func BenchmarkLoad(b *testing.B) {
	for _, name := range []string{"testdata/base.good.yaml", "../../examples/quickstart/quickstart.freshet.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name[len(name)-14:len(name)-5], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if specs, _, err := LoadFiles([]File{{Name: name, Data: data}}); err != nil || specs == nil {
					b.Fatal(err)
				}
			}
		})
	}
}
